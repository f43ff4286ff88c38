"""The request that is asked about: a method, a URL and headers as one would give them to curl.

A WebSocket is a GET for a URL with ``ws`` or ``wss``; what its handshake has to say besides is said here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway_filters.asgi.scope import request_head
from gateway_filters.errors import ConfigurationError
from gateway_filters.message.client import Client, address_of
from gateway_filters.message.head import RequestHead
from gateway_filters.message.text import authority, header_name, token

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_HANDSHAKE = ((b"connection", b"Upgrade"), (b"upgrade", b"websocket"))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its ``url``, its ``head`` as the gateway cuts it from the wire, the ``port`` and ``host`` called."""

    url: str
    head: RequestHead
    host: str
    port: int
    websocket: bool = False


def asked(method: str, url: str, headers: Iterable[str] = (), client: str = "127.0.0.1") -> Asked:
    """The request for ``url`` (http, https, ws or wss) with ``headers`` (``Name: value``; a Host wins over the URL's).

    It comes from the address ``client``. Raises ``ConfigurationError`` for what is no method, URL, header or address;
    its sentence holds no value of one.
    """
    address = address_of(client)
    if address is None:
        raise ConfigurationError("the client's address is not an IP address")
    scheme, place, path, query = _split(url)
    websocket = scheme in ("ws", "wss")
    if method != method.upper():
        raise ConfigurationError("a method is written in capitals, as GET is")
    if websocket and method != "GET":
        raise ConfigurationError("a WebSocket begins with a GET")
    pairs = [(b"host", authority(place, "host of the URL")), *map(_pair, headers), *(_HANDSHAKE if websocket else ())]
    hosts = [pair for pair in pairs if pair[0] == b"host"]
    scope = {
        "type": "websocket" if websocket else "http",
        "method": token(method, "method").decode(),
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [hosts[-1], *(pair for pair in pairs if pair[0] != b"host")],
    }
    host, port = _place(scheme, place)
    return Asked(url.partition("#")[0], request_head(scope).with_client(Client(address)), host, port, websocket)


def _split(url: str) -> tuple[str, str, str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError("the URL cannot be understood") from None
    if parts.scheme not in _PORTS or not parts.netloc:
        raise ConfigurationError("the URL must begin with http://, https://, ws:// or wss:// and a host")
    if "@" in parts.netloc:
        raise ConfigurationError("the URL must not hold a user; give an Authorization header instead")
    return parts.scheme, parts.netloc, parts.path or "/", parts.query


def _place(scheme: str, netloc: str) -> tuple[str, int]:
    host, colon, port = netloc.rpartition(":")
    if not colon or netloc.endswith("]"):
        return netloc.lower(), _PORTS[scheme]
    return host.lower(), int(port)


def _pair(header: str) -> tuple[bytes, bytes]:
    name, colon, value = header.partition(":")
    if not colon:
        raise ConfigurationError("a header must be given as 'Name: value'")
    return header_name(name.strip()), value.strip().encode("utf-8", "surrogateescape")
