"""A request's head from its fields (RFC 9113 8.2 and 8.3), strictly: what is not one ends its stream.

Facts
- Pseudo-headers come first, each once. ``:authority`` is the Host; a Host beside it must say the same, and
  without any there is no request (RFC 9112 3.2).
- Fields of an HTTP/1.1 connection are forbidden (8.2.2): behind us they could frame a second request.
- A target holds no blank, no control character, nothing but ASCII and no fragment: it goes into the first line of an
  HTTP/1.1 request as it is.
- ``Cookie`` may come in pieces and is joined (8.2.3). A length must be a number, once.
"""

from urllib.parse import unquote

from gateway_filters.http2.faults import ErrorCode, StreamFault
from gateway_filters.http2.static_table import Field
from gateway_filters.message.query import path_and_query

_REQUIRED = frozenset((b":method", b":path", b":scheme"))
_SCHEMES = frozenset((b"http", b"https"))
_FORBIDDEN = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_SPECIAL = _FORBIDDEN | _REQUIRED | {b":authority", b":status", b"content-length", b"cookie", b"expect", b"host", b"te"}
_TARGET = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
_METHOD = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_REFUSED = frozenset(("CONNECT", "TRACE", "TRACK"))
_DIGITS = b"0123456789"
_LONGEST_LENGTH = 18


class Asked:
    """What is asked for: ``path`` decoded, ``raw_path`` as it came; ``headers`` begin with Host.

    ``length`` is that of the body, None where it is not told; ``expects`` whether the client waits for 100 before it
    sends one; ``refused`` the status of a request that is one, but not one that is served.
    """

    __slots__ = ("expects", "headers", "length", "method", "path", "query", "raw_path", "refused")

    def __init__(self, method: bytes, target: bytes, headers: list[Field]) -> None:
        self.method = method.decode("ascii")
        self.raw_path, self.query = path_and_query(target)
        self.path = unquote(self.raw_path.decode("ascii"))
        self.headers = headers
        self.length: int | None = None
        self.expects = False
        # Methods are told apart by their case (RFC 9110 9.1), but nobody means another one by "trace".
        self.refused = 405 if self.method in _REFUSED or self.method != self.method.upper() else None


def asked(fields: list[Field]) -> Asked:
    """The request of a head; raises ``StreamFault`` for one that is malformed (8.1.1)."""
    pseudo: dict[bytes, bytes] = {}
    for name, value in fields:
        if name[0] != 0x3A:
            break
        if name in pseudo or name == b":status":
            raise _malformed("a pseudo-header comes twice, or is an answer's")
        pseudo[name] = value
    headers = [(b"host", b"")]
    request = Asked(*_line(pseudo), headers)
    hosts, crumbs = list[bytes](), list[bytes]()
    for field in fields[len(pseudo) :]:
        if field[0] in _SPECIAL:
            _special(request, field, hosts, crumbs)
        else:
            headers.append(field)
    headers[0] = (b"host", _host(pseudo.get(b":authority"), hosts))
    if crumbs:
        headers.append((b"cookie", b"; ".join(crumbs)))
    return request


def check_trailers(fields: list[Field]) -> None:
    """Raises ``StreamFault`` unless the fields may follow a body (8.1)."""
    if any(name[0] == 0x3A or name in _FORBIDDEN for name, _ in fields):
        raise _malformed("a trailer is none")


def _line(pseudo: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """Method and target."""
    method, target = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    if not method or method.translate(None, _METHOD):
        raise _malformed("there is no method")
    if method == b"CONNECT":
        # A tunnel; nothing that could be routed is asked for (8.5).
        return method, b""
    if pseudo.get(b":scheme") not in _SCHEMES:
        raise _malformed("the scheme is neither http nor https")
    if not target.startswith(b"/") and (target != b"*" or method != b"OPTIONS"):
        raise _malformed("the path is none")
    if target.translate(None, _TARGET):
        raise _malformed("the path has a character that must not stand there")
    return method, target


def _special(request: Asked, field: Field, hosts: list[bytes], crumbs: list[bytes]) -> None:
    name, value = field
    if name == b"cookie":
        crumbs.append(value)
    elif name == b"host":
        hosts.append(value)
    elif name == b"content-length":
        if request.length is not None or not value or value.translate(None, _DIGITS) or len(value) > _LONGEST_LENGTH:
            raise _malformed("the length is none")
        request.length = int(value)
        request.headers.append(field)
    elif name == b"expect":
        request.expects = value.lower() == b"100-continue"
        request.refused = request.refused or (None if request.expects else 417)
        request.headers.append(field)
    elif name == b"te" and value.lower() == b"trailers":
        request.headers.append(field)
    else:
        raise _malformed("a field must not stand here")


def _host(authority: bytes | None, hosts: list[bytes]) -> bytes:
    """The one Host; one beside ``:authority`` is the same but for its case."""
    said = hosts if authority is None else [authority, *hosts]
    if len(hosts) > 1 or not said or not said[0] or said[0].lower() != said[-1].lower():
        raise _malformed("there is not exactly one host")
    return said[0]


def _malformed(reason: str) -> StreamFault:
    return StreamFault(ErrorCode.PROTOCOL_ERROR, reason)
