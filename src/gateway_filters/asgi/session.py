"""Session persistence (Gateway API, SessionPersistence): a client stays with the choice of its first answer.

Facts
- RFC 6265 5.4: a client may send several cookies of one name, for several paths. All are ours, and the first
  that is valid counts.
- A token names a choice by a keyed digest: choices are called after addresses inside, few enough to guess.
- The token never goes upstream: a backend has no use for it, and could hand it to another client.
"""

import asyncio
import hashlib
import hmac
import math
import random
import secrets
import time
from bisect import bisect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.shell import HeadApp, serving
from gateway_filters.errors import ConfigurationError, RouteRefused
from gateway_filters.message.cookies import cookie_path
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers, replaced, values, without
from gateway_filters.message.text import header_name, token

_PROCESS_KEY = secrets.token_bytes(32)


class StickyChoice(HeadApp):
    """Sends each request to one of several apps: the one its token names, else one drawn by weight.

    ``choices`` are (id, app, weight). The token travels in a cookie of this ``name`` and ``path``, or, with
    ``header``, in a header of this name; only an answer to a request without a valid one carries it.
    ``lifetime`` seconds after it was made a token is void; ``permanent`` has the cookie outlive the browser.
    ``key`` authenticates tokens, by default one that lives as long as the process; choices that share key and
    name share their sessions. ``clock`` gives seconds, ``draw`` a number from 0 up to, not including, 1.

    Raises ``ConfigurationError`` for a name, path or lifetime that cannot work, ``RouteRefused`` for a request
    when every weight is 0 and no token names a choice.
    """

    def __init__(
        self,
        choices: Sequence[tuple[str, ASGIApp, int]],
        *,
        name: str,
        header: bool = False,
        path: str = "/",
        lifetime: float | None = None,
        permanent: bool = False,
        key: bytes | None = None,
        clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if lifetime is not None and not lifetime > 0:
            raise ConfigurationError(f"a session's lifetime of {lifetime} seconds is none: it must be above 0")
        if permanent and lifetime is None:
            raise ConfigurationError("a permanent session needs a lifetime")
        self._apps = [app for _, app, _ in choices]
        self._serve = [serving(app) for app in self._apps]
        self._bounds = [*accumulate(weight for _, _, weight in choices)]
        self._draw = draw
        self._tokens = _Tokens([each for each, _, _ in choices], key or _PROCESS_KEY, name, lifetime, clock)
        self._carrier: _Carrier = _Header(name) if header else _Cookie(name, path, lifetime if permanent else None)

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A scope that is no request is only drawn for."""
        await self._apps[self._drawn()](scope, receive, send)

    def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Read the token or draw, and call."""
        place = self._remembered(head.headers)
        if place is None:
            place = self._drawn()
            send = self._telling(send, place, secure=head.scheme == b"https")
        headers = self._carrier.taken_off(head.headers)
        passed = head if headers == head.headers else head.with_headers(headers)
        return self._serve[place](passed, scope, receive, send)

    async def aclose(self) -> None:
        """Close the apps, those of them that can be closed."""
        await asyncio.gather(*(close(app) for app in self._apps))

    def _remembered(self, headers: Headers) -> int | None:
        places = (self._tokens.place(each) for each in self._carrier.tokens(headers))
        return next((place for place in places if place is not None), None)

    def _drawn(self) -> int:
        if not self._bounds or not self._bounds[-1]:
            raise RouteRefused("no choice of this session has a weight")
        return bisect(self._bounds, self._draw() * self._bounds[-1])

    def _telling(self, send: Send, place: int, *, secure: bool) -> Send:
        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = tuple((name, value) for name, value in message.get("headers", ()))
                told = self._carrier.put_on(headers, self._tokens.issued(place), secure=secure)
                message = {**message, "headers": list(told)}
            await send(message)

        return telling


class _Tokens:
    """``<digest of the choice's id>.<milliseconds of issue, or nothing>.<MAC over both>``, all hexadecimal."""

    def __init__(
        self, ids: Sequence[str], key: bytes, name: str, lifetime: float | None, clock: Callable[[], float]
    ) -> None:
        self._key = hmac.digest(key, b"session\0" + name.encode(), hashlib.sha256)
        self._lifetime = lifetime
        self._clock = clock
        self._digests = [self._mac(b"choice", each.encode())[:32] for each in ids]
        self._places = {digest: place for place, digest in enumerate(self._digests)}

    def issued(self, place: int) -> bytes:
        """A token for the choice at ``place``."""
        made = b"" if self._lifetime is None else b"%x" % int(self._clock() * 1000)
        content = self._digests[place] + b"." + made
        return content + b"." + self._mac(b"token", content)

    def place(self, given: bytes) -> int | None:
        """The place of the choice that ``given`` names; None for anything but a token of ours that still counts."""
        content, _, mac = given.rpartition(b".")
        if not hmac.compare_digest(mac, self._mac(b"token", content)):
            return None
        digest, _, made = content.partition(b".")
        return self._places.get(digest) if self._alive(made) else None

    def _alive(self, made: bytes) -> bool:
        if self._lifetime is None:
            return True
        return bool(made) and self._clock() - int(made, 16) / 1000 < self._lifetime

    def _mac(self, purpose: bytes, content: bytes) -> bytes:
        return hmac.new(self._key, purpose + b"\0" + content, hashlib.sha256).hexdigest().encode()


class _Carrier(Protocol):
    """Where a token travels."""

    def tokens(self, headers: Headers) -> Iterator[bytes]: ...

    def taken_off(self, headers: Headers) -> Headers: ...

    def put_on(self, headers: Headers, value: bytes, *, secure: bool) -> Headers: ...


class _Header(_Carrier):
    def __init__(self, name: str) -> None:
        self._name = header_name(name)

    def tokens(self, headers: Headers) -> Iterator[bytes]:
        return iter(values(headers, self._name))

    def taken_off(self, headers: Headers) -> Headers:
        return without(headers, {self._name})

    def put_on(self, headers: Headers, value: bytes, *, secure: bool) -> Headers:
        del secure
        return replaced(headers, self._name, value)


class _Cookie(_Carrier):
    def __init__(self, name: str, path: str, max_age: float | None) -> None:
        self._name = token(name, "cookie name")
        # Rounded up: a Max-Age of 0 would delete the cookie.
        age = b"" if max_age is None else b"; Max-Age=%d" % math.ceil(max_age)
        self._attributes = b"; Path=" + cookie_path(path) + age + b"; HttpOnly; SameSite=Strict"

    def tokens(self, headers: Headers) -> Iterator[bytes]:
        for line in values(headers, b"cookie"):
            for pair in line.split(b";"):
                if self._is_ours(pair):
                    yield pair.partition(b"=")[2].strip(b" \t")

    def taken_off(self, headers: Headers) -> Headers:
        lines = ((name, self._rest(value) if name == b"cookie" else value) for name, value in headers)
        return tuple((name, value) for name, value in lines if value or name != b"cookie")

    def put_on(self, headers: Headers, value: bytes, *, secure: bool) -> Headers:
        cookie = self._name + b"=" + value + self._attributes + (b"; Secure" if secure else b"")
        return (*headers, (b"set-cookie", cookie))

    def _rest(self, line: bytes) -> bytes:
        pairs = line.split(b";")
        kept = b";".join(pair for pair in pairs if not self._is_ours(pair))
        return kept.lstrip(b" \t") if self._is_ours(pairs[0]) else kept

    def _is_ours(self, pair: bytes) -> bool:
        return pair.partition(b"=")[0].strip(b" \t") == self._name
