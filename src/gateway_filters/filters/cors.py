"""CORS: which origins' pages may call, and read what (Gateway API, HTTPCORSFilter; Fetch standard, section 3.3).

Facts
- A preflight is OPTIONS with Origin and Access-Control-Request-Method. It is answered here and never goes on,
  whatever its origin; an origin that is not allowed gets the same 204 without the headers.
- With credentials a browser takes ``*`` literally, so what the request asked for is answered instead.
- The gateway is the authority: the backend's CORS headers never reach the client.
- The origin is always echoed, so every answer varies with it (Fetch standard, "CORS protocol and HTTP caches").
"""

import re
from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import Reply, RequestHead, ResponseHead
from gateway_filters.message.headers import Headers, values, without
from gateway_filters.message.text import settle, token

_ALLOW_ORIGIN = b"access-control-allow-origin"
_ALLOW_CREDENTIALS = b"access-control-allow-credentials"
_ALLOW_METHODS = b"access-control-allow-methods"
_ALLOW_HEADERS = b"access-control-allow-headers"
_EXPOSE_HEADERS = b"access-control-expose-headers"
_MAX_AGE = b"access-control-max-age"
_REQUEST_METHOD = b"access-control-request-method"
_REQUEST_HEADERS = b"access-control-request-headers"
_OURS = frozenset(
    (
        _ALLOW_ORIGIN,
        _ALLOW_CREDENTIALS,
        _ALLOW_METHODS,
        _ALLOW_HEADERS,
        _EXPOSE_HEADERS,
        _MAX_AGE,
        b"access-control-allow-private-network",
    )
)

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TOKENS = re.compile(_TOKEN + rb"(?:[ \t]*,[ \t]*" + _TOKEN + rb")*")
# What browsers send: scheme, host, and the port when it is not the scheme's own.
_ORIGIN = re.compile(rb"([a-z][a-z0-9+.-]*)://([a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
# What may be allowed: the wildcard as the whole host or as its first label, and as the port.
_ALLOWED = re.compile(rb"([a-z][a-z0-9+.-]*)://((?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\*)(?::([0-9]{1,5}|\*))?")
_ANY_PORT = -1
_DEFAULT_PORTS = {b"http": 80, b"https": 443}

_Origin = tuple[bytes, bytes, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CORS(Filter):
    """Answers preflights, and lets pages of the allowed origins read the other answers.

    ``allow_origins`` holds ``scheme://host[:port]`` with ``*`` as the host or as its first label, or ``*``
    alone; without a port it is the scheme's own, if it has one, and ``:*`` is any. ``allow_methods`` and
    ``allow_headers`` hold names, or ``*`` alone, ``expose_headers`` names or ``*``, which with
    ``allow_credentials`` exposes nothing. ``max_age`` is in seconds, None to say nothing of it. Raises
    ``ConfigurationError`` for anything else. Stands before what must not hold up a preflight.
    """

    allow_origins: tuple[str, ...] = ()
    allow_credentials: bool = False
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int | None = 5
    _origins: tuple[_Origin, ...] = field(init=False, repr=False, compare=False)
    _methods: bytes | None = field(init=False, repr=False, compare=False)
    _headers: bytes | None = field(init=False, repr=False, compare=False)
    _always: Headers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("allow_origins", "allow_methods", "allow_headers", "expose_headers"):
            settle(self, **{name: tuple(getattr(self, name))})
        if self.max_age is not None and not 0 <= self.max_age < 2**31:
            raise ConfigurationError(f"max age {self.max_age} is not from 0 to {2**31 - 1}")
        _refuse_star_among(self.allow_origins, "allowed origins")
        settle(
            self,
            _origins=tuple(_allowed(origin) for origin in self.allow_origins if origin != "*"),
            _methods=self._names(self.allow_methods, "allowed methods"),
            _headers=self._names(self.allow_headers, "allowed headers"),
            _always=self._same_for_all(),
        )

    def on_request(self, head: RequestHead) -> RequestHead | Reply:
        """The head as it is, or the answer to a preflight."""
        return head if requested_method(head) is None else Reply(204, _varying(self._granted(head)))

    def on_response(self, head: ResponseHead, request: RequestHead) -> ResponseHead:
        """The head with our CORS headers instead of the backend's; ``Vary`` names Origin."""
        # The answer to a preflight comes by here as well, so both must grant the same.
        return head.with_headers(_varying((*without(head.headers, _OURS), *self._granted(request))))

    def _granted(self, request: RequestHead) -> Headers:
        """What the request's origin is allowed; nothing for one that is not."""
        origins = request.values(b"origin")
        if len(origins) != 1 or not self._allows(origins[0]):
            return ()
        granted = ((_ALLOW_ORIGIN, origins[0]), *self._always)
        return granted if requested_method(request) is None else (*granted, *self._granted_before(request))

    def _granted_before(self, request: RequestHead) -> Headers:
        """What only a preflight is told."""
        methods = _asked(request, _REQUEST_METHOD) if self._methods is None else self._methods
        headers = _asked(request, _REQUEST_HEADERS) if self._headers is None else self._headers
        age = b"" if self.max_age is None else b"%d" % self.max_age
        told = ((_ALLOW_METHODS, methods), (_ALLOW_HEADERS, headers), (_MAX_AGE, age))
        return tuple(pair for pair in told if pair[1])

    def _allows(self, value: bytes) -> bool:
        origin = _origin(_ORIGIN, value.lower())
        if self.allow_origins == ("*",):
            return origin is not None or value == b"null"
        return origin is not None and any(_covers(allowed, origin) for allowed in self._origins)

    def _names(self, names: tuple[str, ...], what: str) -> bytes | None:
        """The names as a header's value; None where the request's own are to be answered."""
        _refuse_star_among(names, what)
        return None if self.allow_credentials and "*" in names else _listed(names, what)

    def _same_for_all(self) -> Headers:
        exposed = tuple(name for name in self.expose_headers if name != "*" or not self.allow_credentials)
        told = (
            (_ALLOW_CREDENTIALS, b"true" if self.allow_credentials else b""),
            (_EXPOSE_HEADERS, _listed(exposed, "exposed headers")),
        )
        return tuple(pair for pair in told if pair[1])


def requested_method(head: RequestHead) -> bytes | None:
    """The method that a preflight asks for; None for any other request."""
    preflight = head.method == b"OPTIONS" and head.first(b"origin") is not None
    return head.first(_REQUEST_METHOD) if preflight else None


def _asked(request: RequestHead, name: bytes) -> bytes:
    """What the request asks for, when it is names and nothing else."""
    asked = b", ".join(request.values(name))
    return asked if _TOKENS.fullmatch(asked) else b""


def _varying(headers: Headers) -> Headers:
    named = {name.strip(b" \t").lower() for value in values(headers, b"vary") for name in value.split(b",")}
    return headers if named & {b"*", b"origin"} else (*headers, (b"vary", b"Origin"))


def _origin(pattern: re.Pattern[bytes], value: bytes) -> _Origin | None:
    found = pattern.fullmatch(value)
    if found is None:
        return None
    port = _ANY_PORT if found[3] == b"*" else int(found[3] or 0)
    return found[1], found[2], port if found[3] else _DEFAULT_PORTS.get(found[1])


def _covers(allowed: _Origin, origin: _Origin) -> bool:
    if allowed[0] != origin[0] or allowed[2] not in (origin[2], _ANY_PORT):
        return False
    pattern, host = allowed[1], origin[1]
    if not pattern.startswith(b"*"):
        return pattern == host
    return host.endswith(pattern[1:]) and len(host) >= len(pattern)


def _allowed(text: str) -> _Origin:
    origin = _origin(_ALLOWED, text.lower().encode("utf-8", "surrogatepass"))
    if origin is None or not (origin[2] in (None, _ANY_PORT) or 1 <= origin[2] <= 65535):
        raise ConfigurationError(f"allowed origin {text!r} is not '*' or scheme://host[:port]")
    return origin


def _refuse_star_among(names: tuple[str, ...], what: str) -> None:
    if "*" in names and len(names) > 1:
        raise ConfigurationError(f"'*' stands among other {what}")


def _listed(names: tuple[str, ...], what: str) -> bytes:
    return b", ".join(token(name, f"one of the {what}") for name in names)
