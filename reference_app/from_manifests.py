"""The reference gateway from its manifests: the seed's route, or whatever ``GATEWAY_FILTERS_MANIFESTS`` names."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from gateway_filters import Gateway, ManifestSecrets
from reference_app import key
from reference_app.stand_in import stand_in_for

MANIFESTS = Path(__file__).parent / "manifests"

_log = logging.getLogger("gateway_filters.reference_app")


def gateway(environ: Mapping[str, str]) -> Gateway:
    """The gateway that the environment asks for.

    With a key (a Secret among the manifests, a mounted directory, ``DASHSCOPE_API_KEY``) it goes to the real
    provider, without one to the built-in stand-in. Raises ``ConfigurationError`` for what cannot work.
    """
    paths = manifests(environ)
    store = key.store(environ)
    if store is not None:
        return Gateway.from_manifests(*paths, secrets=store)
    if ManifestSecrets.from_files(*paths).find("default", key.NAME, "credential") is not None:
        return Gateway.from_manifests(*paths)
    _log.warning(
        "no provider key is configured (DASHSCOPE_API_KEY, GATEWAY_FILTERS_SECRETS or a Secret manifest): "
        "answers come from the built-in stand-in provider"
    )
    return Gateway.from_manifests(*paths, secrets=key.PLACEHOLDER, upstreams=stand_in_for)


def manifests(environ: Mapping[str, str]) -> list[str | Path]:
    """The files and folders to read, separated by ``:`` in the variable; the reference route's by default."""
    named = environ.get("GATEWAY_FILTERS_MANIFESTS")
    return [*named.split(os.pathsep)] if named else [MANIFESTS]
