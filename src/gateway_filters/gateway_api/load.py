"""From files to routes."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from gateway_filters.gateway_api.objects import load
from gateway_filters.gateway_api.routes import translate_routes
from gateway_filters.gateway_api.translation import Context
from gateway_filters.routing import Route
from gateway_filters.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Translation:
    """What a set of manifests means: routes, and a sentence for everything that could not be done as written."""

    routes: tuple[Route, ...]
    problems: tuple[str, ...]


def translate_files(paths: Iterable[str | os.PathLike[str]], store: SecretStore | None = None) -> Translation:
    """Read and translate manifests; raises ``ManifestError`` for what cannot be read or breaks its schema."""
    context = Context(load(paths), store)
    routes = translate_routes(context)
    return Translation(routes, tuple(context.problems))
