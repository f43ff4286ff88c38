"""The front door: a gateway from routes or from manifests, as one ASGI app with its lifespan."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.choice import WeightedChoice
from gateway_filters.asgi.dispatch import no_route
from gateway_filters.asgi.lifespan import close, serve_lifespan
from gateway_filters.assembly import Upstreams, assemble
from gateway_filters.gateway_api.load import Translation, translate_files
from gateway_filters.routing import Backend, Endpoint, Route
from gateway_filters.secrets import SecretStore
from gateway_filters.upstream import Clocks, Resolver, Upstream, client_context

_log = logging.getLogger("gateway_filters")


class Gateway:
    """A gateway over ``routes``: an ASGI app.

    ``system_cas``: the PEM file that stands for the system's CAs, by default the operating system's own.
    ``resolve``: name resolution, by default the system's. ``clocks``: how long to wait for upstreams.
    ``upstreams``: gives the app that reaches a ``Backend``, by default an ``Upstream`` with the arguments
    above. ``otherwise``: the app for requests that no route takes, by default one that answers 404.

    Everything that can be refused is refused here, with a ``ConfigurationError``; no network is touched.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        system_cas: str | Path | None = None,
        resolve: Resolver | None = None,
        clocks: Clocks | None = None,
        upstreams: Upstreams | None = None,
        otherwise: ASGIApp = no_route,
    ) -> None:
        self.routes = tuple(routes)
        self._upstreams = _Upstreams(upstreams or _Reached(system_cas, resolve, clocks or Clocks()))
        self._app = assemble(self.routes, self._upstreams, otherwise)

    @classmethod
    def from_manifests(
        cls,
        *paths: str | os.PathLike[str],
        secrets: SecretStore | None = None,
        system_cas: str | Path | None = None,
        resolve: Resolver | None = None,
        clocks: Clocks | None = None,
        upstreams: Upstreams | None = None,
        otherwise: ASGIApp = no_route,
    ) -> "Gateway":
        """A gateway as the manifests in ``paths`` (files and folders) say.

        ``secrets`` is asked for Secrets that are not among the manifests. Raises ``ManifestError`` for a
        file that cannot be read or breaks its schema; a reference to something missing is no error: it is
        logged, and its routes answer 500 (503 for a Secret).
        """
        translation = translate_files(paths, secrets)
        _tell(translation)
        return cls(
            translation.routes,
            system_cas=system_cas,
            resolve=resolve,
            clocks=clocks,
            upstreams=upstreams,
            otherwise=otherwise,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's lifespan."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self.aclose)
            return
        await self._app(scope, receive, send)

    async def aclose(self) -> None:
        """Close the connections to upstreams; later requests open new ones."""
        await self._upstreams.aclose()


def routes_of(*paths: str | os.PathLike[str], secrets: SecretStore | None = None) -> tuple[Route, ...]:
    """The routes that the manifests in ``paths`` mean, for tests and comparison; raises as ``Gateway`` does."""
    return translate_files(paths, secrets).routes


def _tell(translation: Translation) -> None:
    for problem in translation.problems:
        _log.warning("%s", problem)


class _Upstreams:
    """One app per backend, however many routes lead to it."""

    def __init__(self, make: Upstreams) -> None:
        self._make = make
        self._made: dict[Backend, ASGIApp] = {}

    def __call__(self, backend: Backend) -> ASGIApp:
        if backend not in self._made:
            self._made[backend] = self._make(backend)
        return self._made[backend]

    async def aclose(self) -> None:
        for app in self._made.values():
            await close(app)


class _Reached:
    """The default way to a backend: an ``Upstream`` per endpoint."""

    def __init__(self, system_cas: str | Path | None, resolve: Resolver | None, clocks: Clocks) -> None:
        self._system_cas = system_cas
        self._resolve = resolve
        self._clocks = clocks

    def __call__(self, backend: Backend) -> ASGIApp:
        apps = [self._upstream(backend, endpoint) for endpoint in backend.endpoints]
        return apps[0] if len(apps) == 1 else _Spread(apps)

    def _upstream(self, backend: Backend, endpoint: Endpoint) -> Upstream:
        scheme = "http" if backend.tls is None else "https"
        return Upstream(
            f"{scheme}://{endpoint.host}:{endpoint.port}",
            tls=None if backend.tls is None else client_context(self._system_cas),
            server_hostname=None if backend.tls is None else backend.tls.hostname,
            resolve=self._resolve,
            clocks=self._clocks,
        )


class _Spread(WeightedChoice):
    """Several endpoints of one backend, in equal shares."""

    def __init__(self, apps: Sequence[Upstream]) -> None:
        super().__init__([(app, 1) for app in apps])
        self._endpoints = tuple(apps)

    async def aclose(self) -> None:
        for app in self._endpoints:
            await close(app)
