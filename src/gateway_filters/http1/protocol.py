"""The server side of a connection: uvicorn's HTTP/1.1 protocol, bounded, strict, and quick where a request is plain.

Facts
- A plain request that one read holds whole never meets the parser. Everything else does, and then the head is
  checked once more (``head``), since the parser is more patient than a gateway may be.
- uvicorn has no limit on time or size and no clock; here one look every half second at all connections serves
  all clocks, and a wait costs one addition.
- The parser hands on trailers like header fields; after the head they are dropped.
- A refused client may be in the midst of a long body and look at its answer when it has sent all. So what it sends is
  read, and thrown away, for a second.
- Requests are answered in the order they came. What comes behind a whole request waits, mostly unparsed, and
  reading pauses: nobody can have more than a few of them waiting.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway_filters.frontend_tls import CHOSEN
from gateway_filters.http1.cycle import Cycle
from gateway_filters.http1.head import Refused, check_head, settled
from gateway_filters.http1.refusal import refusal
from gateway_filters.http1.scopes import Scopes
from gateway_filters.http1.sips import Sips, is_long
from gateway_filters.http1.watch import Watch
from gateway_filters.http1.whole_request import LONGEST_KNOWN, WholeRequest, whole_request
from gateway_filters.serving import LISTENER
from gateway_filters.upstream.clocks import NEVER

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

_MOST_WAITING = 64
_GOODBYE = 1.0
# Refusals of those who send too little, or are too many to be waited for.
_TO_NOBODY = frozenset((408, 503))
_FRAMES = frozenset((b"content-length", b"transfer-encoding"))


class GatewayProtocol(HttpToolsProtocol):
    """A client's connection.

    Tells the app, in ``scope["state"]``, which listener a TLS connection was made for.
    """

    cycle: Cycle | None  # type: ignore[assignment]
    app: Any
    parser: httptools.HttpRequestParser
    headers: list[tuple[bytes, bytes]]
    url: bytes

    def __init__(
        self,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._watch = watch or Watch()
        self._limits = self._watch.limits
        self._sweep = self._watch.sweep
        # What is longer is the parser's, which looks at the length of each line.
        short_lines = self._limits.line_bytes < LONGEST_KNOWN
        self._most_at_once = self._limits.line_bytes if short_lines else self._limits.head_bytes
        self._read_by = self._write_by = NEVER
        # Of a message: all that came of it, what its fields are, what its body is.
        self._head_bytes = self._head_size = self._body_bytes = 0
        self._body_since = 0.0
        self._in_message = False
        self._in_head = True
        self._in_sips = False
        self._keeps = not self._watch.ending
        self._passed_over = False
        self._newest: Cycle | None = None
        self._waiting: deque[Cycle] = deque()
        self._held: list[bytes] = []
        self._over = False
        self._last_words = b""

    # What the loop says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note once what each request's scope begins with."""
        super().connection_made(transport)
        self._sweep.watch(self)
        self._read_by = self._sweep.after(self._limits.keep_alive)
        connection = transport.get_extra_info("ssl_object")
        if connection is not None:
            self.app_state = {**self.app_state, LISTENER: getattr(connection, CHOSEN, None)}
        self._scopes = Scopes(self.server, self.client, self.scheme or "http", self.root_path, self.app_state)
        if not self._watch.admit(self.client, len(self.connections)):
            self._refuse(503, "too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._over = True
        self.connections.discard(self)
        self._leave()
        for cycle in (self.cycle, *self._waiting):
            if cycle is not None:
                cycle.disconnect()
        self._waiting.clear()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        self.parser = None  # type: ignore[assignment]

    def _leave(self) -> None:
        self._sweep.forget(self)
        self._watch.forget(self.client)

    def data_received(self, data: bytes) -> None:
        """Serve a request that is plain and whole at once; feed the parser with all else."""
        cycle = self.cycle
        if self._over:
            return
        # What waits already came first, also where a transport hands over what it has kept before that is looked at.
        if self._held or (cycle is not None and not cycle.response_complete and not self._in_message):
            self._held.append(data)
            self.flow.pause_reading()
            return
        request = None if self._in_message or len(data) > self._most_at_once else whole_request(data)
        if request is None:
            self._parse(data)
        else:
            self._serve(request)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        self._write_by = self._sweep.after(self._limits.write_idle)
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._write_by = NEVER
        super().resume_writing()

    def check(self, now: float) -> None:
        """Give up when a wait has been too long."""
        if now < self._read_by and now < self._write_by:
            return
        if now >= self._write_by or self.transport.is_closing():
            self.transport.abort()
        elif self._over:
            self._close()
        elif self.flow.read_paused:
            self._read_by = self._sweep.after(self._limits.body_idle)  # it is we who do not read
        elif self._in_message:
            self._refuse(408, "the request stood still or took too long")
        else:
            self._close()

    # A request that came whole

    def _serve(self, request: WholeRequest) -> None:
        limit = self._limits.body_bytes
        if limit is not None and len(request.body) > limit:
            self._refuse(413, "a body over the limit")
        elif len(request.headers) > self._limits.fields:
            self._refuse(431, "too many header fields")
        else:
            self._read_by = NEVER
            scope = self._scopes.of_whole(request)
            self._start(Cycle(self, scope, body=request.body, keep_alive=self._keeps, expects=False))

    def _start(self, cycle: Cycle) -> None:
        self.cycle = cycle  # pyright: ignore[reportIncompatibleVariableOverride]
        cycle.task = task = self.loop.create_task(cycle.run(self.app))
        self.tasks.add(task)

    # What the parser says

    def _parse(self, data: bytes) -> None:
        if not self._in_message:
            self._in_message = True
            self._read_by = self._sweep.after(self._limits.head_seconds)
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            behind = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            refused = error.__context__
            if isinstance(refused, Refused):
                self._refuse(refused.status, str(refused))
            else:
                self._refuse(400, "it is not HTTP")
            return
        else:
            if self._in_message and self._in_head and self._head_bytes > self._limits.head_bytes:
                self._refuse(431, "a head over the limit")
            elif self._in_message and not self._in_head and self._is_mostly_framing():
                self._refuse(400, "more framing than body")
            return
        self._upgrade(behind)

    def _is_mostly_framing(self) -> bool:
        """Whether chunks of a byte, their extensions or trailers make work without end (as in CVE-2023-39326)."""
        framing = self._head_bytes - self._body_bytes
        return framing > 2 * (self._limits.head_bytes + self._body_bytes)

    def on_message_begin(self) -> None:
        """A request begins, maybe behind another one."""
        if self._passed_over:
            return
        self.url = b""
        self.headers = []
        self._newest = None
        self._in_message = self._in_head = True
        self._head_size = 0
        self._read_by = self._sweep.after(self._limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self.url += url
        if len(self.url) > self._limits.line_bytes:
            raise Refused(414, "a target over the limit")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; those of trailers are dropped."""
        if not self._in_head:
            return
        self._head_size += len(name) + len(value) + 4
        if len(self.headers) >= self._limits.fields or self._head_size > self._limits.head_bytes:
            raise Refused(431, "a head over the limit")
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self._passed_over:
            self._passed_over = False
            return
        method = self.parser.get_method().decode("ascii")
        self.url, self.headers = settled(self.url, self.headers, self.scheme or "http")
        check_head(self.parser.get_http_version(), method, self.url, self.headers)
        self._check_length()
        self._in_head = False
        self._body_bytes = 0
        self._body_since = self._sweep.now
        self._read_by = self._sweep.after(self._limits.body_idle)
        scope = self._scopes.of_parsed(method, self.url, self.headers)
        self.scope = cast("Any", scope)
        if self._is_upgrade():
            self._check_upgrade()
            return
        self._passed_over = self.parser.should_upgrade()
        if self._passed_over and self._get_upgrade() != b"h2c":  # which may be passed over (RFC 9113 3.1)
            raise Refused(403, "an upgrade to something that is not spoken here")
        keep_alive = self._keeps and self.parser.should_keep_alive()
        expects = any(name == b"expect" for name, _ in self.headers)
        if not self._in_sips and is_long(self.headers):
            self._read_in_sips()
        self._newest = cycle = Cycle(self, scope, body=None, keep_alive=keep_alive, expects=expects)
        if self.cycle is None or self.cycle.response_complete:
            self._start(cycle)
        elif len(self._waiting) >= _MOST_WAITING:
            raise Refused(400, "too many requests at once")
        else:
            self._waiting.append(cycle)
            self.flow.pause_reading()

    def _read_in_sips(self) -> None:
        self._in_sips = True
        # uvloop looks at what it reads for when it begins to.
        if not self.flow.read_paused:
            self.transport.pause_reading()
        self.transport.set_protocol(Sips(self, self._watch.buffer))
        if not self.flow.read_paused:
            self.transport.resume_reading()

    def _is_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self._should_upgrade()

    def _check_upgrade(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            raise Refused(400, "an upgrade behind a request that is still being answered")
        if any(name in _FRAMES and value != b"0" for name, value in self.headers):
            raise Refused(400, "an upgrade with a body")

    def _check_length(self) -> None:
        limit = self._limits.body_bytes
        if limit is not None and any(name == b"content-length" and int(value) > limit for name, value in self.headers):
            raise Refused(413, "a body over the limit")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        self._read_by = self._sweep.after(self._limits.body_idle)
        limit, rate = self._limits.body_bytes, self._limits.body_rate
        if limit is not None and self._body_bytes > limit:
            raise Refused(413, "a body over the limit")
        seconds = self._sweep.now - self._body_since - self._limits.body_idle
        if rate is not None and seconds > 0 and self._body_bytes < rate * seconds:
            raise Refused(408, "a body slower than the least rate")
        if self._newest is not None and not self._newest.response_complete:
            self._newest.take(body)

    def on_message_complete(self) -> None:
        """The request is whole; what comes behind it waits for the answer."""
        if self._passed_over:
            return
        self._in_message = False
        self._in_head = True
        self._head_bytes = 0
        self._read_by = NEVER
        cycle = self._newest
        if cycle is not None:
            cycle.end()
            if cycle.response_complete:
                self._read_by = self._sweep.after(self._limits.keep_alive)

    def _upgrade(self, rest: bytes) -> None:
        if self._passed_over:
            self._read_on(rest)
            return
        if rest:
            self._refuse(400, "bytes behind a handshake that is not answered yet")
            return
        self._leave()
        self.connections.discard(self)
        make: Any = self.config.ws_protocol_class
        websocket = make(config=self.config, server_state=self.server_state, app_state=self.app_state)
        self.transport.set_protocol(websocket)
        websocket.begin(self.transport, self.scope)

    def _read_on(self, rest: bytes) -> None:
        """Behind the head of an upgrade that is passed over, which the parser takes for all of the request."""
        framing = [b": ".join(pair) + b"\r\n" for pair in self.headers if pair[0] in _FRAMES]
        self.parser = httptools.HttpRequestParser(self)
        self._parse(b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n" + rest)

    # How it ends

    def announce_end(self) -> None:
        """Let the next head of an answer say that the connection closes, and close it behind that answer.

        A client that is told so sends no request into a connection that is being closed.
        """
        self._keeps = False
        newest = self._waiting[-1] if self._waiting else self.cycle
        if newest is not None and not newest.response_started:
            newest.keep_alive = False

    def answered(self, cycle: Cycle) -> None:
        """An answer is complete: another request may be read, or the connection closes."""
        self.server_state.total_requests += 1
        if not cycle.keep_alive or (self._over and not self._last_words):
            self._part(reading=cycle.more_body)
            return
        self._read_by = NEVER if self._over else self._sweep.after(self._time_for_what_comes())
        if self._waiting:
            self._start(self._waiting.popleft())
        elif self._over:
            self.transport.write(self._last_words)
            self._part(reading=True)
        elif self._held:
            self.loop.call_soon(self._unhold)
        else:
            self.flow.resume_reading()

    def _time_for_what_comes(self) -> float:
        if not self._in_message:
            return self._limits.keep_alive
        return self._limits.head_seconds if self._in_head else self._limits.body_idle

    def _unhold(self) -> None:
        held, self._held = b"".join(self._held), []
        if held and not self.transport.is_closing():
            self.flow.resume_reading()
            self.data_received(held)

    def failed(self, cycle: Cycle, *, started: bool) -> None:
        """The app has ended without an answer, or in the midst of one, which nothing may hide."""
        if started:
            cycle.disconnect()
            self._close()
        else:
            self._refuse(500, "the app gave no answer")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer where nothing has been answered, and end the connection either way."""
        self._over = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if status != 500 and self._newest is not cycle:
                self._refuse_in_turn(refusal(status, reason))
                return
            cycle.disconnect()
            if cycle.response_started:
                self.transport.abort()
                return
        if not self.transport.is_closing():
            self.transport.write(refusal(status, reason))
        self._part(reading=status not in _TO_NOBODY)

    def _refuse_in_turn(self, words: bytes) -> None:
        """What cannot be served came behind others, which are answered first."""
        self._last_words = words
        self._read_by = NEVER
        if self._newest is not None and self._newest.more_body and self._newest in self._waiting:
            self._waiting.remove(self._newest)

    def _part(self, *, reading: bool) -> None:
        """Close, after some time of ``reading`` what a client may still be sending.

        Closing upon unread bytes is a reset, which takes an answer away from whoever has not read it (RFC 9112 9.6).
        """
        if not reading or self.transport.is_closing():
            self._close()
            return
        self._over = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._read_by = self._sweep.after(_GOODBYE)

    def _close(self) -> None:
        """Close when all that was written has left, and cut when that takes too long."""
        self.transport.close()
        self._read_by = self._sweep.after(self._limits.write_idle)
