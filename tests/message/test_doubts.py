"""What is odd about a credential that could be sent."""

import pytest

from gateway_filters.message.doubts import doubts
from gateway_filters.message.secret import Secret

PLACEHOLDERS = [
    "changeme", "Bearer CHANGE_ME", "<your-key>", "Bearer <token>", "sk-xxx", "sk-xxxxxxxxxxxxxxxx", "YOUR_API_KEY",
    "Bearer your-api-key", "your_openai_api_key_here", "Bearer ${DASHSCOPE_API_KEY}", "Bearer $TOKEN",
    "{{ .Values.key }}", "Bearer {{ .Values.key }}",
    "Bearer sk-...", "****", "sk-****1234", "REPLACE_ME", "insert-key-here", "placeholder", "TODO", "Bearer token",
    "null",
    "my-secret", "Bearer [token]", "put-your-key-here",
]  # fmt: skip

KEYS = [
    "Bearer sk-live-0123456789abcdef", "sk-proj-Vb7kQ2-_xY", "Bearer AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "Basic dXNlcjpwYXNzd29yZA==", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG", "hf_QwErTyUiOpAsDfGh",
    "Bearer stand-in-key-that-opens-nothing", "0123456789abcdef", "Bearer xoxb-12-34-abc", "Token abc=", "a.b.c",
    "monkey-barrel-91", "Bearer maxxx-7f",
]  # fmt: skip


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_a_placeholder_is_told(value: str) -> None:
    """What people write until they have a key looks like that, with a scheme in front or without."""
    assert list(doubts(Secret(value), "X-Api-Key")) == ["looks like a placeholder"]


@pytest.mark.parametrize("value", KEYS)
def test_a_key_is_no_placeholder(value: str) -> None:
    """Nothing is odd about the forms in which providers give their keys."""
    assert list(doubts(Secret(value), "X-Api-Key")) == []


@pytest.mark.parametrize(
    ("value", "odd"),
    [
        pytest.param("key-7f", False, id="nothing round it"),
        pytest.param("key-7f\n", False, id="one line end behind it, as echo leaves"),
        pytest.param("key-7f\r\n", False, id="one CRLF behind it"),
        pytest.param(" Bearer key-7f", True, id="a blank in front"),
        pytest.param("key-7f ", True, id="a blank behind it"),
        pytest.param("key-7f \n", True, id="a blank before the line end"),
        pytest.param("key-7f\n\n", True, id="two line ends"),
        pytest.param("\nkey-7f", True, id="a line end in front"),
        pytest.param("\tkey-7f", True, id="a tab in front"),
    ],
)
def test_blanks_round_a_value_are_told(value: str, odd: bool) -> None:
    """More than the one line end that editors and echo leave is odd; what is sent is without it either way."""
    found = list(doubts(Secret(value), "X-Api-Key"))
    assert found == (["has blanks or line ends round it, which are not sent"] if odd else [])


@pytest.mark.parametrize(
    ("value", "header", "odd"),
    [
        pytest.param("Bearer key-7f", "Authorization", False, id="an Authorization with a scheme"),
        pytest.param("key-7f", "Authorization", True, id="an Authorization without one"),
        pytest.param("key-7f", "authorization", True, id="in lower case as well"),
        pytest.param("key-7f", "X-Api-Key", False, id="another header needs none"),
    ],
)
def test_an_authorization_without_a_scheme_is_told(value: str, header: str, odd: bool) -> None:
    """RFC 9110 11.4: credentials begin with a scheme."""
    assert any("no scheme" in each for each in doubts(Secret(value), header)) == odd


def test_no_doubt_shows_the_value() -> None:
    """Whatever is said, the value is not in it."""
    said = list(doubts(Secret(" sk-live-xxxx \n"), "Authorization"))
    assert len(said) == 3
    assert not any("sk-live" in each or "xxxx" in each for each in said)
