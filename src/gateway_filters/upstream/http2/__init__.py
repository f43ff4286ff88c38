"""HTTP/2 towards upstreams, on the h2 library (the extra ``gateway-filters[http2]``).

It is imported when somebody asks for HTTP/2, and not before: without the extra it cannot be.
"""

from gateway_filters.upstream.http2.transport import Http2Transport

__all__ = ["Http2Transport"]
