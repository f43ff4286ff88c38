"""The front door: a gateway from routes or from manifests, as one ASGI app with its lifespan."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.dispatch import no_route
from gateway_filters.asgi.lifespan import serve_lifespan
from gateway_filters.assembly import Upstreams
from gateway_filters.gateway_api.load import Translation, translate_files
from gateway_filters.routing import Listener, Route
from gateway_filters.secrets import SecretStore
from gateway_filters.serving import Reached, Serving
from gateway_filters.upstream import Clocks, Resolver, WebSocketLimits

_log = logging.getLogger("gateway_filters")


class Gateway:
    """A gateway over ``routes``: an ASGI app.

    ``system_cas``: the PEM file that stands for the system's CAs, by default the operating system's own.
    ``resolve``: name resolution, by default the system's. ``clocks``: how long to wait for upstreams.
    ``connections``: the most to each endpoint; who finds none free waits, then gets 503. No limit by default.
    ``websocket_limits``: what WebSockets to upstreams may take. ``deny_private``: whether names may lead to public
    addresses alone, or else 503 is the answer; by default that holds for those that clients choose under a wildcard.
    ``upstreams``: gives the app that reaches a ``Backend``, by default one over the network with the
    arguments above. ``otherwise``: the app for requests that no route takes, by default one that answers 404.
    Instead of ``Route`` values ``routes`` may be ``Listener`` values with their routes.

    Everything that can be refused is refused here, with a ``ConfigurationError``; no network is touched.
    """

    def __init__(
        self,
        routes: Sequence[Route] | Sequence[Listener],
        *,
        system_cas: str | Path | None = None,
        resolve: Resolver | None = None,
        clocks: Clocks | None = None,
        connections: int | None = None,
        websocket_limits: WebSocketLimits | None = None,
        deny_private: bool | None = None,
        upstreams: Upstreams | None = None,
        otherwise: ASGIApp = no_route,
    ) -> None:
        reached = upstreams or Reached(
            system_cas, resolve, clocks or Clocks(), connections, websocket_limits, deny_private=deny_private
        )
        self._serving = Serving(reached, otherwise)
        self._serving.show(_listeners(routes))

    @classmethod
    def from_manifests(
        cls,
        *paths: str | os.PathLike[str],
        secrets: SecretStore | None = None,
        system_cas: str | Path | None = None,
        resolve: Resolver | None = None,
        clocks: Clocks | None = None,
        connections: int | None = None,
        websocket_limits: WebSocketLimits | None = None,
        deny_private: bool | None = None,
        upstreams: Upstreams | None = None,
        otherwise: ASGIApp = no_route,
        dynamic_hosts: Sequence[str] = (),
        forwarded: Sequence[str] | None = None,
    ) -> Self:
        """A gateway as the manifests in ``paths`` (files and folders) say.

        ``secrets`` is asked for Secrets that are not among the manifests. ``dynamic_hosts`` are the hosts (exact,
        or ``*.`` wildcards) that a Backend of type DynamicResolver may reach, by default none. ``forwarded`` are the
        only headers of clients that go along with an injected credential, by default all but their own credentials.

        Raises ``ManifestError`` for a file that cannot be read or breaks its schema; a reference to something
        missing is no error: it is logged, and its routes answer 500 (503 for a Secret).
        """
        translation = translate_files(paths, secrets, dynamic_hosts=dynamic_hosts, forwarded=forwarded)
        _tell(translation)
        return cls(
            translation.listeners,
            system_cas=system_cas,
            resolve=resolve,
            clocks=clocks,
            connections=connections,
            websocket_limits=websocket_limits,
            deny_private=deny_private,
            upstreams=upstreams,
            otherwise=otherwise,
        )

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The listeners that are served, with their routes."""
        return self._serving.listeners

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes of all listeners, each once."""
        return _routes(self.listeners)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self.aclose)
            return
        await self._serving(scope, receive, send)

    def chosen(self, scope: Scope) -> ASGIApp | None:
        """The app for a request or WebSocket that one of the routes takes; None for any other scope."""
        return self._serving.chosen(scope)

    async def aclose(self) -> None:
        """Close the connections to upstreams; later requests open new ones."""
        await self._serving.aclose()


class GatewayMiddleware:
    """Middleware: requests that a route of ``gateway`` takes go there, all others to ``app``, untouched.

    ``app.add_middleware(GatewayMiddleware, gateway=Gateway.from_manifests("gateway/"))``. A path that no route
    could take because it is malformed goes to ``app`` as well. Close the gateway with ``gateway_lifespan``.
    """

    def __init__(self, app: ASGIApp, *, gateway: Gateway) -> None:
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that a route takes, hand on everything else."""
        chosen = self._gateway.chosen(scope)
        await (chosen or self._app)(scope, receive, send)


def routes_of(*paths: str | os.PathLike[str], secrets: SecretStore | None = None) -> tuple[Route, ...]:
    """The routes that the manifests in ``paths`` mean, for tests and comparison; raises as ``Gateway`` does."""
    return _routes(translate_files(paths, secrets).listeners)


def _listeners(routes: Sequence[Route] | Sequence[Listener]) -> tuple[Listener, ...]:
    listeners = tuple(each for each in routes if isinstance(each, Listener))
    bare = tuple(each for each in routes if isinstance(each, Route))
    return (*listeners, Listener("routes", 0, routes=bare)) if bare else listeners


def _routes(listeners: Sequence[Listener]) -> tuple[Route, ...]:
    return tuple(dict.fromkeys(route for listener in listeners for route in listener.routes))


def _tell(translation: Translation) -> None:
    for problem in translation.problems:
        _log.warning("%s", problem)
