"""What the other side did that HTTP/2 does not allow, and the codes to say so (RFC 9113 7)."""

NO_ERROR, PROTOCOL_ERROR = 0x0, 0x1
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 0x6, 0x7, 0x8
ENHANCE_YOUR_CALM = 0xB

_NAMES = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


class Violation(Exception):
    """The connection cannot go on: the code for GOAWAY, and a few words for the log."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def code_name(code: int) -> str:
    """An error code as RFC 9113 names it."""
    return _NAMES[code] if code < len(_NAMES) else f"code {code:#x}"
