"""Between ASGI scopes and heads. The only place that reads or writes a scope's path and headers.

Facts
- ASGI: ``path`` is decoded and holds ``root_path``; ``raw_path`` is the wire's bytes without the query and
  may be missing. ``path`` cannot tell ``/`` from ``%2F``, so heads are cut from ``raw_path``.
- ``uvicorn --root-path`` and Starlette's ``Mount`` both leave ``path`` whole and set ``root_path``: what is
  below it is the local path that heads hold. A path that is not below it counts as local altogether.
- A server may leave the blanks behind a value that are no part of it (RFC 9110 5.5; uvicorn with httptools does).
- A scope is never changed in place: what is outside of us goes on reading it.
"""

from urllib.parse import quote, unquote

from starlette.types import Scope

from gateway_filters.errors import BadRequest
from gateway_filters.message.client import Client, address_of
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers, named, without
from gateway_filters.message.path import cut_root

# The characters that may stand raw in a path: RFC 3986 pchar and the slash.
_PATH_SAFE = "/:@!$&'()*+,;=-._~"
_SCHEMES = {"http": b"http", "https": b"https", "ws": b"http", "wss": b"https"}
_UPGRADE = frozenset((b"upgrade",))
_METHODS = {name: name.encode() for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}

INJECTED = "gateway_filters.injected"
"""Stands in a scope that was written from a head with a credential of the gateway's."""

TRIMMED = "gateway_filters.trimmed"
"""Stands in the scopes of servers that take the blanks round a value off by themselves."""


def request_head(scope: Scope) -> RequestHead:
    """The head of an ``http`` or ``websocket`` scope.

    Host becomes the authority; ``Connection`` and what it nominates are left out here, before any filter,
    so that they can never take off what a filter puts on. The ``Upgrade`` of a WebSocket stays: routes match it. Where
    something else is to be switched to, ``connection: upgrade`` stays, for ingress to refuse.
    """
    authority, headers = _headers(scope)
    scheme: str = scope.get("scheme", "http")
    method: str = scope.get("method", "GET")
    return RequestHead(
        _METHODS.get(method) or method.encode("latin-1"),
        local_path(scope),
        authority,
        scope.get("query_string", b""),
        headers,
        _SCHEMES.get(scheme) or scheme.encode(),
        scope,
    )


def peer_of(scope: Scope) -> Client:
    """Who is at the other end of the connection; what headers say of it does not count."""
    peer: tuple[str, int] | None = scope.get("client")
    return Client(None if peer is None else address_of(peer[0]))


def scope_with(scope: Scope, head: RequestHead) -> Scope:
    """A copy of ``scope`` that says what ``head`` says; ``root_path`` stays."""
    headers = [(b"host", head.authority), *head.headers] if head.authority else [*head.headers]
    changed = scope_with_path(scope, head.path)
    changed["headers"] = headers
    changed["query_string"] = head.query
    if head.injected:
        changed[INJECTED] = True
    return changed


def local_path(scope: Scope) -> bytes:
    """The raw path of a scope below its mount point, never empty."""
    raw, root = _raw_path(scope), scope.get("root_path")
    if not root:
        return raw or b"/"
    local = cut_root(raw, root.encode())
    return (raw if local is None else local) or b"/"


def scope_with_path(scope: Scope, path: bytes) -> Scope:
    """A copy of ``scope`` for another raw local path; everything else stays.

    Raises ``BadRequest`` where the mount point would be read into a path that is not below it.
    """
    text = path.decode("latin-1")
    text = unquote(text) if "%" in text else text
    root = _root(scope)
    raw_path = quote(root, safe=_PATH_SAFE).encode() + path if root else path
    changed = {**scope, "path": root + text, "raw_path": raw_path}
    if scope.get("root_path") and not root and local_path(changed) != path:
        raise BadRequest("the path is not below the mount point and would look as if it were")
    return changed


def _headers(scope: Scope) -> tuple[bytes, Headers]:
    authority: bytes | None = None
    kept: list[tuple[bytes, bytes]] = []
    dropped: frozenset[bytes] = frozenset()
    loose = TRIMMED not in scope
    for name, value in scope["headers"]:
        if loose:
            value = value.strip(b" \t")  # noqa: PLW2901 - the value is what it was
        if name == b"host":
            # Several Hosts are none: joined they are refused wherever a Host is looked at.
            authority = value if authority is None else authority + b", " + value
        elif name == b"connection":
            dropped |= named(value)
        else:
            kept.append((name, value))
    if not dropped:
        return authority or b"", tuple(kept)
    if scope["type"] == "websocket":
        dropped -= _UPGRADE
    return authority or b"", (*without(tuple(kept), dropped), *_switching(scope, kept, dropped))


def _switching(scope: Scope, headers: list[tuple[bytes, bytes]], nominated: frozenset[bytes]) -> Headers:
    """What is left of ``Connection``: nothing, unless a server shows a request that wants another protocol than h2c."""
    if scope["type"] != "http" or b"upgrade" not in nominated:
        return ()
    spoken = all(value.lower() == b"h2c" for name, value in headers if name == b"upgrade")
    return () if spoken else ((b"connection", b"upgrade"),)


def _raw_path(scope: Scope) -> bytes:
    raw = scope.get("raw_path")
    return raw or quote(scope["path"], safe=_PATH_SAFE).encode()


def _root(scope: Scope) -> str:
    """The mount point, where the path is below it."""
    root: str = scope.get("root_path", "")
    return root if root and cut_root(_raw_path(scope), root.encode()) is not None else ""
