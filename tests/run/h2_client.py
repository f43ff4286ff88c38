"""A client of HTTP/2 on the ``h2`` library and a plain socket: any number of streams, read when asked."""

# pyright: reportPrivateUsage=false

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@dataclass
class Answer:
    """What came on a stream."""

    head: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    body: bytes = b""
    trailers: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        """The status."""
        return int(self.head[b":status"])


class Client:
    """One connection; ``goaways`` are the last streams that the server named as such."""

    def __init__(self, sock: socket.socket, scheme: bytes) -> None:
        self.answers: dict[int, Answer] = {}
        self.goaways: list[int] = []
        self.connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        # To h2 the first GOAWAY is the end; to RFC 9113 (6.8) streams up to the last one named go on.
        machine = self.connection.state_machine
        states = (ConnectionState.IDLE, ConnectionState.CLIENT_OPEN)
        said = {(state, ConnectionInputs.RECV_GOAWAY): (None, state) for state in states}
        machine._transitions = {**machine._transitions, **said}
        self.connection.initiate_connection()
        self._sock = sock
        self._scheme = scheme
        self.flush()

    def ask(
        self,
        path: str = "/",
        *,
        host: str = "gateway",
        method: str = "GET",
        body: bool = False,
        more: tuple[tuple[bytes, bytes], ...] = (),
    ) -> int:
        """Send a head, with ``more`` fields; gives its stream, which is open for a ``body``."""
        stream = self.connection.get_next_available_stream_id()
        pseudo = [(b":method", method.encode()), (b":scheme", self._scheme), (b":authority", host.encode())]
        self.connection.send_headers(stream, [*pseudo, (b":path", path.encode()), *more], end_stream=not body)
        self.answers[stream] = Answer()
        self.flush()
        return stream

    def get(self, path: str = "/", *, host: str = "gateway") -> Answer:
        """The whole answer to one request."""
        return self.answer(self.ask(path, host=host))

    def answer(self, stream: int) -> Answer:
        """The answer on a stream, whole or reset."""
        answer = self.answers[stream]
        while not answer.ended and answer.reset is None:
            self.read()
        return answer

    def reset(self, stream: int) -> None:
        """Give a stream up."""
        self.connection.reset_stream(stream, 8)
        self.flush()

    def read(self) -> bool:
        """Take what has come; False at the end of the connection."""
        data = self._sock.recv(65_536)
        for event in self.connection.receive_data(data):
            self._note(event)
        self.flush()
        return bool(data)

    def read_for(self, seconds: float) -> None:
        """Take what comes within so many seconds, if anything does."""
        patience = self._sock.gettimeout()
        self._sock.settimeout(seconds)
        try:
            self.read()
        except TimeoutError:
            return
        finally:
            self._sock.settimeout(patience)

    def flush(self) -> None:
        """Send what is to be sent."""
        self._sock.sendall(self.connection.data_to_send())

    def _note(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            self.answers[event.stream_id].head = {bytes(name): bytes(value) for name, value in event.headers}
        elif isinstance(event, TrailersReceived):
            self.answers[event.stream_id].trailers = {bytes(name): bytes(value) for name, value in event.headers}
        elif isinstance(event, DataReceived):
            self.answers[event.stream_id].body += event.data
            self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self.answers[event.stream_id].ended = True
        elif isinstance(event, StreamReset):
            self.answers[event.stream_id].reset = int(event.error_code)
        elif isinstance(event, ConnectionTerminated):
            self.goaways.append(event.last_stream_id or 0)


@contextmanager
def speaking(port: int, context: ssl.SSLContext | None = None, name: str | None = None) -> Generator[Client]:
    """A client with prior knowledge, or, with a context, over TLS to the host ``name``."""
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        if context is None:
            yield Client(plain, b"http")
            return
        with context.wrap_socket(plain, server_hostname=name) as secured:
            assert secured.selected_alpn_protocol() == "h2"
            yield Client(secured, b"https")
