"""Ingress: requests get their canonical path before anything is matched, and bad paths are refused.

As a step on heads (``ingress_head``) for whoever matches, and as middleware (``Ingress``) for apps that match
themselves. Canonical requests pass as they are.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import product
from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.failures import reply_to
from gateway_filters.asgi.handshake import as_request
from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.reply import send_reply
from gateway_filters.asgi.scope import local_path, scope_with_path
from gateway_filters.errors import BadRequest, MethodNotAllowed, PathMoved, PermissionDenied
from gateway_filters.matching.hostname import host_of, parents
from gateway_filters.message.authority import checked_authority
from gateway_filters.message.canonical import EscapedSlashes, canonical_path, escapes_a_slash
from gateway_filters.message.head import RequestHead


def ingress_head(head: RequestHead, *, escaped_slashes: EscapedSlashes = "reject") -> RequestHead:
    """The head with its path in canonical form and without claims of who the client is; the same head if it is so.

    Dropped are ``X-Forwarded-*``, ``Forwarded`` and ``X-Real-IP``. Raises ``BadRequest`` for a path that has no
    canonical form, for a fragment, for a Host that is none or several, and for header names with ``_`` (Envoy Gateway's
    ``headersWithUnderscoresAction``), ``MethodNotAllowed`` for TRACE, ``PermissionDenied`` for an upgrade to something
    that is not spoken here.
    """
    if head.method in _ECHOING:
        raise MethodNotAllowed("a method that echoes the request would show the credential in it")
    if b"#" in head.query:
        raise BadRequest("a target with a fragment, which some servers cut off")
    names = b" ".join([name for name, _ in head.headers])
    if b"_" in names:
        raise BadRequest("a header's name has '_', which some servers take for '-'")
    if b"connection" in names and any(name == b"connection" for name, _ in head.headers):
        raise PermissionDenied("an upgrade to something that is not spoken here")
    if b"forwarded" in names or b"x-real-ip" in names:
        head = head.with_headers(tuple([pair for pair in head.headers if not pair[0].startswith(_CLAIMS)]))
    short = len(head.path) + len(head.authority) <= _LONGEST_KNOWN
    path = (_remembered if short else _canonical)(head.authority, head.path, escaped_slashes)
    return head if path == head.path else head.with_path(path)


def ingress_for(choices: "Choices") -> Callable[[RequestHead], RequestHead]:
    """``ingress_head`` for listeners that treat escaped slashes in ways of their own, by their host names.

    Where they redirect it raises ``PathMoved`` with the path that has its slashes, as Envoy answers.
    """
    if all(each == "reject" for each in choices.values()):
        return ingress_head

    def ingress(head: RequestHead) -> RequestHead:
        choice = _choice(choices, host_of(head.authority))
        if choice != "redirect":
            return ingress_head(head, escaped_slashes=choice)
        moved = ingress_head(head, escaped_slashes="forward")
        if escapes_a_slash(head.path):
            location = moved.target.decode("latin-1")
            raise PathMoved("a path with escaped slashes is to be asked for with slashes", location)
        return moved

    return ingress


Choices = Mapping[str | None, EscapedSlashes | Literal["redirect"]]
"""What becomes of escaped slashes, by the host name of a listener; None for any host."""


def _choice(choices: Choices, host: str) -> EscapedSlashes | Literal["redirect"]:
    for name in (host, *parents(host), None):
        if name in choices:
            return choices[name]
    return "reject"


def _canonical(authority: bytes, path: bytes, escaped_slashes: EscapedSlashes) -> bytes:
    if authority:
        checked_authority(authority, "Host")
    return canonical_path(path, escaped_slashes=escaped_slashes)


# In every case of its letters: who serves it behind us may not look at that.
_ECHOING = frozenset(
    bytes(each) for word in (b"trace", b"track") for each in product(*zip(word, word.upper(), strict=True))
)
# What a proxy in front says of the client, and whoever likes to: nobody is trusted to (Gateway API says nothing of it).
_CLAIMS = (b"x-forwarded-", b"forwarded", b"x-real-ip")

# Few paths and hosts are common; what clients send must not fill the memory, so long ones are looked at each time.
_LONGEST_KNOWN = 512
_remembered = lru_cache(maxsize=1024)(_canonical)


class Ingress:
    """``app`` behind canonical paths: below the mount point, ``raw_path`` and ``path`` alike.

    A path that has no canonical form is answered with 400. A scope whose path is canonical already, and scopes
    that are no requests, pass untouched.
    """

    def __init__(self, app: ASGIApp, *, escaped_slashes: EscapedSlashes = "reject") -> None:
        self.app = app
        self._escaped_slashes: EscapedSlashes = escaped_slashes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its canonical path, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            try:
                scope = self._canonical(scope)
            except BadRequest as error:
                if scope["type"] == "websocket":
                    _, send = as_request(scope, receive, send)
                await send_reply(reply_to(error), send)
                return
        await self.app(scope, receive, send)

    async def aclose(self) -> None:
        """Close the app inside, if it can be closed."""
        await close(self.app)

    def _canonical(self, scope: Scope) -> Scope:
        raw = local_path(scope)
        path = canonical_path(raw, escaped_slashes=self._escaped_slashes)
        if path is raw:
            return scope
        changed = scope_with_path(scope, path)
        if local_path(changed) != path:
            # It stood beside the mount point (//app/v1) and its canonical form would be read as below it.
            raise BadRequest("the path leads below the mount point only in its canonical form")
        return changed
