"""Where an upstream is."""

from dataclasses import dataclass, field

from gateway_filters.upstream.transport import Resolver


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream is: scheme, host, port; the name its certificate must have; how the host resolves.

    ``deny_private``: of the addresses that the name of the host leads to only public ones are connected to.
    """

    scheme: str
    host: str
    port: int
    server_hostname: str | None = None
    resolve: Resolver | None = field(default=None, repr=False)
    deny_private: bool = False

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"
