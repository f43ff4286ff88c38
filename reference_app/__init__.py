"""The reference gateway: ``uvicorn reference_app:app`` serves the seed's route from its manifests."""

import os
import sys

from gateway_filters import ConfigurationError, Gateway
from gateway_filters.gateway_api.collector import collector_rare
from reference_app.from_manifests import gateway


def _start() -> Gateway:
    try:
        return gateway(os.environ)
    except ConfigurationError as error:
        # One sentence instead of a traceback; 2 as for any command that was called wrongly.
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


app = _start()
"""The gateway as an ASGI app."""

collector_rare()
