"""Listeners: where requests come in, and which one of several on a port takes a request."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gateway_filters.matching.hostname import precedence
from gateway_filters.routing.certificate import CertificatePair
from gateway_filters.routing.hosts import finder, fitting
from gateway_filters.routing.route import Route
from gateway_filters.routing.table import RouteTable


@dataclass(frozen=True, slots=True)
class ListenerTLS:
    """How a listener ends TLS: its certificates, and which certificates of clients it takes.

    ``client_cas`` are the authorities as PEM text, None where no client is asked. A client without a certificate
    of theirs is turned away; without ``clients_required`` clients are asked and let in whatever they show.
    """

    certificates: tuple[CertificatePair, ...]
    client_cas: str | None = field(default=None, repr=False)
    clients_required: bool = True

    def judges_like(self, other: "ListenerTLS") -> bool:
        """Whether both take the same clients' certificates, as all listeners of a socket must."""
        return (self.client_cas, self.clients_required) == (other.client_cas, other.clients_required)


@dataclass(frozen=True, slots=True)
class Listener:
    """A host name on a port, with the routes attached to it.

    ``name`` is ``namespace/gateway/listener``; ``addresses`` are the Gateway's, empty where it names none;
    ``protocol`` is ``HTTP`` or ``HTTPS``, which has ``tls``; ``escaped_slashes`` is what becomes of ``%2F`` and
    ``%5C`` in a path: it is refused, they stay, or they are slashes, at once or when the client asks again.
    """

    name: str
    port: int
    hostname: str | None = None
    routes: tuple[Route, ...] = ()
    addresses: tuple[str, ...] = ()
    protocol: str = "HTTP"
    tls: ListenerTLS | None = None
    escaped_slashes: Literal["reject", "keep", "forward", "redirect"] = "reject"


Socket = tuple[str, int]
"""Address and port that a listener is bound to."""


def place_of(socket: Socket) -> str:
    """The socket as URLs write it."""
    address, port = socket
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def by_socket(listeners: Iterable[Listener]) -> dict[Socket, list[Listener]]:
    """The listeners of each socket, in the order given."""
    found: dict[Socket, list[Listener]] = {}
    for listener in listeners:
        for address in listener.addresses:
            found.setdefault((address, listener.port), []).append(listener)
    return found


class ListenerTable:
    """Listeners that share a socket, most specific host name first (Gateway API, listener isolation).

    Only the routes of the one listener that fits best are candidates. Listeners of one host name count as one.
    ``find(head)`` gives the route that takes the request, or None.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        routes: dict[str | None, list[Route]] = {}
        for listener in listeners:
            routes.setdefault(listener.hostname, []).extend(listener.routes)
        self._tables = {hostname: RouteTable(routes[hostname]) for hostname in sorted(routes, key=precedence)}
        self.find = finder({hostname: table.find for hostname, table in self._tables.items()}, isolated=True)

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes, in the order in which they win."""
        return tuple(route for table in self._tables.values() for route in table.routes)

    def isolated(self, host: str) -> tuple[str | None, RouteTable] | None:
        """The host name of the listeners that requests for ``host`` belong to, and their routes; or None."""
        return next(fitting(self._tables, host), None)
