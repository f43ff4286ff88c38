"""The reference gateway: ``uvicorn reference_app:app`` serves the seed's route from its manifests."""

import gc
import os
import sys

from gateway_filters import ConfigurationError, Gateway
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

# The process is the gateway's own. A request leaves nothing to the collector, but Python's defaults have it look after
# every 700 objects: every thirty requests, which costs a sixth of all their time.
gc.set_threshold(50_000, 20, 20)
