"""message/trailers: what may follow a request behind its body (RFC 9110 6.5.1)."""

import pytest

from gateway_filters.message.trailers import passed_behind

PASSED = [
    pytest.param(b"grpc-status", id="what gRPC says behind an answer"),
    pytest.param(b"x-checksum", id="a sum of the body"),
    pytest.param(b"digest", id="another one"),
    pytest.param(b"ifx", id="a name that only looks like a condition"),
    pytest.param(b"x-forwarded", id="a name that only looks like a claim"),
]


@pytest.mark.parametrize("name", PASSED)
def test_what_may_follow(name: bytes) -> None:
    """Any field that need not be known before the body, as often as it comes and in its order."""
    trailers = ((name, b"2"), (b"x-other", b"1"), (name, b"1"))
    assert passed_behind(trailers, ((b"host", b"a"),)) == trailers


NEVER = [
    pytest.param(names, id=words)
    for words, names in (
        ("pseudo-headers", (b":path", b":authority", b":status")),
        ("framing", (b"content-length", b"transfer-encoding", b"trailer", b"te")),
        ("the connection", (b"connection", b"keep-alive", b"proxy-connection", b"upgrade", b"http2-settings")),
        ("the destination", (b"host",)),
        ("credentials", (b"authorization", b"proxy-authorization", b"cookie", b"set-cookie")),
        ("keys of providers", (b"x-api-key", b"api-key", b"x-goog-api-key")),
        ("who the client is", (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-real-ip")),
        ("the body's form", (b"content-type", b"content-encoding", b"content-range")),
        ("how to treat the request", (b"expect", b"range", b"max-forwards", b"cache-control", b"pragma")),
        ("conditions", (b"if-match", b"if-none-match", b"if-modified-since", b"if-range")),
    )
]


@pytest.mark.parametrize("names", NEVER)
def test_what_may_not_follow(names: tuple[bytes, ...]) -> None:
    """It is left out, and what is beside it passes."""
    trailers = (*((name, b"x") for name in names), (b"x-sum", b"1"))
    assert passed_behind(trailers, ()) == ((b"x-sum", b"1"),)


def test_what_the_head_says_is_not_said_again() -> None:
    """Whoever merges both would hear the client where a filter has set a field."""
    assert passed_behind(((b"x-user", b"root"), (b"x-sum", b"1")), ((b"X-User", b"me"),)) == ((b"x-sum", b"1"),)
