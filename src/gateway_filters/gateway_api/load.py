"""From files to listeners with their routes, and to the status of every object."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway_filters.gateway_api.attachment import Attachment
from gateway_filters.gateway_api.collector import collector_paused
from gateway_filters.gateway_api.listeners import GatewayView, ListenerView, view_gateways
from gateway_filters.gateway_api.loader import load
from gateway_filters.gateway_api.objects import Key, Loaded, Objects, key_of
from gateway_filters.gateway_api.resources import HTTPRoute
from gateway_filters.gateway_api.routes import RouteView, attach_route, by_age
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
    paths: Iterable[str | os.PathLike[str]],
    store: SecretStore | None = None,
    host: str = "127.0.0.1",
    dynamic_hosts: Iterable[str] = (),
) -> Translation:
    """Read and translate manifests; raises ``ManifestError`` for what cannot be read or breaks its schema."""
    return translate(Context(load(paths), store, host, tuple(dynamic_hosts)))


def translate(context: Context) -> Translation:
    """The meaning of the context's objects; raises ``ManifestError`` for a value that cannot be meant."""
    return Translator().translate(context)


class Translator:
    """Translates again and again.

    While nothing but HTTPRoutes changes, those that have not changed are not translated again: a change of
    one among ten thousand costs little more than reading it.
    """

    def __init__(self) -> None:
        self._basis: _Basis | None = None
        self._known: dict[Key, _Known] = {}

    def translate(self, context: Context) -> Translation:
        """The meaning of the context's objects; raises ``ManifestError`` for a value that cannot be meant."""
        with collector_paused():
            return self._translated(context)

    def _translated(self, context: Context) -> Translation:
        basis = self._basis_for(context)
        attachment = Attachment(basis.gateways)
        known = {key_of(route): self._attached(context, attachment, basis, route) for route in by_age(context)}
        self._known = known
        problems = dict.fromkeys((*basis.problems, *(text for each in known.values() for text in each.problems)))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        views = [each.view for each in known.values()]
        for view in views:
            view.join()
        listeners = tuple(_listener(each) for view in basis.gateways for each in view.listeners if each.serves)
        status = statuses(context, basis.gateways, views, basis.policies, now)
        return Translation(context.objects, listeners, tuple(problems), status, context.generations)

    def _basis_for(self, context: Context) -> "_Basis":
        objects = tuple(each for each in context.objects if not isinstance(each.resource, HTTPRoute))
        basis = self._basis
        if basis is None or not basis.is_that_of(context, objects):
            own = replace(context, problems={})
            basis = _Basis(context, objects, TLSPolicies(own), view_gateways(own), tuple(own.problems))
            self._basis, self._known = basis, {}
        for listener in (each for view in basis.gateways for each in view.listeners):
            listener.routes.clear()
            listener.attached.clear()
        return basis

    def _attached(self, context: Context, attachment: Attachment, basis: "_Basis", route: HTTPRoute) -> "_Known":
        known = self._known.get(key_of(route))
        if known is not None and known.view.resource is route:
            return known
        own = replace(context, problems={})
        view = attach_route(own, attachment, basis.policies, route)
        return _Known(view, tuple(own.problems))


@dataclass(frozen=True)
class _Basis:
    """Everything but the HTTPRoutes."""

    context: Context
    objects: tuple[Loaded, ...]
    policies: TLSPolicies
    gateways: list[GatewayView]
    problems: tuple[str, ...]

    def is_that_of(self, context: Context, objects: tuple[Loaded, ...]) -> bool:
        return (
            self.context.store is context.store
            and self.context.host == context.host
            and len(self.objects) == len(objects)
            and all(one is other for one, other in zip(self.objects, objects, strict=True))
        )


@dataclass(frozen=True)
class _Known:
    """An HTTPRoute as it was translated, with its own problems."""

    view: RouteView
    problems: tuple[str, ...]


def _listener(view: ListenerView) -> Listener:
    return Listener(
        view.name,
        view.spec.port,
        view.spec.hostname,
        tuple(view.routes),
        view.gateway.addresses.bound,
        view.spec.protocol,
        view.tls,
    )
