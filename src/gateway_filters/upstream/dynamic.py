"""A backend that is whatever host a request names, among those that are allowed (Envoy Gateway, DynamicResolver).

Without a list of hosts any client could reach any address from here, the machine's own included; so there is
always a list, and a host on it is an upstream of its own. What is written in the list is what an operator means; what
falls under a wildcard of it is what a client, or whoever answers for names under it, can make lead anywhere. So names
under a wildcard lead to public addresses alone, unless somebody says that they need not.
"""

import ssl
from collections import OrderedDict
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from gateway_filters.asgi.shell import HeadApp
from gateway_filters.errors import BadRequest
from gateway_filters.matching.hostname import covers
from gateway_filters.message.authority import split_authority
from gateway_filters.message.client import is_address
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import Backend, Endpoint
from gateway_filters.upstream.app import BareUpstream
from gateway_filters.upstream.endpoints import reach
from gateway_filters.upstream.transport import Clocks, Resolver
from gateway_filters.upstream.websocket.limits import WebSocketLimits

_MOST_HOSTS = 256
_DEFAULT_LIMITS = WebSocketLimits()


class DynamicUpstream(HeadApp):
    """Sends each request to the host and port of its own Host header, if one of ``backend.hosts`` covers it.

    Over TLS the certificate must be that of the host. ``deny_private``: whether names may lead to public addresses
    alone; None is those that are on the list as a wildcard only. Raises ``BadRequest`` for any other host.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        tls: ssl.SSLContext | None,
        http1_tls: ssl.SSLContext | None = None,
        resolve: Resolver | None,
        clocks: Clocks,
        connections: int | None = None,
        websocket_limits: WebSocketLimits = _DEFAULT_LIMITS,
        deny_private: bool | None = None,
    ) -> None:
        self._connections = connections
        self._backend = backend
        self._tls = tls
        self._http1_tls = http1_tls
        self._resolve = resolve
        self._clocks = clocks
        self._websocket_limits = websocket_limits
        self._deny_private = deny_private
        self._reached: OrderedDict[Endpoint, BareUpstream] = OrderedDict()

    async def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request."""
        upstream = await self._upstream(self._endpoint(head.authority))
        await upstream.serve(head, scope, receive, send)

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Nothing is sent for what is no request."""

    async def aclose(self) -> None:
        """Close all connections; later requests open new ones."""
        for upstream in self._reached.values():
            await upstream.aclose()

    async def retire(self) -> None:
        """Close each host's connections once the exchanges that are under way have ended."""
        for upstream in self._reached.values():
            await upstream.retire()

    def _endpoint(self, authority: bytes) -> Endpoint:
        name, port = split_authority(authority, "Host")
        host = name.decode("ascii").lower()
        listed = self._backend.hosts
        if host not in listed and (is_address(host) or not any(covers(pattern, host) for pattern in listed)):
            raise BadRequest("the Host is none of those that the backend may reach")
        return Endpoint(host, port or (443 if self._backend.tls else 80))

    async def _upstream(self, endpoint: Endpoint) -> BareUpstream:
        known = self._reached.get(endpoint)
        if known is None:
            tls = self._backend.tls and replace(self._backend.tls, hostname=endpoint.host)
            single = replace(
                self._backend, name=f"{self._backend.name} at {endpoint.host}", endpoints=(endpoint,), tls=tls
            )
            known = reach(
                single,
                tls=self._tls,
                http1_tls=self._http1_tls,
                resolve=self._resolve,
                clocks=self._clocks,
                connections=self._connections,
                websocket_limits=self._websocket_limits,
                deny_private=self._denies(endpoint.host),
            )
            self._reached[endpoint] = known
        self._reached.move_to_end(endpoint)
        if len(self._reached) > _MOST_HOSTS:
            await self._reached.popitem(last=False)[1].retire()
        return known

    def _denies(self, host: str) -> bool:
        return host not in self._backend.hosts if self._deny_private is None else self._deny_private
