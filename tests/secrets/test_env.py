"""Secrets from environment variables."""

import os
import traceback

import pytest

from gateway_filters.errors import ConfigurationError, SecretUnavailable
from gateway_filters.secrets import EnvSecret

NAME = "GATEWAY_FILTERS_TEST_KEY"
VALUE = "sk-live-not-a-real-key"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.delenv(NAME, raising=False)


def _printed(error: BaseException) -> str:
    # Without the test's own frame, which holds what it compares with.
    below = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.TracebackException(type(error), error, below, capture_locals=True).format())


def test_the_variable_is_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's value, cut to what a header carries, is the secret, and the same one while it stays."""
    monkeypatch.setenv(NAME, " key\n")
    source = EnvSecret(NAME)
    assert source.current().reveal() == b"key"
    assert source.current() is source.current()


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        pytest.param("key", b"Bearer key", id="a scheme is put in front"),
        pytest.param("Bearer key", b"Bearer key", id="a scheme that is there is not doubled"),
        pytest.param("bearer key", b"bearer key", id="a scheme in another case is there"),
    ],
)
def test_the_scheme_stands_in_front_once(monkeypatch: pytest.MonkeyPatch, text: str, sent: bytes) -> None:
    """The scheme is put in front unless the value begins with it."""
    monkeypatch.setenv(NAME, text)
    assert EnvSecret(NAME, scheme="Bearer").current().reveal() == sent


def test_a_variable_may_be_set_changed_and_unset_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is read for each request: without a value there is no secret, a new value counts at once."""
    source = EnvSecret(NAME)
    with pytest.raises(SecretUnavailable, match=NAME):
        source.current()
    monkeypatch.setenv(NAME, "one")
    assert source.current().reveal() == b"one"
    monkeypatch.setenv(NAME, "two")
    assert source.current().reveal() == b"two"
    monkeypatch.delenv(NAME)
    with pytest.raises(SecretUnavailable, match=NAME):
        source.current()
    monkeypatch.setenv(NAME, "two")
    assert source.current().reveal() == b"two"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable is like an unset one: no error when built, no secret when asked."""
    monkeypatch.setenv(NAME, "")
    source = EnvSecret(NAME)
    with pytest.raises(SecretUnavailable, match=NAME):
        source.current()


BAD = [
    pytest.param("\r\nx: ", id="a header of its own"),
    pytest.param("\n", id="a line end"),
    pytest.param("é", id="a letter beyond ASCII"),
    pytest.param("\udcff", id="a byte that is no UTF-8"),
]


@pytest.mark.parametrize("inside", BAD)
def test_a_bad_variable_is_refused_when_built(monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    """A variable that holds what no header can carry is a ConfigurationError, which names it and not its value."""
    monkeypatch.setenv(NAME, f"{VALUE}{inside}x")
    with pytest.raises(ConfigurationError, match=NAME) as caught:
        EnvSecret(NAME)
    assert "sk-live" not in str(caught.value)


@pytest.mark.parametrize("inside", BAD)
def test_a_variable_that_turns_bad_is_no_secret(monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    """A variable that holds a bad value later means no secret until it is good again; the old one is not used."""
    monkeypatch.setenv(NAME, "good")
    source = EnvSecret(NAME)
    monkeypatch.setenv(NAME, f"{VALUE}{inside}x")
    with pytest.raises(SecretUnavailable, match=NAME) as caught:
        source.current()
    assert "sk-live" not in str(caught.value)
    monkeypatch.setenv(NAME, "better")
    assert source.current().reveal() == b"better"


def test_a_traceback_with_variables_shows_no_bad_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused value is in no frame of the traceback, when built and when asked."""
    source = EnvSecret(NAME)
    monkeypatch.setenv(NAME, f"{VALUE}\nx")
    with pytest.raises(ConfigurationError) as built:
        EnvSecret(NAME)
    with pytest.raises(SecretUnavailable) as asked:
        source.current()
    assert "sk-live" not in _printed(built.value)
    assert "sk-live" not in _printed(asked.value)


def test_sources_compare_by_what_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source is the variable and the scheme, whatever it has read; its text shows these and no value."""
    monkeypatch.setenv(NAME, VALUE)
    source = EnvSecret(NAME, scheme="Bearer")
    source.current()
    assert source == EnvSecret(NAME, scheme="Bearer") and hash(source) == hash(EnvSecret(NAME, scheme="Bearer"))
    assert source != EnvSecret(NAME)
    assert NAME in repr(source) and "sk-live" not in repr(source)
    assert os.environ[NAME] == VALUE


async def test_nothing_is_waited_for() -> None:
    """An environment variable needs no preparation."""
    await EnvSecret(NAME).prepare()
