"""What a client may take: time, bytes and connections."""

from dataclasses import dataclass

from gateway_filters.limits import check_above_zero


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one server, seconds and bytes; None is no limit. Raises ``ConfigurationError`` for one of 0 or less.

    ``head_seconds``: from a request's first byte to the end of its head, however it trickles in.
    ``head_bytes``, ``line_bytes``, ``fields``: size of a head, of its first line, number of its fields.
    ``body_idle``: how long a body may stand still while it is waited for; ``body_rate``: the least bytes a second.
    ``body_bytes``: the longest body. ``write_idle``: how long a client may read nothing of what waits for it.
    ``keep_alive``: how long a connection may stand unused. ``connections``: all together;
    ``connections_of_peer``: of one address.
    """

    head_seconds: float = 10.0
    head_bytes: int = 64 * 1024
    line_bytes: int = 16 * 1024
    fields: int = 100
    body_idle: float = 30.0
    body_rate: int | None = None
    body_bytes: int | None = None
    write_idle: float = 30.0
    keep_alive: float = 75.0
    connections: int = 10_000
    connections_of_peer: int | None = None

    def __post_init__(self) -> None:
        check_above_zero(self, "HTTP/1.1")
