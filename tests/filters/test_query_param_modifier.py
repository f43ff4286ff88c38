"""QueryParamModifier: set and remove, the rest byte for byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import QueryParamModifier
from gateway_filters.message.head import RequestHead
from gateway_filters.message.query import first_parameter

QUICK = settings(derandomize=True, max_examples=50)
VERSION = QueryParamModifier(set={"api-version": "1"})


@pytest.mark.parametrize(
    ("modifier", "before", "after"),
    [
        pytest.param(QueryParamModifier(), b"a=1&&b", b"a=1&&b", id="no action changes nothing"),
        pytest.param(VERSION, b"", b"api-version=1", id="a query is begun where there is none"),
        pytest.param(VERSION, b"a=%2F&b", b"a=%2F&b&api-version=1", id="what is set stands behind the others"),
        pytest.param(VERSION, b"api-version=9&a=1&api-version=8", b"a=1&api-version=1", id="all values are replaced"),
        pytest.param(VERSION, b"api%2Dversion=9", b"api-version=1", id="an escaped name is the same name"),
        pytest.param(VERSION, b"Api-Version=9", b"Api-Version=9&api-version=1", id="names count case"),
        pytest.param(VERSION, b"api-version", b"api-version=1", id="a name without a value is replaced too"),
        pytest.param(QueryParamModifier(remove=("a",)), b"a=1&b=2&a", b"b=2", id="all of a name are removed"),
        pytest.param(QueryParamModifier(remove=("a",)), b"a=1", b"", id="nothing may be left"),
        pytest.param(QueryParamModifier(remove=("a b",)), b"a+b=1&c", b"c", id="a plus is a blank"),
        pytest.param(
            QueryParamModifier(set=(("a b", "c&d=é"), ("e", "")), remove=("f",)),
            b"f=1",
            b"a%20b=c%26d%3D%C3%A9&e=",
            id="what is set is encoded",
        ),
    ],
)
def test_parameters_are_set_and_removed(modifier: QueryParamModifier, before: bytes, after: bytes) -> None:
    """Set replaces, remove drops, names compare once decoded; nothing else of the head changes."""
    head = RequestHead(b"GET", b"/p", authority=b"h", query=before, headers=((b"a", b"b"),))
    changed = modifier.on_request(head)
    assert changed.query == after
    assert changed.with_query(before) == head


@QUICK
@given(query=st.binary(max_size=20), name=st.text(min_size=1, max_size=5), value=st.text(max_size=5))
def test_the_provider_reads_what_is_set(query: bytes, name: str, value: str) -> None:
    """Whatever the client sends, the parameter has this one value, and setting it again changes nothing."""
    modifier = QueryParamModifier(set={name: value})
    changed = modifier.on_request(RequestHead(b"GET", b"/", query=query))
    assert first_parameter(changed.query, name.encode()) == value.encode()
    assert modifier.on_request(changed) == changed


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: QueryParamModifier(set={"": "1"}), id="an empty name"),
        pytest.param(lambda: QueryParamModifier(set=(("a", "1"), ("a", "2"))), id="a name that is set twice"),
        pytest.param(lambda: QueryParamModifier(set={"a": "1"}, remove=("a",)), id="a name in both actions"),
        pytest.param(lambda: QueryParamModifier(remove="debug"), id="one text instead of names"),  # pyright: ignore[reportArgumentType]
        pytest.param(lambda: QueryParamModifier(set={"a": "\ud800"}), id="what is no text"),
    ],
)
def test_what_means_nothing_is_refused(build: type[QueryParamModifier]) -> None:
    """Where it is built, not when a request comes."""
    with pytest.raises(ConfigurationError):
        build()


def test_it_is_a_value() -> None:
    """Equal by what it does, whichever way that is written."""
    assert QueryParamModifier(set={"a": "1"}) == QueryParamModifier(set=(("a", "1"),)) != VERSION
    assert hash(VERSION) == hash(QueryParamModifier(set={"api-version": "1"}))
    assert repr(VERSION) == "QueryParamModifier(set=(('api-version', '1'),), remove=())"
