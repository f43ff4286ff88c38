"""Fields behind the body of a request, and which of them are handed on.

Facts
- ASGI has no word for them. Where a server of ours has a client that may send some (HTTP/2), the scope says so with
  an extension: ``scope["extensions"][REQUEST_TRAILERS]["headers"]`` is a list of pairs, empty until the body has come
  to its end. Messages stay as ASGI has them, so whoever knows nothing of it misses nothing.
- What frames a message, routes it, says who asks or how it is to be read must be known before its body, and is no
  trailer (RFC 9110 6.5.1).
- They have passed no filter. So none may say again what the head says: whoever merges the two would hear the client
  where a filter has spoken.
"""

from collections.abc import Iterable

from gateway_filters.message.headers import HOP_BY_HOP, Headers

REQUEST_TRAILERS = "gateway_filters.request_trailers"
"""The extension's name."""

_NEVER = HOP_BY_HOP | {
    # framing and destination
    b"content-length",
    b"host",
    # who asks, and for whom
    b"api-key",
    b"authorization",
    b"cookie",
    b"forwarded",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"set-cookie",
    b"www-authenticate",
    b"x-api-key",
    b"x-goog-api-key",
    b"x-real-ip",
    # how the request is to be understood
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"expect",
    b"http2-settings",
    b"max-forwards",
    b"pragma",
    b"range",
}
_NEVER_BEGUN_WITH = (b"if-", b"x-forwarded-", b":")


def passed_behind(trailers: Iterable[tuple[bytes, bytes]], head: Headers) -> Headers:
    """Those of a request's ``trailers`` that may follow it on its way, where its ``head`` left so.

    Names of the head may be in either case; those of trailers are in lower case.
    """
    said = {name.lower() for name, _ in head}
    return tuple([field for field in trailers if _is_trailer(field[0]) and field[0] not in said])


def _is_trailer(name: bytes) -> bool:
    return name not in _NEVER and not name.startswith(_NEVER_BEGUN_WITH)
