"""Header modifiers: set, add and remove, on requests and on responses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import RequestHeaderModifier, ResponseHeaderModifier
from gateway_filters.message.head import RequestHead, ResponseHead
from gateway_filters.message.headers import Headers

QUICK = settings(derandomize=True, max_examples=50)
Pairs = tuple[tuple[str, str], ...]
Modifier = RequestHeaderModifier | ResponseHeaderModifier

MODIFIERS = pytest.mark.parametrize("kind", [RequestHeaderModifier, ResponseHeaderModifier])
BEFORE: Headers = ((b"a", b"1"), (b"b", b"x"), (b"a", b"2"), (b"c", b"y"))


def _changed(modifier: Modifier, headers: Headers) -> Headers:
    if isinstance(modifier, RequestHeaderModifier):
        head = RequestHead(b"GET", b"/p", authority=b"h", query=b"q", headers=headers)
        after = modifier.on_request(head)
        assert after.with_headers(headers) == head
        return after.headers
    response = modifier.on_response(ResponseHead(204, headers), RequestHead(b"GET", b"/"))
    assert response.status == 204
    return response.headers


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


@MODIFIERS
@pytest.mark.parametrize(
    ("set_", "add", "remove", "after"),
    [
        pytest.param((), (), (), {b"a": [b"1", b"2"], b"b": [b"x"]}, id="no action changes nothing"),
        pytest.param((("a", "9"),), (), (), {b"a": [b"9"]}, id="set replaces all values"),
        pytest.param((("new", "9"),), (), (), {b"new": [b"9"]}, id="set creates"),
        pytest.param((("a", ""),), (), (), {b"a": [b""]}, id="set may empty a header"),
        pytest.param((), (("a", "9"),), (), {b"a": [b"1", b"2", b"9"]}, id="add goes behind what is there"),
        pytest.param((), (("new", "9"),), (), {b"new": [b"9"]}, id="add creates"),
        pytest.param((), (("b", "x"),), (), {b"b": [b"x", b"x"]}, id="add repeats an equal value"),
        pytest.param((), (("b", "y,z"),), (), {b"b": [b"x", b"y,z"]}, id="several values stay joined by their comma"),
        pytest.param((), (("b", "1"), ("B", "2")), (), {b"b": [b"x", b"1", b"2"]}, id="add may name a header twice"),
        pytest.param((), (), ("a",), {b"a": []}, id="remove drops all values"),
        pytest.param((), (), ("absent",), {b"absent": []}, id="removing what is absent changes nothing"),
        pytest.param((), (), ("A", "a"), {b"a": []}, id="remove may name a header twice"),
        pytest.param((("A", "9"),), (("B", "z"),), ("C",), {b"a": [b"9"], b"b": [b"x", b"z"], b"c": []}, id="any case"),
        pytest.param((("X-New", "v"),), (), (), {b"x-new": [b"v"]}, id="a name goes out in lower case"),
    ],
)
def test_headers_are_set_added_and_removed(
    kind: type[Modifier], set_: Pairs, add: Pairs, remove: tuple[str, ...], after: dict[bytes, list[bytes]]
) -> None:
    """Set replaces, add appends, remove drops, names without regard to case; other headers stay in order."""
    headers = _changed(kind(set=set_, add=add, remove=remove), BEFORE)
    assert {name: _values(headers, name) for name in after} == after
    assert [pair for pair in headers if pair[0] not in after] == [pair for pair in BEFORE if pair[0] not in after]


@MODIFIERS
def test_mappings_say_the_same_as_pairs(kind: type[Modifier]) -> None:
    """Set and add take mappings as well as pairs, to the same filter."""
    assert kind(set={"a": "1", "b": "2"}, add={"c": "3"}) == kind(set=(("a", "1"), ("b", "2")), add=(("c", "3"),))
    assert _changed(kind(set={"a": "1"}, add={"b": "2"}), ()) == ((b"a", b"1"), (b"b", b"2"))


@MODIFIERS
def test_a_changed_mapping_changes_no_filter(kind: type[Modifier]) -> None:
    """A filter keeps what it was built with, whatever becomes of the mapping."""
    given_ = {"a": "1"}
    modifier = kind(set=given_)
    given_["a"] = "2"
    assert modifier == kind(set={"a": "1"})


def test_each_modifier_has_its_direction() -> None:
    """A request modifier leaves responses alone and a response modifier requests."""
    request, response = RequestHead(b"GET", b"/", headers=BEFORE), ResponseHead(200, BEFORE)
    assert RequestHeaderModifier(remove=("a",)).on_response(response, request) == response
    assert ResponseHeaderModifier(remove=("a",)).on_request(request) == request


@MODIFIERS
@pytest.mark.parametrize(
    ("set_", "add", "remove"),
    [
        pytest.param((("a", "1"),), (("a", "2"),), (), id="set and add"),
        pytest.param((("a", "1"),), (), ("a",), id="set and remove"),
        pytest.param((), (("a", "1"),), ("a",), id="add and remove"),
        pytest.param((("X-A", "1"),), (("x-a", "2"),), (), id="set and add in different case"),
        pytest.param((("x-a", "1"),), (), ("X-A",), id="set and remove in different case"),
        pytest.param((), (("x-A", "1"),), ("X-a",), id="add and remove in different case"),
        pytest.param((("a", "1"), ("A", "2")), (), (), id="set twice"),
    ],
)
def test_one_header_has_one_action(kind: type[Modifier], set_: Pairs, add: Pairs, remove: tuple[str, ...]) -> None:
    """A header that stands in two actions is invalid configuration, in any case of its letters."""
    with pytest.raises(ConfigurationError, match=r"(?i)header '(x-)?a'"):
        kind(set=set_, add=add, remove=remove)


FRAME = ["Host", "content-length", "Connection", "keep-alive", "proxy-connection", "TE", "Trailer"]


@MODIFIERS
@pytest.mark.parametrize("name", [*FRAME, "Transfer-Encoding", "upgrade"], ids=lambda name: f"{name} is no business")
def test_the_message_frame_is_refused(kind: type[Modifier], name: str) -> None:
    """Host, Content-Length and hop-by-hop headers are not for a header filter, in any action."""
    for build in (lambda: kind(set={name: "1"}), lambda: kind(add={name: "1"}), lambda: kind(remove=(name,))):
        with pytest.raises(ConfigurationError, match=name):
            build()


@MODIFIERS
@pytest.mark.parametrize("name", ["", "x y", "x:", "x\r\ny", "x\0", "é", ":path"])
def test_a_bad_name_is_refused(kind: type[Modifier], name: str) -> None:
    """What is no header name is refused in any action when the filter is built."""
    for build in (lambda: kind(set={name: "1"}), lambda: kind(add={name: "1"}), lambda: kind(remove=(name,))):
        with pytest.raises(ConfigurationError):
            build()


@MODIFIERS
@pytest.mark.parametrize("value", ["a\r\nx: y", "a\n", "\na", "a\rb", "a\0b", " a", "a ", "é"])
def test_a_bad_value_is_refused(kind: type[Modifier], value: str) -> None:
    """A value that would split or spoil a message is refused when the filter is built, and its header named."""
    for build in (lambda: kind(set={"x-a": value}), lambda: kind(add={"x-a": value})):
        with pytest.raises(ConfigurationError, match="x-a"):
            build()


NAME = st.sampled_from(["a", "b", "c", "d"])
HEADERS = st.lists(st.tuples(NAME.map(str.encode), st.sampled_from([b"", b"1", b"2"])), max_size=6).map(tuple)


@QUICK
@given(headers=HEADERS, names=st.permutations(["a", "b", "c"]))
def test_the_three_actions_do_not_meet(headers: Headers, names: list[str]) -> None:
    """Whatever is there, each action has its effect on its own name and none on the others."""
    replaced, added, removed = names
    after = _changed(RequestHeaderModifier(set={replaced: "s"}, add={added: "n"}, remove=(removed,)), headers)
    assert _values(after, replaced.encode()) == [b"s"]
    assert _values(after, added.encode()) == [*_values(headers, added.encode()), b"n"]
    assert _values(after, removed.encode()) == []
    assert _values(after, b"d") == _values(headers, b"d")
