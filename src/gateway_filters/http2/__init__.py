"""HTTP/2 towards clients: frames, header compression, streams, and a connection that calls an ASGI app.

Nothing here opens a socket or knows a library; ``connection`` is an ``asyncio.Protocol``, everything below it is
pure. RFC 9113 and RFC 7541 are meant where a section is named without its RFC.
"""

from gateway_filters.http2.connection import PREFACE, Http2Connection
from gateway_filters.http2.limits import Http2Limits
from gateway_filters.http2.service import Service, Watch

__all__ = ["PREFACE", "Http2Connection", "Http2Limits", "Service", "Watch"]
