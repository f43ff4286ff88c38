"""The fields that both sides of every connection know from the start (RFC 7541, appendix A)."""

Field = tuple[bytes, bytes]
"""A header field: its name in lower case, and its value."""

_PSEUDO: tuple[Field, ...] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    *((b":status", status) for status in (b"200", b"204", b"206", b"304", b"400", b"404", b"500")),
)

_NAMES = """
    accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow
    authorization cache-control content-disposition content-encoding content-language content-length
    content-location content-range content-type cookie date etag expect expires from host if-match
    if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards
    proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie
    strict-transport-security transfer-encoding user-agent vary via www-authenticate
"""

STATIC: tuple[Field, ...] = (
    *_PSEUDO,
    *((name.encode(), b"gzip, deflate" if name == "accept-encoding" else b"") for name in _NAMES.split()),
)
"""Index 1 stands first."""
