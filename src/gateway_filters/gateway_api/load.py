"""From files to listeners with their routes, and to the status of every object."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway_filters.gateway_api.attachment import Attachment
from gateway_filters.gateway_api.listeners import ListenerView, view_gateways
from gateway_filters.gateway_api.objects import Key, Objects, load
from gateway_filters.gateway_api.routes import attach_routes
from gateway_filters.gateway_api.status import Json, statuses
from gateway_filters.gateway_api.tls_policies import TLSPolicies
from gateway_filters.gateway_api.translation import Context
from gateway_filters.routing import Listener
from gateway_filters.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Translation:
    """What a set of manifests means.

    ``listeners`` with their routes, ``problems`` as sentences with file:line:column, and the ``statuses`` of
    ``objects`` by their keys, with the ``generations`` they are about.
    """

    objects: Objects
    listeners: tuple[Listener, ...]
    problems: tuple[str, ...]
    statuses: dict[Key, Json]
    generations: Mapping[Key, int]


def translate_files(
    paths: Iterable[str | os.PathLike[str]], store: SecretStore | None = None, host: str = "127.0.0.1"
) -> Translation:
    """Read and translate manifests; raises ``ManifestError`` for what cannot be read or breaks its schema."""
    return translate(Context(load(paths), store, host))


def translate(context: Context) -> Translation:
    """The meaning of the context's objects; raises ``ManifestError`` for a value that cannot be meant."""
    policies = TLSPolicies(context)
    gateways = view_gateways(context)
    routes = attach_routes(context, Attachment(context, gateways), policies)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    listeners = tuple(_listener(each) for view in gateways for each in view.listeners if each.serves)
    status = statuses(context, gateways, routes, policies, now)
    return Translation(context.objects, listeners, tuple(context.problems), status, context.generations)


def _listener(view: ListenerView) -> Listener:
    return Listener(
        view.name,
        view.spec.port,
        view.spec.hostname,
        tuple(view.routes),
        view.gateway.addresses.bound,
        view.spec.protocol,
    )
