"""What a WebSocket may take."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """Limits of WebSockets to upstreams.

    ``message_bytes``: the longest message, which is held whole, fragments together. ``ping``: after so many seconds
    of silence the upstream is asked whether it is there, after as many more it is taken for lost.
    """

    message_bytes: int = 16 * 1024 * 1024
    ping: float = 20.0


@dataclass(frozen=True, slots=True)
class WebSockets:
    """How an upstream takes WebSockets: within ``limits``; ``named`` where its backend says that it speaks them."""

    limits: WebSocketLimits = field(default_factory=WebSocketLimits)
    named: bool = field(default=False, kw_only=True)
