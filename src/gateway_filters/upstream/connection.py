"""One connection: an ``asyncio.Protocol`` that feeds a parser and serves one exchange at a time.

Facts
- The connection belongs to the exchange that ``begin`` names until that one's answer has ended or either side
  gives up. What becomes of the pieces after that is the exchange's own affair.
- Any byte behind a message, in the same read or later, spoils the connection: it may be the answer to somebody
  else's question.
- Over TLS a FIN without a close_notify does not end a body (RFC 9112 9.8). Event loops differ in whether they
  call ``eof_received`` for it, so TLS itself is asked.
- A parser knows the connection and the connection its parser: forgetting it leaves nothing to the collector.
"""

import asyncio
import ssl
from abc import abstractmethod
from typing import Protocol, cast

import httptools

from gateway_filters.errors import UpstreamMalformed
from gateway_filters.upstream.parting import part
from gateway_filters.upstream.response_head import (
    MOST_BYTES,
    AnswerHead,
    WholeAnswer,
    check_reason,
    check_size,
    check_switch,
    ends_exactly,
    whole_answer,
    whole_chunk,
)
from gateway_filters.upstream.served import Served
from gateway_filters.upstream.tunnel import Tunnel

_SWITCHING = 101


class Keeper(Protocol):
    """Where connections are kept between exchanges."""

    name: str

    @abstractmethod
    def release(self, connection: "Connection") -> None:
        """It is free for another exchange."""

    @abstractmethod
    def forget(self, connection: "Connection") -> None:
        """It is closed or about to be; may be said more than once."""

    @abstractmethod
    def gone(self, connection: "Connection") -> None:
        """Its socket is closed."""


class Connection(asyncio.Protocol):
    """A connection to an upstream; ``reused`` once an exchange has ended on it."""

    __slots__ = (
        "_barren",
        "_between",
        "_ended",
        "_exchange",
        "_fields",
        "_head",
        "_keep",
        "_keeper",
        "_parser",
        "_piece",
        "_pieces",
        "_surplus",
        "_transport",
        "reused",
        "write_paused",
    )

    def __init__(self, keeper: Keeper) -> None:
        self.reused = False
        self.write_paused = False
        self._keeper = keeper
        self._exchange: Served | None = None
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._reset()

    def _reset(self) -> None:
        """What lives as long as one exchange."""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head: AnswerHead | None = None
        self._piece = b""
        self._pieces: list[bytes] = []  # of the read that is being parsed
        self._barren = 0  # bytes since the last piece of a body
        self._between = False  # whether the parser stands between two chunks, if the read ended with a line
        self._ended = False
        self._surplus = False
        self._keep = False

    @property
    def usable(self) -> bool:
        """Whether an exchange can begin here."""
        transport = self._transport
        return transport is not None and self._exchange is None and not transport.is_closing()

    def socket_number(self) -> int:
        """The socket's file descriptor, or -1."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        return -1 if sock is None else sock.fileno()

    # What an exchange does with it

    def begin(self, exchange: Served, data: bytes) -> None:
        """Serve ``exchange`` from now on and send ``data``; the connection must be usable."""
        self._exchange = exchange
        self.write(data)

    def write(self, data: bytes) -> None:
        """Send, or keep until it can be sent; what comes too late is dropped (uvloop would raise)."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause(self) -> None:
        """Read no more for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Close with the goodbye that TLS wants; what was written still leaves."""
        self._part()
        if self._transport is not None:
            part(self._transport)

    def cut(self, reason: str) -> None:
        """Close at once, and tell the exchange why."""
        self._lose(reason)

    def abort(self) -> None:
        """Close at once; the exchange, if there is one, knows."""
        self._part()
        if self._transport is not None:
            self._transport.abort()

    def _part(self) -> None:
        self._exchange = None
        self._keeper.forget(self)

    # What the loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, TLS included."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's for TLS is no subclass
        self._parser = self._new_parser()

    def _new_parser(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        # An interim answer may say "Connection: close" and means the last one; what follows that one is seen here.
        parser.set_dangerous_leniencies(lenient_keep_alive=True)
        return parser

    def data_received(self, data: bytes) -> None:
        """Feed the parser; bytes that nobody asked for close the connection."""
        if self._exchange is None or self._parser is None:
            self.abort()
            return
        if self._head is None:
            answer = whole_answer(data) if self._barren == 0 and not self._exchange.bodiless else None
            if answer is not None:
                self._answered(answer, self._exchange)
                return
        elif self._between:
            chunk = whole_chunk(data)
            if chunk is not None:
                self._exchange.take(chunk)
                return
        self._parse(data, self._parser)

    def _parse(self, data: bytes, parser: httptools.HttpResponseParser) -> None:
        self._barren += len(data)
        self._piece = b""
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if isinstance(error, httptools.HttpParserUpgrade) and self._fields:  # which _allow_switch has put there
                self._switch(data[error.args[0] :])
                return
            self._surplus = True
            self._hand_up()
            self._refuse(error.__context__ or error)
            return
        self._hand_up()
        # It may have read a part of what follows.
        self._between = self._between and data.endswith(b"\n")
        if self._exchange is None:
            return  # it has given up
        if self._ended:
            self._end(data)
        elif self._barren > MOST_BYTES:
            self._refuse(UpstreamMalformed(f"{MOST_BYTES} bytes and nothing to show for them"))

    def _hand_up(self) -> None:
        """What one read has brought of a body is one piece, in however many chunks it came."""
        pieces = self._pieces
        if pieces and self._exchange is not None:
            self._pieces = []
            self._exchange.take(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _answered(self, answer: WholeAnswer, exchange: Served) -> None:
        """All has come at once, and the parser has seen nothing of it."""
        if not exchange.uploaded or exchange.closes or self.write_paused:
            self.close() if exchange.uploaded else self.abort()
            exchange.whole(answer)
            return
        exchange.whole(answer)
        self._exchange = None
        self.reused = True
        self._keeper.release(self)

    def eof_received(self) -> None:
        """The other side says that it has ended."""
        if self._head is not None and self._head.until_close and _said_goodbye(self._transport):
            self._ended = True
            self._end(b"")
        else:
            self._lose("it closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lose("it closed the connection without a goodbye" if exc is None else f"{type(exc).__name__}: {exc}")
        self._transport = self._parser = None
        self._keeper.gone(self)

    def pause_writing(self) -> None:
        """The other side does not read as fast as we write."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self.write_paused = False
        if self._exchange is not None:
            self._exchange.writable()

    # What the parser says

    def on_message_begin(self) -> None:
        """A message begins; none may after the answer."""
        self._surplus = self._ended

    def on_status(self, reason: bytes) -> None:
        """A piece of a reason phrase."""
        check_reason(reason)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of a head, or of trailers, which are dropped."""
        self._fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """A head is complete; interim ones (RFC 9110 15.2) are passed over."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        fields, self._fields = self._fields, []
        if self._ended or self._exchange is None:
            return
        if 100 <= status < 200:
            if status == _SWITCHING:
                self._allow_switch(fields, self._exchange)
            return
        check_size(fields, self._barren)
        self._answer(status, fields, self._exchange)

    def _answer(self, status: int, fields: list[tuple[bytes, bytes]], exchange: Served) -> None:
        assert self._parser is not None
        self._keep = self._parser.should_keep_alive()
        # Without the field, only HTTP/1.1 is kept alive. The parser's way of telling the version is slow.
        plain = self._keep and not any(len(name) == 10 and name.lower() == b"connection" for name, _ in fields)
        version = "1.1" if plain else self._parser.get_http_version()
        self._head = AnswerHead(status, fields, bodiless=exchange.bodiless, version=version)
        self._ended = exchange.bodiless  # the parser would wait for the body
        exchange.answer(self._head)

    def _allow_switch(self, fields: list[tuple[bytes, bytes]], exchange: Served) -> None:
        check_size(fields, self._barren)
        check_switch(fields, exchange.switches if exchange.uploaded else frozenset())
        self._fields = fields

    def on_body(self, piece: bytes) -> None:
        """A piece of a body."""
        self._barren = 0
        self._piece = piece
        if self._ended or self._exchange is None:
            self._surplus = True
        else:
            self._pieces.append(piece)

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._between = False

    def on_chunk_complete(self) -> None:
        """A chunk is complete."""
        self._between = True

    def on_message_complete(self) -> None:
        """A message is complete; an interim one has no head here."""
        self._ended = self._head is not None

    # How an exchange ends

    def _switch(self, rest: bytes) -> None:
        exchange, transport = self._exchange, self._transport
        assert exchange is not None and transport is not None
        self._exchange = self._parser = None
        exchange.switch(self._fields, Tunnel(self._keeper.name, self, transport, rest))

    def _end(self, data: bytes) -> None:
        exchange, head = self._exchange, self._head
        assert exchange is not None and head is not None
        chunked = not head.until_close and any(name == b"transfer-encoding" for name, _ in head.headers)
        clean = (
            self._keep
            and not self._surplus
            and not exchange.closes
            and ends_exactly(data, self._piece, chunked=chunked)
        )
        if not (exchange.uploaded and clean) or self.write_paused:
            self.close() if exchange.uploaded else self.abort()
            exchange.finish()
            return
        exchange.finish()
        self._make_ready(exchange)
        self._keeper.release(self)

    def _make_ready(self, exchange: Served) -> None:
        self._exchange = None
        self.reused = True
        if exchange.bodiless:
            self._parser = self._new_parser()
        self._reset()

    def _refuse(self, error: BaseException) -> None:
        exchange = self._exchange
        ended = self._ended
        self.abort()
        if exchange is None:
            return
        if ended:
            exchange.finish()  # what follows a whole answer does not make it less whole
        else:
            exchange.malformed(str(error))

    def _lose(self, reason: str) -> None:
        exchange = self._exchange
        silent = self._barren == 0 and self._head is None
        self.abort()
        if exchange is not None:
            exchange.lost(reason, silent=silent)


def _said_goodbye(transport: asyncio.Transport | None) -> bool:
    """Whether a connection whose end has come was ended on purpose: over TLS, by a close_notify."""
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return tls.read(1) == b""
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False  # it would wait for more
