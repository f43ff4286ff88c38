"""What is served now: an immutable snapshot of listeners and their apps, replaced as a whole.

A request works with the snapshot it met. Backends that two snapshots have in common keep their connections;
those that are gone close theirs when their last exchange has ended.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.ingress import ingress_head
from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.scope import request_head
from gateway_filters.assembly import Upstreams, assemble
from gateway_filters.errors import BadRequest
from gateway_filters.routing import Backend, Listener, ListenerTable
from gateway_filters.upstream import Clocks, Resolver, client_context
from gateway_filters.upstream.app import BareUpstream
from gateway_filters.upstream.endpoints import reach

Socket = tuple[str, int]
"""Address and port that a listener is bound to."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    listeners: tuple[Listener, ...]
    table: ListenerTable
    everywhere: ASGIApp
    by_socket: dict[Socket, ASGIApp]
    backends: dict[Backend, ASGIApp]


class Serving:
    """Serves the listeners shown last; ``make`` gives the app that reaches a backend."""

    def __init__(self, make: Upstreams, otherwise: ASGIApp) -> None:
        self._make = make
        self._otherwise = otherwise
        self._now = _Snapshot((), ListenerTable(()), otherwise, {}, {})
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """What is served now."""
        return self._now.listeners

    def show(self, listeners: Iterable[Listener]) -> None:
        """Serve ``listeners`` from the next request on."""
        before, backends = self._now, dict[Backend, ASGIApp]()
        self._now = self._snapshot(tuple(listeners), backends)
        gone = [app for backend, app in before.backends.items() if backend not in backends]
        if gone:
            task = asyncio.ensure_future(_retire(gone))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request by its host name, whatever socket it came in at."""
        await self._now.everywhere(scope, receive, send)

    def at(self, socket: Socket) -> ASGIApp:
        """The app for the requests of one socket: only that socket's listeners count."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._now.by_socket.get(socket, self._otherwise)(scope, receive, send)

        return app

    def chosen(self, scope: Scope) -> ASGIApp | None:
        """What serves an ``http`` request, None when no route takes it."""
        if scope["type"] != "http":
            return None
        try:
            head = ingress_head(request_head(scope))
        except BadRequest:
            return None
        return None if self._now.table.find(head) is None else self._now.everywhere

    async def aclose(self) -> None:
        """Close all connections."""
        for app in self._now.backends.values():
            await close(app)

    def _snapshot(self, listeners: tuple[Listener, ...], backends: dict[Backend, ASGIApp]) -> _Snapshot:
        def upstream(backend: Backend) -> ASGIApp:
            if backend not in backends:
                known = self._now.backends.get(backend)
                backends[backend] = known or self._make(backend)
            return backends[backend]

        plain = [each for each in listeners if each.protocol == "HTTP"]
        sockets: dict[Socket, list[Listener]] = {}
        for listener in listeners:
            for address in listener.addresses:
                sockets.setdefault((address, listener.port), []).append(listener)
        return _Snapshot(
            listeners,
            ListenerTable(plain),
            assemble(plain, upstream, self._otherwise, ingress_head),
            {socket: assemble(here, upstream, self._otherwise, ingress_head) for socket, here in sockets.items()},
            backends,
        )


class Reached:
    """The default way to a backend: over the network."""

    def __init__(self, system_cas: str | Path | None, resolve: Resolver | None, clocks: Clocks) -> None:
        self._system_cas = system_cas
        self._resolve = resolve
        self._clocks = clocks

    def __call__(self, backend: Backend) -> ASGIApp:
        """The app that sends requests to ``backend``."""
        tls = backend.tls
        context = None if tls is None else client_context(self._system_cas, pem=tls.cas)
        return reach(backend, tls=context, resolve=self._resolve, clocks=self._clocks)


async def _retire(apps: list[ASGIApp]) -> None:
    for app in apps:
        await (app.retire() if isinstance(app, BareUpstream) else close(app))
