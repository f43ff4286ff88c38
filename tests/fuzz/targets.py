"""What any bytes must not bring about: a target takes bytes, and raises where something does not hold."""

import re
from collections.abc import Callable
from pathlib import Path

from gateway_filters.asgi.ingress import ingress_head
from gateway_filters.asgi.scope import request_head
from gateway_filters.errors import BadRequest, ClientError, ManifestError, UpstreamMalformed
from gateway_filters.filters import CredentialInjection
from gateway_filters.gateway_api.documents import cut, read_documents
from gateway_filters.gateway_api.objects import objects_in
from gateway_filters.message.canonical import canonical_path
from gateway_filters.secrets import MemorySecret
from gateway_filters.upstream.connection import Connection
from gateway_filters.upstream.outgoing import forwarded
from gateway_filters.upstream.response_head import AnswerHead, Fields, WholeAnswer
from gateway_filters.upstream.tunnel import Tunnel

# Written from RFC 3986 and the page on hardening, not from the code.
_PATH = re.compile(rb"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/\[\]]|%(?!00|2[fF]|5[cC])[0-9A-Fa-f]{2}|%(?![0-9A-Fa-f]{2}))*")
_UNSENT = re.compile(rb"/(?:\.|\.\.)(?:;[^/]*)?(?:/|\Z)|//")
_CREDENTIAL = b"Bearer of-the-gateway"
_INJECTION = CredentialInjection(MemorySecret(_CREDENTIAL.decode()), overwrite=True)
_CLIENTS = {b"authorization", b"proxy-authorization", b"cookie", b"x-api-key", b"api-key", b"x-goog-api-key"}
_HOPS = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
_CLAIMS = (b"x-forwarded-", b"forwarded", b"x-real-ip")
_FRAME = {b"content-length", b"host", b"transfer-encoding"}


def path(data: bytes) -> None:
    """A path is refused or gets one form: canonical, within its root, and the same when it is made again."""
    try:
        made = canonical_path(data)
    except BadRequest:
        return
    assert _PATH.fullmatch(made), made
    assert not _UNSENT.search(made), made
    assert canonical_path(made) == made, made


def hygiene(data: bytes) -> None:
    """What leaves has one Host and one credential, ours, and of the client what is nobody else's business."""
    target, *lines = data.split(b"\n")
    fields = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in lines)]
    scope = {"type": "http", "method": "GET", "raw_path": target, "path": "/", "headers": fields, "scheme": "http"}
    try:
        head = _INJECTION.on_request(ingress_head(request_head(scope)))
        assert head is not None and hasattr(head, "headers")
        sent, _ = forwarded(head)  # pyright: ignore[reportArgumentType] - an injection answers nothing itself
    except ClientError:
        return
    names = [name for name, _ in sent]
    assert names.count(b"authorization") == 1 and (b"authorization", _CREDENTIAL) in sent, sent
    assert names.count(b"host") <= 1, sent
    nominated = {
        part.strip(b" \t").lower() for name, value in fields if name == b"connection" for part in value.split(b",")
    }
    gone = (nominated - _FRAME - {b""}) | _CLIENTS | _HOPS | {b"host"}
    fields = [(name, value.strip(b" \t")) for name, value in fields]
    kept = [(name, value) for name, value in fields if name not in gone and not name.startswith(_CLAIMS)]
    assert [pair for pair in sent if pair[0] not in (b"host", b"authorization")] == kept, sent


def answer(data: bytes) -> None:
    """An answer means the same however it is cut, ends once at most, and leaves no connection with bytes behind it."""
    if not data:
        return
    size, wire = data[0] % 16 + 1, data[1:]
    together, apart = _Exchange(), _Exchange()
    together.hear([wire])
    apart.hear([wire[at : at + size] for at in range(0, len(wire), size)])
    assert together.told() == apart.told(), (together.told(), apart.told())
    if not (together.usable or apart.usable):
        return
    for behind in (b"x", b"\r\n", wire):
        more = _Exchange()
        more.hear([wire + behind])
        assert not more.usable, behind


def manifests(data: bytes) -> None:
    """A file is read or refused, in one sentence that names it."""
    try:
        for chunk in cut("any.yaml", data):
            for document in read_documents(chunk):
                for each in objects_in(document, None):
                    each.document.place()
    except ManifestError as error:
        said = str(error)
        assert "any.yaml" in said and said.isprintable(), said


class _Transport:
    """Takes what is written."""

    def __init__(self) -> None:
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        del data

    def close(self) -> None:
        self.closed = True

    abort = close

    def get_extra_info(self, name: str) -> None:
        del name

    def pause_reading(self) -> None:
        """Nothing is read."""

    resume_reading = pause_reading


class _Keeper:
    name = "an upstream"

    def __init__(self) -> None:
        self.released = 0

    def release(self, connection: Connection) -> None:
        self.released += 1

    def forget(self, connection: Connection) -> None:
        """It is counted when it is released."""

    gone = forget


class _Exchange:
    """What a connection says of an answer."""

    bodiless = False
    closes = False
    switches = frozenset[bytes]()
    uploaded = True

    def __init__(self) -> None:
        self.status = 0
        self.headers: Fields = ()
        self.body = b""
        self.ends: list[str] = []
        self._keeper = _Keeper()
        self._connection = Connection(self._keeper)
        self._transport = _Transport()

    @property
    def usable(self) -> bool:
        """Whether somebody else may use the connection."""
        return self._keeper.released > 0 and not self._transport.closed

    def hear(self, pieces: list[bytes]) -> None:
        """Get so many pieces, and then the end."""
        self._connection.connection_made(self._transport)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        self._connection.begin(self, b"")
        for piece in pieces:
            if piece and not self._transport.closed:
                self._connection.data_received(piece)
        assert len(self.ends) <= 1, self.ends

    def told(self) -> tuple[object, ...]:
        """What counts; a body that is not whole may have come a little further in one piece than in others."""
        body = self.body if self.ends == ["whole"] else b""
        return self.ends, self.status if self.ends == ["whole"] else 0, self.headers if body else (), body

    def answer(self, head: AnswerHead) -> None:
        self.status, self.headers = head.status, head.headers

    def whole(self, answer: WholeAnswer) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, answer.body
        self.ends.append("whole")

    def switch(self, fields: Fields, tunnel: Tunnel) -> None:
        raise AssertionError("nobody asked for a switch")

    def take(self, piece: bytes) -> None:
        assert not self.ends
        self.body += piece

    def finish(self) -> None:
        self.ends.append("whole")

    def malformed(self, reason: str) -> None:
        assert issubclass(UpstreamMalformed, Exception) and reason
        self.ends.append("malformed")

    def lost(self, reason: str, *, silent: bool) -> None:
        self.ends.append("lost")

    def writable(self) -> None:
        """Nothing waits to be written."""


def everything(data: bytes) -> None:
    """One target or another, as the first byte says: a short search starts one process."""
    if data:
        tuple(TARGETS.values())[data[0] % len(TARGETS)](data[1:])


TARGETS: dict[str, Callable[[bytes], None]] = {
    "path": path,
    "hygiene": hygiene,
    "answer": answer,
    "manifests": manifests,
}
"""By name."""

_OK = b"HTTP/1.1 200 OK\r\n"
_MANIFESTS = Path(__file__).parents[2] / "reference_app/manifests"
SEEDS: dict[str, tuple[bytes, ...]] = {
    "path": (b"/v1/chat/completions", b"/a/../b", b"/%2e%2E;x/%2f", b"//a/./", b"/%%34%31", b"\\..\\", b"/%zz%7e"),
    "hygiene": (
        b"/v1\nhost:a.example\nconnection:authorization, x-a\nx-a:b\nauthorization:Bearer c\ncookie:d",
        b"/\nhost:a\nhost:b\nx-forwarded-for:c\nforwarded:d\nte:trailers\ncontent-length:0",
        b"/v1/\ntransfer-encoding:chunked\ncontent-length:5\nx-real-ip:1\nproxy-connection:x",
    ),
    "answer": (
        b"\x00" + _OK + b"Content-Length: 5\r\n\r\nhello",
        b"\x03" + _OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
        b"\x05HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + _OK + b"Content-Length: 0\r\n\r\nmore",
        b"\x07HTTP/1.0 204 No Content\r\nConnection: keep-alive\r\n\r\n",
        b"\x01" + _OK + b"\r\nuntil the end",
    ),
    "manifests": tuple(each.read_bytes() for each in sorted(_MANIFESTS.glob("*.yaml"))),
}
"""What a search begins with."""
