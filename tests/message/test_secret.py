"""Secrets: no way of turning one into text shows it, and nothing unsendable becomes one."""

import copy
import hashlib
import json
import logging
import os
import pickle
import pprint
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_filters.errors import ConfigurationError
from gateway_filters.message.secret import FINGERPRINT_KEY, Secret, fingerprint

QUICK = settings(derandomize=True, max_examples=50)
VALUE = "sk-live-not-a-real-key"
LONGEST = 8 * 1024


@dataclass
class _Holder:
    name: str
    secret: Secret


def _printed(error: BaseException) -> str:
    # Without the test's own frame, which holds what it compares with.
    below = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.TracebackException(type(error), error, below, capture_locals=True).format())


def _shows(text: str) -> bool:
    # Any run of the value long enough to help is as bad as the whole.
    return any(VALUE[start : start + 6] in text for start in range(len(VALUE) - 5))


PRINTERS: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": format,
    "format with a width": lambda secret: format(secret, ">200"),
    "an f-string": lambda secret: f"{secret} {secret!r} {secret!s} {secret=}",
    "the percent operator": lambda secret: "%s %r %a" % (secret, secret, secret),  # noqa: UP031
    "str.format": lambda secret: "{} {!r}".format(secret, secret),  # noqa: UP032
    "the repr of a dataclass that holds it": lambda secret: repr(_Holder("x", secret)),
    "the repr of containers that hold it": lambda secret: repr([{"key": (secret,)}]),
    "pretty printing": lambda secret: pprint.pformat({"key": _Holder("x", secret)}),
    "JSON that falls back to str": lambda secret: json.dumps({"key": secret}, default=str),
    "an exception's argument": lambda secret: repr(ValueError(secret)),
}


@pytest.mark.parametrize("print_", PRINTERS.values(), ids=PRINTERS)
def test_no_text_of_a_secret_shows_it(print_: Callable[[Secret], str]) -> None:
    """Whichever way a secret becomes text, its value is not in it and its fingerprint is."""
    secret = Secret(VALUE)
    assert not _shows(print_(secret))
    assert secret.fingerprint in print_(secret) and "***" in print_(secret)


def test_no_log_line_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """A secret given to a logger, as an argument, as the message or in a dict, is not in the log."""
    log, secret = logging.getLogger("test.secret"), Secret(VALUE)
    with caplog.at_level(logging.DEBUG):
        log.warning("%s %r", secret, secret)
        log.warning(secret)
        log.warning("%(key)s", {"key": secret})
    assert secret.fingerprint in caplog.text
    assert not _shows(caplog.text)


BACK_DOORS: dict[str, Callable[[Any], object]] = {
    "pickled": pickle.dumps,
    **{f"pickled by protocol {each}": partial(pickle.dumps, protocol=each) for each in range(6)},
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "taken apart with its dataclass": lambda secret: asdict(_Holder("x", secret)),
    "copied deeply with its dataclass": lambda secret: copy.deepcopy(_Holder("x", secret)),
    "dumped as JSON": json.dumps,
    "dumped as JSON in a container": lambda secret: json.dumps({"key": [secret]}),
    "asked for its variables": vars,
    "turned into bytes": bytes,
    "iterated": list,
}


@pytest.mark.parametrize("leave", BACK_DOORS.values(), ids=BACK_DOORS)
def test_a_secret_does_not_leave_by_the_back_door(leave: Callable[[Any], object]) -> None:
    """A secret is not pickled, copied, dumped or taken apart: each is a TypeError without the value."""
    with pytest.raises(TypeError) as caught:
        leave(Secret(VALUE))
    assert not _shows(str(caught.value))


def _fail_holding(secret: Secret) -> None:
    holders = {"key": secret}
    held = _Holder("x", secret)
    raise RuntimeError(f"failed with {held.name} and {len(holders)}")


def test_a_traceback_with_variables_shows_no_secret() -> None:
    """Code that holds a secret may fail and have its variables printed."""
    with pytest.raises(RuntimeError) as caught:
        _fail_holding(Secret(VALUE))
    text = _printed(caught.value)
    assert "held = " in text and "secret = " in text
    assert not _shows(text)


DEFECTS = [
    pytest.param("\n", id="a line end"),
    pytest.param("\r", id="a carriage return"),
    pytest.param("\r\nx-evil: ", id="a header of its own"),
    pytest.param("\0", id="a NUL"),
    pytest.param("\t", id="a tab"),
    pytest.param("\x1b", id="an escape character"),
    pytest.param("\x7f", id="a DEL"),
    pytest.param("é", id="a letter beyond ASCII"),
    pytest.param("你", id="a letter of three bytes"),
    pytest.param("\u00a0", id="a blank beyond ASCII"),
    pytest.param("\udcff", id="a byte that was no UTF-8 (surrogate)"),
    pytest.param("x" * LONGEST, id="too many bytes"),
]


@pytest.mark.parametrize("inside", DEFECTS)
def test_an_unsendable_value_is_refused_without_showing_it(inside: str) -> None:
    """What a header cannot carry raises ConfigurationError; sentence and traceback name its place, not the value."""
    with pytest.raises(ConfigurationError, match=r"^file /run/key ") as caught:
        Secret(f"{VALUE}{inside}{VALUE}", what="file /run/key")
    assert not _shows(str(caught.value)) and not _shows(repr(caught.value))
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert not _shows(_printed(caught.value))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"a\xffb", id="bytes that are no UTF-8"),
        pytest.param(b"a\nb", id="a line end between bytes"),
        pytest.param(b"a\0b", id="a NUL between bytes"),
        pytest.param(b"\0", id="a NUL alone"),
        pytest.param(b"", id="nothing"),
        pytest.param("", id="no text"),
        pytest.param("\n", id="a line end alone"),
        pytest.param(" \t\r\n ", id="blanks and line ends alone"),
    ],
)
def test_bytes_have_the_same_rules(raw: str | bytes) -> None:
    """Bytes are checked like text, and a value that is empty once cut is refused."""
    with pytest.raises(ConfigurationError):
        Secret(raw)


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        pytest.param("key", b"key", id="text goes out as its bytes"),
        pytest.param(b"key", b"key", id="bytes go out as they are"),
        pytest.param("key\n", b"key", id="a line end behind it is cut"),
        pytest.param("key\r\n", b"key", id="a CRLF behind it is cut"),
        pytest.param("key\n\n", b"key", id="several line ends behind it are cut"),
        pytest.param(" Bearer key ", b"Bearer key", id="blanks round it are cut"),
        pytest.param("\tkey\t", b"key", id="tabs round it are cut"),
        pytest.param(" \r\n key \n\t", b"key", id="a mixture round it is cut"),
        pytest.param("Bearer  a  b", b"Bearer  a  b", id="blanks inside it stay"),
        pytest.param("k", b"k", id="one character is enough"),
        pytest.param('!"#$%&~', b'!"#$%&~', id="every visible character passes"),
        pytest.param("x" * LONGEST, b"x" * LONGEST, id="the longest value passes"),
    ],
)
def test_a_value_is_cut_to_what_a_header_carries(given_: str | bytes, sent: bytes) -> None:
    """Line ends and blanks round a value are cut, everything inside stays byte for byte."""
    assert Secret(given_).reveal() == sent


@pytest.mark.parametrize(
    ("given_", "scheme", "sent"),
    [
        pytest.param("key", "Bearer", b"Bearer key", id="a scheme is put in front"),
        pytest.param("Bearer key", "Bearer", b"Bearer key", id="a scheme that is there is not doubled"),
        pytest.param("bearer key", "Bearer", b"bearer key", id="a scheme in another case is there"),
        pytest.param(" Bearer key\n", "Bearer", b"Bearer key", id="a scheme behind blanks is there"),
        pytest.param("Bearerkey", "Bearer", b"Bearer Bearerkey", id="a key that begins like a scheme is a key"),
        pytest.param("Basic key", "Bearer", b"Bearer Basic key", id="another scheme is part of the value"),
        pytest.param("Bearer key", "", b"Bearer key", id="without a scheme the value stays"),
    ],
)
def test_a_scheme_stands_in_front_once(given_: str, scheme: str, sent: bytes) -> None:
    """The scheme is put in front unless the value begins with it already."""
    assert Secret(given_, scheme=scheme).reveal() == sent


@pytest.mark.parametrize("scheme", ["Bearer\r\nx-evil:", "Bearer\n", "Béarer", "\0"])
def test_a_scheme_that_no_header_carries_is_refused(scheme: str) -> None:
    """A scheme must be as sendable as the value; the refusal does not show the value."""
    with pytest.raises(ConfigurationError) as caught:
        Secret(f"{VALUE}", scheme=scheme)
    assert not _shows(_printed(caught.value))


def test_secrets_compare_by_value() -> None:
    """Equal secrets are equal and hash alike, whatever was cut off them; nothing else equals a secret."""
    assert Secret("key") == Secret(b"key\n") and hash(Secret("key")) == hash(Secret("key"))
    assert Secret("key") != Secret("kez")
    assert Secret("key") != "key" and Secret("key") != b"key"


def test_a_fingerprint_tells_secrets_apart() -> None:
    """The fingerprint is the same for the same secret and differs for others; it is short."""
    assert Secret("key").fingerprint == Secret("key\n").fingerprint == fingerprint(b"key")
    assert Secret("key").fingerprint != Secret("kez").fingerprint
    assert len(Secret("key").fingerprint) == 8 and int(Secret("key").fingerprint, 16)


_PRINT = "from gateway_filters.message.secret import Secret; print(Secret('key').fingerprint)"


def _fingerprint_elsewhere(**environment: str) -> str:
    ours = {name: value for name, value in os.environ.items() if name != FINGERPRINT_KEY}
    done = subprocess.run(
        [sys.executable, "-c", _PRINT], env={**ours, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_fingerprint_is_worth_nothing_elsewhere() -> None:
    """Each process has a key of its own, unless it is given one: nobody else can try guesses on a fingerprint."""
    one, other = _fingerprint_elsewhere(), _fingerprint_elsewhere()
    keyed = _fingerprint_elsewhere(**{FINGERPRINT_KEY: "a"})
    assert len({one, other, keyed, Secret("key").fingerprint}) == 4
    assert keyed == _fingerprint_elsewhere(**{FINGERPRINT_KEY: "a"}) != _fingerprint_elsewhere(**{FINGERPRINT_KEY: "b"})
    assert not hashlib.sha256(b"key").hexdigest().startswith(keyed)


@QUICK
@given(raw=st.binary(max_size=12) | st.text(st.sampled_from("ab \t\r\n\0é"), max_size=8).map(str.encode))
def test_what_a_secret_reveals_is_always_sendable(raw: bytes) -> None:
    """Whatever bytes come, they are refused or reveal visible ASCII with blanks inside only."""
    try:
        sent = Secret(raw).reveal()
    except ConfigurationError:
        return
    assert sent == raw.strip(b" \t\r\n") != b""
    assert all(0x20 <= byte < 0x7F for byte in sent)
