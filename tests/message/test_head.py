"""Heads: values that a change leaves alone, and that show neither header values nor queries."""

from collections.abc import Callable

import pytest

from gateway_filters.message.client import Client
from gateway_filters.message.head import Reply, RequestHead, ResponseHead
from gateway_filters.message.query import BARE

HIDDEN = b"sk-live-0123456789"


def request_head() -> RequestHead:
    """A head with every part filled, a secret in the header values and in the query."""
    return RequestHead(
        b"POST",
        b"/v1/chat",
        authority=b"client.example:8080",
        query=b"key=" + HIDDEN,
        headers=((b"accept", b"a"), (b"authorization", b"Bearer " + HIDDEN), (b"accept", b"b")),
        scheme=b"https",
    )


def response_head() -> ResponseHead:
    """A response head with a repeated header."""
    return ResponseHead(200, ((b"set-cookie", b"s=" + HIDDEN), (b"x", b"1"), (b"set-cookie", b"t=2")))


def _authority(head: RequestHead) -> bytes:
    return head.authority


def _path(head: RequestHead) -> bytes:
    return head.path


def _accepts(head: RequestHead) -> tuple[bytes, ...]:
    return head.values(b"accept")


Change = Callable[[RequestHead], RequestHead]
Part = Callable[[RequestHead], object]

CHANGES: dict[str, tuple[Change, Part, object]] = {
    "another path": (lambda head: head.with_path(b"/x"), _path, b"/x"),
    "another Host": (lambda head: head.with_authority(b"up"), _authority, b"up"),
    "an empty Host": (lambda head: head.with_authority(b""), _authority, b""),
    "no headers at all": (lambda head: head.with_headers(()), _accepts, ()),
    "exactly one header": (lambda head: head.with_header(b"accept", b"c"), _accepts, (b"c",)),
    "without a header": (lambda head: head.without_header(b"accept"), _accepts, ()),
}


@pytest.mark.parametrize(("change", "part", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_gives_another_request_head(change: Change, part: Part, expected: object) -> None:
    """A change gives a new head with that part changed; the original and all other parts stay."""
    head = request_head()
    changed = change(head)
    assert part(changed) == expected
    assert changed is not head and changed != head
    assert head == request_head()
    assert (changed.method, changed.query, changed.scheme) == (head.method, head.query, head.scheme)
    assert changed.with_path(head.path).with_authority(head.authority).with_headers(head.headers) == head


KEEPING: dict[str, Change] = {
    "another method": lambda head: head.with_method(b"PUT"),
    "another path": lambda head: head.with_path(b"/w"),
    "another Host": lambda head: head.with_authority(b"a"),
    "another query": lambda head: head.with_query(b""),
    "another header": lambda head: head.with_header(b"x", b"1"),
    "a header less": lambda head: head.without_header(b"accept"),
}


@pytest.mark.parametrize("change", KEEPING.values(), ids=KEEPING)
def test_what_is_known_of_a_request_stays_known(change: Change) -> None:
    """Who sends it, and which credentials were put on and may not come back in an answer."""
    client = Client(name="who")
    known = request_head().with_client(client).with_credential(b"authorization", b"key", frozenset({b"authorization"}))
    assert (change(known).client, change(known).injected) == (client, (b"key",))
    assert change(known) != known


def test_a_header_can_be_dropped_with_others() -> None:
    """Several names go at once and the rest keeps its order."""
    assert request_head().without_header(b"accept", b"absent").headers == ((b"authorization", b"Bearer " + HIDDEN),)


def test_request_headers_are_read_in_order() -> None:
    """All values of a name come in order, the first is the first, an absent name has none."""
    head = request_head()
    assert head.values(b"accept") == (b"a", b"b")
    assert head.first(b"accept") == b"a"
    assert head.first(b"absent") is None and head.values(b"absent") == ()


@pytest.mark.parametrize(
    ("query", "target"),
    [
        pytest.param(b"", b"/v1/a%2Fb", id="without a query there is no question mark"),
        pytest.param(BARE, b"/v1/a%2Fb?", id="a mark alone is kept"),
        pytest.param(b"a=1&b=%20", b"/v1/a%2Fb?a=1&b=%20", id="a query follows its mark, byte for byte"),
    ],
)
def test_the_target_is_path_and_query(query: bytes, target: bytes) -> None:
    """The request target is the raw path and the raw query."""
    assert RequestHead(b"GET", b"/v1/a%2Fb", query=query).target == target


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(RequestHead(b"PUT", b"/a"), id="another method"),
        pytest.param(RequestHead(b"GET", b"/b"), id="another path"),
        pytest.param(RequestHead(b"GET", b"/a", authority=b"h"), id="another Host"),
        pytest.param(RequestHead(b"GET", b"/a", query=b"q"), id="another query"),
        pytest.param(RequestHead(b"GET", b"/a", headers=((b"a", b"1"),)), id="other headers"),
        pytest.param(RequestHead(b"GET", b"/a", scheme=b"https"), id="another scheme"),
        pytest.param(ResponseHead(200), id="a head of another kind"),
    ],
)
def test_request_heads_are_equal_by_all_parts(other: object) -> None:
    """Heads are equal when all of their parts are, and then hash alike."""
    head = RequestHead(b"GET", b"/a")
    assert head != other
    assert head == RequestHead(b"GET", b"/a") and hash(head) == hash(RequestHead(b"GET", b"/a"))


def test_the_order_of_headers_counts_for_equality() -> None:
    """Two heads with the same fields in another order are different messages."""
    one, two = (b"a", b"1"), (b"a", b"2")
    assert RequestHead(b"GET", b"/", headers=(one, two)) != RequestHead(b"GET", b"/", headers=(two, one))


def test_a_response_head_changes_into_another() -> None:
    """A change of a response head gives a new one; the original stays."""
    head = response_head()
    assert head.values(b"set-cookie") == (b"s=" + HIDDEN, b"t=2")
    assert head.with_header(b"set-cookie", b"u").values(b"set-cookie") == (b"u",)
    assert head.without_header(b"set-cookie") == ResponseHead(200, ((b"x", b"1"),))
    assert head.with_headers(()) == ResponseHead(200)
    assert head == response_head() and hash(head) == hash(response_head())
    assert head != ResponseHead(201, head.headers) and head != head.headers


def test_a_reply_is_a_head_and_a_body() -> None:
    """Replies are equal when status, headers and body are."""
    reply = Reply(200, ((b"a", b"1"),), b"body")
    assert reply.head == ResponseHead(200, ((b"a", b"1"),)) and reply.body == b"body"
    assert reply == Reply(200, ((b"a", b"1"),), b"body") and hash(reply) == hash(Reply(200, ((b"a", b"1"),), b"body"))
    assert reply != Reply(200, ((b"a", b"1"),), b"other") and reply != Reply(201, ((b"a", b"1"),), b"body")
    assert reply != b"body"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(request_head(), ("POST", "/v1/chat", "client.example:8080", "authorization"), id="a request head"),
        pytest.param(response_head(), ("200", "set-cookie"), id="a response head"),
        pytest.param(Reply(418, ((b"x", HIDDEN),), HIDDEN), ("418", "18 bytes"), id="a reply"),
    ],
)
def test_no_repr_shows_values(value: object, shown: tuple[str, ...]) -> None:
    """A repr shows what the message is about, never a header's value, the query or the body."""
    for text in (repr(value), str(value), f"{value}"):
        assert HIDDEN.decode() not in text and "key=" not in text
        assert all(part in text for part in shown)
