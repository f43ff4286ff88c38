"""From files to listeners with their routes, and to the status of every object."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway_filters.gateway_api.collector import collector_paused
from gateway_filters.gateway_api.listeners import ListenerView
from gateway_filters.gateway_api.loader import load
from gateway_filters.gateway_api.meaning import Meaning
from gateway_filters.gateway_api.noted import noting
from gateway_filters.gateway_api.objects import Key, Objects
from gateway_filters.gateway_api.policy_status import PolicyStatus
from gateway_filters.gateway_api.routes import joined
from gateway_filters.gateway_api.status import Json, statuses
from gateway_filters.gateway_api.translation import Context, Problem
from gateway_filters.routing import Listener, Socket
from gateway_filters.secrets import SecretStore


@dataclass(frozen=True, slots=True)
class Translation:
    """What a set of manifests means.

    ``listeners`` with their routes, ``problems`` (sentences with file:line:column), and the ``statuses`` of
    ``objects`` by their keys, with the ``generations`` they are about; ``sockets`` are those that Gateways ask for.
    """

    objects: Objects
    listeners: tuple[Listener, ...]
    problems: tuple[Problem, ...]
    statuses: dict[Key, Json]
    generations: Mapping[Key, int]
    sockets: frozenset[Socket]


def translate_files(
    paths: Iterable[str | os.PathLike[str]],
    store: SecretStore | None = None,
    host: str = "127.0.0.1",
    dynamic_hosts: Iterable[str] = (),
    forwarded: Iterable[str] | None = None,
) -> Translation:
    """Read and translate manifests; raises ``ManifestError`` for what cannot be read or breaks its schema."""
    with collector_paused():
        listed = None if forwarded is None else tuple(forwarded)
        return translate(Context(load(paths), store, host, tuple(dynamic_hosts), forwarded=listed))


def translate(context: Context) -> Translation:
    """The meaning of the context's objects."""
    return Translator().translate(context)


class Translator:
    """Translates again and again; what stands on objects that are the same is not translated again."""

    def __init__(self) -> None:
        self._last: Meaning | None = None

    def translate(self, context: Context) -> Translation:
        """The meaning of the context's objects."""
        # Nothing is kept of a translation that fails half way.
        last, self._last = self._last, None
        before = last if last is not None and last.is_for(context) else Meaning.of_nothing(context)
        self._last = before.followed_by(context)
        before.let_go()
        return _concluded(self._last)


def _concluded(meaning: Meaning) -> Translation:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    gateways, views = meaning.gateways.value, meaning.views
    with joined(gateways, views):
        listeners = tuple(_listener(each) for view in gateways for each in view.listeners if each.serves)
        context = noting(meaning.context, set(), {})
        security = PolicyStatus(context, meaning.security.value, gateways, views)
        status = statuses(context, gateways, views, meaning.tls.value, security, now)
    return Translation(
        meaning.context.objects,
        listeners,
        tuple(dict.fromkeys((*meaning.problems, *context.problems))),
        status,
        meaning.context.generations,
        frozenset(
            (address, listener.spec.port)
            for view in gateways
            for listener in view.listeners
            for address in view.addresses.bound
        ),
    )


def _listener(view: ListenerView) -> Listener:
    return Listener(
        view.name,
        view.spec.port,
        view.spec.hostname,
        tuple(view.routes),
        view.gateway.addresses.bound,
        view.spec.protocol,
        view.tls,
        view.escaped_slashes,
    )
