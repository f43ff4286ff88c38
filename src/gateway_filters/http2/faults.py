"""What a peer can do wrong, and how far it reaches: one stream, or the whole connection (RFC 9113 5.4)."""

from enum import IntEnum

from gateway_filters.errors import ClientError


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (RFC 9113 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC


class ConnectionFault(ClientError):
    """The connection cannot go on; ``code`` and ``reason`` (constant words) are told in GOAWAY."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class StreamFault(ClientError):
    """One stream cannot go on; ``code`` is told in RST_STREAM, all others are unharmed."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class HeadTooLarge(ClientError):
    """A head is larger than we take: it was decoded, so the connection can go on, but not kept (431)."""
