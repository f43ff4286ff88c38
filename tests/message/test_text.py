"""Text at the edge: what configuration may say, and what it becomes in bytes."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.errors import ConfigurationError
from gateway_filters.message.text import authority, field_value, header_name, path, settle, token

QUICK = settings(derandomize=True, max_examples=50)
Reader = Callable[[str, str], bytes]


def _name(value: str, what: str) -> bytes:
    return header_name(value)


@pytest.mark.parametrize(
    ("reader", "text", "raw"),
    [
        pytest.param(token, "GET", b"GET", id="a method is a token in its own case"),
        pytest.param(token, "!#$%&'*+-.^_`|~09azAZ", b"!#$%&'*+-.^_`|~09azAZ", id="every token character passes"),
        pytest.param(_name, "X-Api-Key", b"x-api-key", id="a header name is lowered"),
        pytest.param(field_value, "Bearer a b\tc", b"Bearer a b\tc", id="blanks and tabs inside a value stay"),
        pytest.param(field_value, "", b"", id="a value may be empty"),
        pytest.param(field_value, "x", b"x", id="a value may be one character"),
        pytest.param(path, "/", b"/", id="a path may be a slash"),
        pytest.param(path, "/a%2Fb/%E4%BD%A0", b"/a%2Fb/%E4%BD%A0", id="escapes in a path stay"),
        pytest.param(path, "/a:b;c=d,e@f!$&'()*+~", b"/a:b;c=d,e@f!$&'()*+~", id="a path holds every path character"),
        pytest.param(authority, "example.com", b"example.com", id="an authority is a host name"),
        pytest.param(authority, "example.com:8443", b"example.com:8443", id="an authority may have a port"),
        pytest.param(authority, "10.0.0.1:80", b"10.0.0.1:80", id="an authority may be an IPv4 address"),
        pytest.param(authority, "a" * 255 + ":80", b"a" * 255 + b":80", id="an authority's name may be long"),
        pytest.param(authority, "[2001:db8::1]:80", b"[2001:db8::1]:80", id="an authority may be an IPv6 address"),
    ],
)
def test_good_text_becomes_bytes(reader: Reader, text: str, raw: bytes) -> None:
    """Text that HTTP can carry becomes its bytes."""
    assert reader(text, "thing") == raw


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        pytest.param(token, "", id="an empty token is none"),
        pytest.param(token, "GE T", id="a token has no blank"),
        pytest.param(token, "GET\n", id="a token has no line end behind it"),
        pytest.param(token, "GÉT", id="a token is ASCII"),
        pytest.param(_name, "", id="a header name is not empty"),
        pytest.param(_name, "x:", id="a header name has no colon"),
        pytest.param(_name, "x y", id="a header name has no blank"),
        pytest.param(_name, "x\r\ny", id="a header name has no line end"),
        pytest.param(_name, "x\0", id="a header name has no NUL"),
        pytest.param(_name, "İ", id="a header name is ASCII before it is lowered"),
        pytest.param(_name, "\u212a", id="a Kelvin sign is no K"),
        pytest.param(field_value, " x", id="a value has no blank before it"),
        pytest.param(field_value, "x\t", id="a value has no tab after it"),
        pytest.param(field_value, " ", id="a blank is no value"),
        pytest.param(field_value, "x\r\ny: z", id="a value has no line end inside"),
        pytest.param(field_value, "x\n", id="a value has no line end behind it"),
        pytest.param(field_value, "x\ry", id="a value has no bare carriage return"),
        pytest.param(field_value, "x\0y", id="a value has no NUL"),
        pytest.param(field_value, "x\x7fy", id="a value has no DEL"),
        pytest.param(field_value, "é", id="a value is ASCII"),
        pytest.param(field_value, "\udcff", id="a value has no surrogate"),
        pytest.param(path, "", id="a path is not empty"),
        pytest.param(path, "v1", id="a path begins with a slash"),
        pytest.param(path, "http://h/", id="a path is no URL"),
        pytest.param(path, "/a?b", id="a path has no query"),
        pytest.param(path, "/a#b", id="a path has no fragment"),
        pytest.param(path, "/a b", id="a path has no blank"),
        pytest.param(path, "/a\r\nb", id="a path has no line end"),
        pytest.param(path, "/a\n", id="a path has no line end behind it"),
        pytest.param(path, "/你", id="a path is ASCII"),
        pytest.param(authority, "", id="an authority is not empty"),
        pytest.param(authority, "a b", id="an authority has no blank"),
        pytest.param(authority, "a/b", id="an authority has no path"),
        pytest.param(authority, "user@host", id="an authority has no user"),
        pytest.param(authority, "https://host", id="an authority has no scheme"),
        pytest.param(authority, "host:", id="an authority's port is not empty"),
        pytest.param(authority, "host:http", id="an authority's port is a number"),
        pytest.param(authority, "host:123456", id="an authority's port has at most five digits"),
        pytest.param(authority, "[:::1]", id="what stands in brackets is an address"),
        pytest.param(authority, "[1.2.3.4]", id="an address of IPv4 does not stand in brackets"),
        pytest.param(authority, "a" * 256, id="an authority's name has at most 255 characters"),
        pytest.param(authority, "::1", id="an IPv6 address stands in brackets"),
        pytest.param(authority, "host\n", id="an authority has no line end behind it"),
        pytest.param(authority, "bücher.example", id="an authority is ASCII"),
    ],
)
def test_bad_text_is_refused(reader: Reader, text: str) -> None:
    """Text that HTTP cannot carry raises ConfigurationError where it is configured."""
    with pytest.raises(ConfigurationError):
        reader(text, "thing")


@pytest.mark.parametrize("reader", [token, field_value, path, authority])
def test_a_refusal_names_the_thing(reader: Reader) -> None:
    """The error says in its sentence what was refused."""
    with pytest.raises(ConfigurationError, match="the thing in question"):
        reader("\n", "the thing in question")


@QUICK
@given(text=st.text(st.sampled_from("aZ09-/: \t\r\n\0\x7fé?#%[]@"), max_size=6))
@pytest.mark.parametrize("reader", [token, _name, field_value, path, authority])
def test_no_text_puts_a_control_byte_on_the_wire(reader: Reader, text: str) -> None:
    """Whatever the text, it is refused or becomes printable ASCII of the same length."""
    try:
        raw = reader(text, "thing")
    except ConfigurationError:
        return
    assert len(raw) == len(text)
    assert all(0x20 <= byte < 0x7F or byte == 0x09 for byte in raw)


@dataclass(frozen=True, slots=True)
class _Settled:
    text: str
    raw: bytes = field(init=False)

    def __post_init__(self) -> None:
        settle(self, raw=self.text.encode())


def test_settle_fills_derived_fields_of_a_frozen_value() -> None:
    """A derived field is filled while the value is built; afterwards the value is frozen."""
    settled = _Settled("x")
    assert settled.raw == b"x"
    with pytest.raises(FrozenInstanceError):
        settled.raw = b"y"  # pyright: ignore[reportAttributeAccessIssue]
