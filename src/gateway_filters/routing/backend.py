"""Where a request goes: endpoints, and how they are reached."""

from dataclasses import dataclass, field

from gateway_filters.routing.backend_tls import BackendTLS


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

    Requests go to any of its ``endpoints`` (none: 503), over TLS where ``tls`` is given, and to ``fallback``
    only when none of the others accepts a connection. ``protocol`` is what the backend speaks: ``http``, ``h2c``
    or ``ws``. Where ``hosts`` are given (exact, or ``*.`` wildcards), requests go to the host that they name
    themselves, if one of these covers it.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    tls: BackendTLS | None = None
    fallback: tuple[Endpoint, ...] = ()
    protocol: str = "http"
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands for a backend that no request can be sent to; its share of the requests is answered with 500.

    ``reason`` is a sentence for the log.
    """

    name: str
    reason: str = field(compare=False)
