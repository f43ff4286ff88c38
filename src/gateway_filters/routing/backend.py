"""Where a request goes: endpoints, and how they are reached."""

from dataclasses import dataclass

from gateway_filters.filters.filter import Filter


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host name or address and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class BackendTLS:
    """TLS to a backend: ``hostname`` is asked for (SNI) and verified, against the CAs of the system."""

    hostname: str


@dataclass(frozen=True, slots=True)
class Backend:
    """A named upstream; requests go to any of its ``endpoints``, over TLS where ``tls`` is given."""

    name: str
    endpoints: tuple[Endpoint, ...]
    tls: BackendTLS | None = None


@dataclass(frozen=True, slots=True)
class WeightedBackend:
    """A backend of a rule: its share of the requests, and filters that run only when it is chosen."""

    backend: Backend
    weight: int = 1
    filters: tuple[Filter, ...] = ()
