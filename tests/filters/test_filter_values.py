"""What all filters have in common: frozen, comparable, hashable values with a readable text."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest

from gateway_filters.filters import (
    CredentialInjection,
    DirectResponse,
    Filter,
    Refusal,
    ReplaceFullPath,
    ReplacePrefixMatch,
    RequestHeaderModifier,
    ResponseHeaderModifier,
    URLRewrite,
)
from gateway_filters.message.head import RequestHead, ResponseHead
from gateway_filters.secrets import EnvSecret, MemorySecret

ROWS = [
    pytest.param(
        lambda: URLRewrite(hostname="h", path=ReplaceFullPath("/x")),
        URLRewrite(hostname="h", path=ReplaceFullPath("/y")),
        ("hostname='h'", "'/x'"),
        id="URLRewrite",
    ),
    pytest.param(
        lambda: URLRewrite(path=ReplacePrefixMatch("/a", "/b")),
        URLRewrite(path=ReplacePrefixMatch("/a", "/c")),
        ("prefix='/a'", "replacement='/b'"),
        id="ReplacePrefixMatch",
    ),
    pytest.param(
        lambda: RequestHeaderModifier(set={"a": "1"}, remove=("b",)),
        ResponseHeaderModifier(set={"a": "1"}, remove=("b",)),
        ("RequestHeaderModifier", "('a', '1')", "('b',)"),
        id="RequestHeaderModifier",
    ),
    pytest.param(
        lambda: ResponseHeaderModifier(add=(("a", "1"),)),
        ResponseHeaderModifier(set=(("a", "1"),)),
        ("ResponseHeaderModifier", "('a', '1')"),
        id="ResponseHeaderModifier",
    ),
    pytest.param(
        lambda: CredentialInjection(MemorySecret("k"), overwrite=True),
        CredentialInjection(MemorySecret("k")),
        ("'Authorization'", "overwrite=True"),
        id="CredentialInjection",
    ),
    pytest.param(
        lambda: CredentialInjection(EnvSecret("TEST_UNSET_KEY", scheme="Bearer")),
        CredentialInjection(EnvSecret("TEST_UNSET_KEY")),
        ("TEST_UNSET_KEY", "'Bearer'"),
        id="CredentialInjection from the environment",
    ),
    pytest.param(lambda: DirectResponse(404, "x"), DirectResponse(404, "y"), ("404", "'x'"), id="DirectResponse"),
    pytest.param(lambda: Refusal("one"), Refusal("two"), ("'one'",), id="Refusal"),
]


@pytest.mark.parametrize(("build", "other", "shown"), ROWS)
def test_filters_are_values(build: Callable[[], Filter], other: Filter, shown: tuple[str, ...]) -> None:
    """Filters built alike are equal, hash alike and show what they do; others are different."""
    assert build() == build() and hash(build()) == hash(build())
    assert build() != other
    assert all(part in repr(build()) for part in shown)
    assert "(_" not in repr(build()) and " _" not in repr(build())


@pytest.mark.parametrize(("build", "other", "shown"), ROWS)
def test_filters_are_frozen(build: Callable[[], Filter], other: Filter, shown: tuple[str, ...]) -> None:
    """No field of a filter can be assigned to, and none added."""
    built = build()
    for name in repr(built).partition("(")[2].partition("=")[0], "anything":
        # A name that is no field of a slotted frozen dataclass is a TypeError on some versions.
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            setattr(built, name, None)
    assert built == build()


async def test_a_bare_filter_passes_everything() -> None:
    """The contract's own methods wait for nothing and pass heads as they are."""
    request, response = RequestHead(b"GET", b"/"), ResponseHead(200)
    await Filter().prepare(request)
    assert Filter().on_request(request) is request
    assert Filter().on_response(response, request) is response
