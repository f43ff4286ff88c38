"""Where a request goes: endpoints, and how they are reached."""

from dataclasses import dataclass, field, replace

from gateway_filters.routing.backend_tls import BackendTLS

HTTP2 = "http/2"
"""The protocol of backends that are spoken to in HTTP/2 only: with prior knowledge, or over TLS by ALPN."""

NEGOTIATED = "negotiated"
"""The protocol of backends that say in TLS, by ALPN, whether they speak HTTP/2 or HTTP/1.1."""

_OFFERED = {HTTP2: ("h2",), NEGOTIATED: ("h2", "http/1.1")}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host name or address and a port; or, with ``unix``, the path of a socket on this machine.

    ``name`` is the one to ask for in TLS where the backend has none of its own, by default the host.
    """

    host: str
    port: int
    unix: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """A named upstream.

    Requests go to any of its ``endpoints`` (none: 503), over TLS where ``tls`` is given. ``protocol`` is what the
    backend speaks: ``http``, ``ws``, ``HTTP2`` or ``NEGOTIATED``. Where ``hosts`` are given (exact, or ``*.``
    wildcards), requests go to the host that they name themselves, if one of these covers it. A ``fallback`` gets
    the requests that no other backend of its rule accepts a connection for.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    tls: BackendTLS | None = None
    protocol: str = "http"
    hosts: tuple[str, ...] = ()
    fallback: bool = False

    @property
    def unfit_for_credentials(self) -> str:
        """Why a credential must not be sent to it, empty where it may: it is meant for one destination.

        Nobody vouches for who is there, or a request names itself which of several hosts it goes to.
        """
        if self.tls is not None and not self.tls.verified:
            return f"backend {self.name} is not verified"
        if len(self.hosts) > 1 or any(each.startswith("*.") for each in self.hosts):
            return f"backend {self.name} is whatever host a request names"
        return ""

    @property
    def offering(self) -> BackendTLS | None:
        """Its ``tls`` with the protocols to offer (ALPN, RFC 7301): those of the backend, if they are not narrowed.

        Nothing is offered that is not spoken to it, or it could be chosen.
        """
        return self.offering_as(self.protocol)

    def offering_as(self, protocol: str) -> BackendTLS | None:
        """The same for connections that speak ``protocol``, one of several where that is negotiated."""
        if self.tls is None:
            return None
        spoken, named = _OFFERED.get(protocol), self.tls.parameters.alpn
        if named is not None:
            spoken = tuple(each for each in named if each in (spoken or ("http/1.1",)))
        return replace(self.tls, parameters=replace(self.tls.parameters, alpn=spoken))


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands for a backend that no request can be sent to; its share of the requests is answered with 500.

    ``reason`` is a sentence for the log. A ``fallback`` has no share of what others accept a connection for.
    """

    name: str
    reason: str = field(compare=False)
    fallback: bool = False
