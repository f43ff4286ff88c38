"""Settings: what we announce, and what a client's mean (RFC 9113 6.5)."""

from gateway_filters.http2.faults import ConnectionFault, ErrorCode
from gateway_filters.http2.frames import settings, settings_in, window_update
from gateway_filters.http2.limits import LARGEST_WINDOW, Http2Limits

DEFAULT_WINDOW = 65_535
"""Every window before anything was said about it."""

_ENABLE_PUSH, _STREAMS, _WINDOW, _FRAME, _HEADER_BYTES = range(2, 7)
_NO_PRIORITIES = 9


def announcement(limits: Http2Limits) -> bytes:
    """The first bytes of our side: the settings, and the connection's window beyond its default."""
    values = {
        _STREAMS: limits.streams,
        _WINDOW: limits.window,
        _HEADER_BYTES: limits.header_bytes,
        # RFC 9218 2.1: priorities are not looked at.
        _NO_PRIORITIES: 1,
    }
    more = limits.connection_window - DEFAULT_WINDOW
    return settings(values) + (window_update(0, more) if more > 0 else b"")


def stream_window(payload: bytes) -> int | None:
    """The window that a client's SETTINGS frame opens for each stream, None where it says nothing of it.

    Raises ``ConnectionFault`` for values that are not allowed. Of several ones the last counts, so that a frame can
    make us look at every stream only once. The other settings concern what we never do: our header table is empty,
    our frames have the smallest size, and we push nothing.
    """
    values = dict(settings_in(payload))
    if values.get(_ENABLE_PUSH, 0) > 1:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
    if not 2**14 <= values.get(_FRAME, 2**14) < 2**24:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of bounds")
    window = values.get(_WINDOW)
    if window is not None and window > LARGEST_WINDOW:
        raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is out of bounds")
    return window
