"""BasicAuth: user and password of the roll, as RFC 7617 writes them."""

import base64

import pytest

from gateway_filters.credentials.roll import Roll
from gateway_filters.errors import ConfigurationError, Unauthenticated, verdict
from gateway_filters.filters import BasicAuth
from gateway_filters.message.head import RequestHead
from tracebacks import told_by

USERS = {"alice": "wonder", "bob": "a:b:c", "jürgen": "pässword", "empty": ""}
DOOR = BasicAuth(USERS, "X-User")


def _basic(credential: str | bytes) -> bytes:
    raw = credential if isinstance(credential, bytes) else credential.encode()
    return b"Basic " + base64.b64encode(raw)


def _head(*values: bytes) -> RequestHead:
    headers = ((b"x-user", b"root"), *((b"authorization", value) for value in values), (b"accept", b"*/*"))
    return RequestHead(b"GET", b"/", headers=headers)


KNOWN = [
    pytest.param(_basic("alice:wonder"), "alice", id="a user and their password"),
    pytest.param(_basic("bob:a:b:c"), "bob", id="colons in a password"),
    pytest.param(_basic("bob:a:b:c").rstrip(b"="), "bob", id="without padding"),
    pytest.param(_basic("jürgen:pässword"), "jürgen", id="UTF-8"),
    pytest.param(_basic("empty:"), "empty", id="an empty password"),
    pytest.param(b"bAsIC" + _basic("alice:wonder")[5:], "alice", id="the scheme in any case (RFC 9110 11.1)"),
    pytest.param(b"Basic " + _basic("alice:wonder")[5:], "alice", id="two blanks behind the scheme"),
]


@pytest.mark.parametrize(("value", "name"), KNOWN)
def test_a_user_comes_in_and_the_password_goes(value: bytes, name: str) -> None:
    """The head knows the user, the header tells the name whatever the client wrote, the credential is gone."""
    after = DOOR.on_request(_head(value))
    assert after.headers == ((b"accept", b"*/*"), (b"x-user", name.encode()))
    assert after.client is not None and after.client.name == name


UNKNOWN = [
    pytest.param((), id="nothing"),
    pytest.param((b"",), id="an empty header"),
    pytest.param((b"Basic",), id="a scheme alone"),
    pytest.param((b"Basic ",), id="a scheme and a blank"),
    pytest.param((b"Basic %%%",), id="no Base64"),
    pytest.param((_basic("alice:wonder") + b"!",), id="Base64 with something behind"),
    pytest.param((b"Basic A",), id="one digit of Base64"),
    pytest.param((_basic("alice"),), id="no colon"),
    pytest.param((_basic(":wonder"),), id="no user"),
    pytest.param((_basic("alice:wonderland"),), id="more than the password"),
    pytest.param((_basic("alice:wonde"),), id="less than the password"),
    pytest.param((_basic("alice:"),), id="an empty password that is not theirs"),
    pytest.param((_basic("zoe:wonder"),), id="an unknown user"),
    pytest.param((_basic("jürgen:pässword".encode("latin-1")),), id="Latin-1"),
    pytest.param((_basic(b"alice:wonder\0"),), id="a NUL"),
    pytest.param((_basic(b"alice:\xff\xfe"),), id="bytes that are no UTF-8"),
    pytest.param((b"Bearer " + _basic("alice:wonder")[6:],), id="another scheme"),
    pytest.param((b"Basic\t" + _basic("alice:wonder")[6:],), id="a tab behind the scheme"),
    pytest.param((_basic("alice:wonder"), _basic("alice:bad")), id="two lines, the first right"),
    pytest.param((_basic("alice:bad"), _basic("alice:wonder")), id="two lines, the second right"),
    pytest.param((_basic("alice:wonder"), _basic("alice:wonder")), id="two lines alike"),
    pytest.param((_basic("alice:" + "w" * 50_000),), id="a very long password"),
]


@pytest.mark.parametrize("values", UNKNOWN)
def test_nobody_else_comes_in(values: tuple[bytes, ...]) -> None:
    """401 with a challenge that has a realm (RFC 7617 2), and nothing of the password in any text."""
    with pytest.raises(Unauthenticated) as caught:
        DOOR.on_request(_head(*values))
    assert verdict(caught.value).status == 401
    assert caught.value.challenge == 'Basic realm="gateway", charset="UTF-8"'
    told = told_by(caught.value)
    assert "wonder" not in told and not any(len(value) > 12 and value.decode("latin-1") in told for value in values)


def test_an_htpasswd_file_is_a_roll() -> None:
    """Envoy Gateway's Secrets hold one."""
    door = BasicAuth(Roll.of_htpasswd("alice:{SHA}w3QkzGJswDXW5OKZHAJw0FELjfM=\n"), sanitize=False)
    head = _head(_basic("alice:wonder"))
    assert door.on_request(head).headers == head.headers


def test_users_are_values_without_passwords() -> None:
    """Equal users make equal filters, and no text has a password."""
    assert BasicAuth(dict(USERS), "X-User") == DOOR and hash(DOOR) == hash(BasicAuth(USERS, "X-User"))
    assert BasicAuth({**USERS, "alice": "x"}, "X-User") != DOOR
    assert "alice" in repr(DOOR) and "wonder" not in repr(DOOR)


@pytest.mark.parametrize("header", ["Host", "Content-Length", "Cookie", "a b"])
def test_a_header_that_cannot_tell_a_name_is_refused(header: str) -> None:
    """At construction, not at a request."""
    with pytest.raises(ConfigurationError):
        BasicAuth(USERS, header)
