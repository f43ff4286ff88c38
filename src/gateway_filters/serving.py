"""What is served now: an immutable snapshot of listeners and their apps, replaced as a whole.

A request works with the snapshot it met. Backends that two snapshots have in common keep their connections;
those that are gone close theirs when their last exchange has ended.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.failures import misdirected
from gateway_filters.asgi.ingress import ingress_head
from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.reply import send_reply
from gateway_filters.asgi.scope import request_head
from gateway_filters.asgi.shell import Shell
from gateway_filters.assembly import Upstreams, assemble, fetched_keys, ingress_of, route_app
from gateway_filters.credentials import FetchedKeys, KeySource
from gateway_filters.errors import ClientError
from gateway_filters.matching.hostname import host_of
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import Backend, BackendTLS, Listener, ListenerTable, RemoteJWKS, Route, Socket, by_socket
from gateway_filters.upstream import Clocks, Resolver, WebSocketLimits
from gateway_filters.upstream.app import BareUpstream
from gateway_filters.upstream.dynamic import DynamicUpstream
from gateway_filters.upstream.endpoints import reach
from gateway_filters.upstream.tls import Contexts

LISTENER = "gateway_filters.listener"
"""In ``scope["state"]``: the host name of the listener that a TLS connection was made for."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Listeners, and the apps that serve them."""

    listeners: tuple[Listener, ...]
    everywhere: ASGIApp
    table: ListenerTable
    by_socket: dict[Socket, ASGIApp]
    ingress: Callable[[RequestHead], RequestHead]
    apps: "_RouteApps"


class Serving:
    """Serves the listeners shown last; ``make`` gives the app that reaches a backend.

    ``instead``: while it is an app, that answers the requests of all sockets.
    """

    def __init__(self, make: Upstreams, otherwise: ASGIApp) -> None:
        self.instead: ASGIApp | None = None
        self._otherwise = otherwise
        self._now = Snapshot((), otherwise, ListenerTable(()), {}, ingress_head, _RouteApps(make))
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """What is served now."""
        return self._now.listeners

    def show(self, listeners: Iterable[Listener]) -> None:
        """Serve ``listeners`` from the next request on. Whatever cannot be served is raised before."""
        self.swap(self.prepare(listeners))

    def prepare(self, listeners: Iterable[Listener]) -> Snapshot:
        """Everything that serving ``listeners`` instead of those served now needs; may be made in another thread."""
        return self._snapshot(tuple(listeners))

    def swap(self, snapshot: Snapshot) -> Callable[[], None]:
        """Serve the snapshot that was prepared last, from the next request on.

        What is given lets go of what was served before; it takes a while with very many routes, and any thread may call
        it, or nobody.
        """
        before, self._now = self._now.apps, snapshot
        if snapshot.apps.gone:
            task = asyncio.ensure_future(_retire(snapshot.apps.gone))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        return before.let_go

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request by its host name, whatever socket it came in at."""
        return self._now.everywhere(scope, receive, send)

    def at(self, socket: Socket) -> ASGIApp:
        """The app for the requests of one socket: only that socket's listeners count."""

        def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            return (self.instead or self._now.by_socket.get(socket, self._otherwise))(scope, receive, send)

        return app

    def chosen(self, scope: Scope) -> ASGIApp | None:
        """What serves a request, None when no route takes it."""
        if scope["type"] not in ("http", "websocket"):
            return None
        try:
            found = self._now.table.find(self._now.ingress(request_head(scope)))
        except ClientError:
            return None
        return None if found is None else self._now.everywhere

    async def aclose(self) -> None:
        """Close all connections."""
        for keys in self._now.apps.keys.values():
            await keys.aclose()
        for app in self._now.apps.backends.values():
            await close(app)

    def _snapshot(self, listeners: tuple[Listener, ...]) -> Snapshot:
        plain = [each for each in listeners if each.protocol == "HTTP"]
        sockets = by_socket(listeners)
        apps = self._now.apps.following(route for each in listeners for route in each.routes)
        # Sockets with the same listeners, which mostly means all of them, share one app. The same by identity:
        # comparing them would compare all their routes.
        made: dict[tuple[int, ...], tuple[ASGIApp, ListenerTable]] = {}
        for here in (plain, *sockets.values()):
            if _identity(here) not in made:
                made[_identity(here)] = self._assembled(here, apps)
        found = {socket: made[_identity(here)][0] for socket, here in sockets.items()}
        return Snapshot(listeners, *made[_identity(plain)], found, ingress_of(plain), apps)

    def _assembled(self, listeners: list[Listener], apps: "_RouteApps") -> tuple[ASGIApp, ListenerTable]:
        table = ListenerTable(listeners)
        app = assemble(table, apps.app_of, self._otherwise, ingress_of(listeners))
        return _Directed(app, table) if any(each.protocol == "HTTPS" for each in listeners) else app, table


def _identity(listeners: list[Listener]) -> tuple[int, ...]:
    return tuple(map(id, listeners))


class _Directed(Shell):
    """Turns away requests that came over TLS meant for another listener (Gateway API, misdirected requests).

    421 where another listener of the socket fits the Host better than the one that the TLS name chose.
    """

    def __init__(self, app: ASGIApp, table: ListenerTable) -> None:
        super().__init__(app)
        self._table = table

    def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        best = self._table.isolated(host_of(head.authority))
        if best is not None and best[0] != scope["state"].get(LISTENER):
            return send_reply(misdirected(), send)
        return self._serve(head, scope, receive, send)


class _RouteApps:
    """One app for each route and for each backend; what two snapshots have in common, they share."""

    def __init__(self, make: Upstreams) -> None:
        self._make = make
        # A route is kept beside its app, so that no other one can have its identity.
        self._apps: dict[int, tuple[Route, ASGIApp, tuple[ASGIApp, ...]]] = {}
        self.backends: dict[Backend, ASGIApp] = {}
        self.keys: dict[RemoteJWKS, FetchedKeys] = {}
        self.gone: list[ASGIApp] = []

    def app_of(self, route: Route) -> ASGIApp:
        """The app behind a route."""
        return self._apps[id(route)][1]

    def following(self, routes: Iterable[Route]) -> "_RouteApps":
        """The apps of ``routes``, those that are here already among them; ``gone`` are the backends' left out."""
        other = _RouteApps(self._make)
        other.backends, other.keys = dict(self.backends), dict(self.keys)
        for route in routes:
            if id(route) not in other._apps:
                known = self._apps.get(id(route))
                other._apps[id(route)] = other._made(route) if known is None else known
        used = {id(app) for _, _, reached in other._apps.values() for app in reached}
        other.gone = [app for app in self.backends.values() if id(app) not in used]
        other.backends = {backend: app for backend, app in other.backends.items() if id(app) in used}
        other.keys = {remote: keys for remote, keys in other.keys.items() if remote.backend in other.backends}
        return other

    def let_go(self) -> None:
        """Let go of the routes, one by one: nothing else can run while very many go at once."""
        while self._apps:
            self._apps.popitem()

    def _made(self, route: Route) -> tuple[Route, ASGIApp, tuple[ASGIApp, ...]]:
        reached: list[ASGIApp] = []

        def reach(backend: Backend) -> ASGIApp:
            if backend not in self.backends:
                self.backends[backend] = self._make(backend)
            reached.append(self.backends[backend])
            return reached[-1]

        def fetch(remote: RemoteJWKS) -> KeySource:
            known = self.keys.get(remote)
            if known is None:
                known = self.keys[remote] = fetched_keys(remote, reach)
            else:
                reach(remote.backend)
            return known

        return route, route_app(route, reach, fetch), tuple(reached)


class Reached:
    """The default way to a backend: over the network."""

    def __init__(
        self,
        system_cas: str | Path | None,
        resolve: Resolver | None,
        clocks: Clocks,
        connections: int | None = None,
        websocket_limits: WebSocketLimits | None = None,
        *,
        deny_private: bool | None = None,
    ) -> None:
        self._deny_private = deny_private
        self._connections = connections
        self._contexts = Contexts(system_cas)
        self._resolve = resolve
        self._clocks = clocks
        self._websocket_limits = websocket_limits or WebSocketLimits()

    def __call__(self, backend: Backend) -> ASGIApp:
        """The app that sends requests to ``backend``."""
        make = DynamicUpstream if backend.hosts else reach
        return make(
            backend,
            tls=self._context(backend.offering),
            http1_tls=self._context(backend.offering_as("http")),
            resolve=self._resolve,
            clocks=self._clocks,
            connections=self._connections,
            websocket_limits=self._websocket_limits,
            deny_private=self._deny_private,
        )

    def _context(self, tls: BackendTLS | None) -> ssl.SSLContext | None:
        return None if tls is None else self._contexts.context(tls)


async def _retire(apps: list[ASGIApp]) -> None:
    for app in apps:
        await (app.retire() if isinstance(app, BareUpstream | DynamicUpstream) else close(app))
