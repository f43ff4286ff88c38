"""Parameters of a raw query: found decoded, taken out without touching the others."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.message.query import first_parameter, without_parameters


@pytest.mark.parametrize(
    ("query", "value", "rest"),
    [
        pytest.param(b"", None, b"", id="no query"),
        pytest.param(b"key=a", b"a", b"", id="alone"),
        pytest.param(b"x=1&key=a&y=2", b"a", b"x=1&y=2", id="among others"),
        pytest.param(b"key=a&x=%7e+&key=b", b"a", b"x=%7e+", id="twice"),
        pytest.param(b"%6Bey=a%20b+c", b"a b c", b"", id="encoded"),
        pytest.param(b"key", b"", b"", id="without a value"),
        pytest.param(b"key=", b"", b"", id="with an empty value"),
        pytest.param(b"key=a=b", b"a=b", b"", id="an equals sign in the value"),
        pytest.param(b"Key=a", None, b"Key=a", id="another case"),
        pytest.param(b"xkey=a&keyx=b", None, b"xkey=a&keyx=b", id="names that are longer"),
        pytest.param(b"&&x=1&", None, b"&&x=1&", id="nothing between ampersands"),
        pytest.param(b"k%zzey=a&key%=b", None, b"k%zzey=a&key%=b", id="escapes that are none"),
    ],
)
def test_a_parameter(query: bytes, value: bytes | None, rest: bytes) -> None:
    """The first of the name counts, and all of them go."""
    assert first_parameter(query, b"key") == value
    assert without_parameters(query, {b"key"}) == rest


@settings(derandomize=True, max_examples=300)
@given(st.lists(st.sampled_from([b"key=1", b"%6bey=2", b"a=1", b"", b"=", b"b", b"k%65y"]), max_size=6))
def test_what_is_taken_out_is_gone_and_nothing_else(parts: list[bytes]) -> None:
    """Afterwards there is no such parameter, and the others stand in their order."""
    rest = without_parameters(b"&".join(parts), {b"key"})
    assert first_parameter(rest, b"key") is None
    assert rest == b"&".join(each for each in parts if each in (b"a=1", b"", b"=", b"b"))
