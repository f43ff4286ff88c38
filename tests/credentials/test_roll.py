"""The roll: who may come in, and nothing of what they show."""

import pickle
from collections.abc import Callable

import pytest

from gateway_filters.credentials.roll import Roll
from gateway_filters.errors import ConfigurationError

# Hashed by ``printf wonder | openssl dgst -sha1 -binary | base64``, and ``a:b:c``.
WONDER = "alice:{SHA}w3QkzGJswDXW5OKZHAJw0FELjfM="
COLONS = "bob:{SHA}cLzgnoJ6mP5qz3w+mwvPE2vDgu0="


def _sha(password: str) -> str:
    import base64
    import hashlib

    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


def _keys() -> Roll:
    return Roll.of_keys([("alice", b"sk-alice"), ("bob", b"sk-bob")])


@pytest.mark.parametrize(
    ("key", "name"),
    [
        pytest.param(b"sk-alice", "alice", id="a key has its client"),
        pytest.param(b"sk-bob", "bob", id="another key has another one"),
        pytest.param(b"sk-alicE", None, id="case counts"),
        pytest.param(b"sk-alice ", None, id="a blank counts"),
        pytest.param(b"sk-alic", None, id="a beginning is no key"),
        pytest.param(b"", None, id="nothing is no key"),
        pytest.param(b"\xff\xfe", None, id="bytes that are no text are no key"),
        pytest.param(b"a" * 100_000, None, id="a very long key is no key"),
    ],
)
def test_a_key_is_looked_up(key: bytes, name: str | None) -> None:
    """Only the whole key, byte for byte, is its client's."""
    assert _keys().of_key(key) == name


@pytest.mark.parametrize(
    ("user", "password", "name"),
    [
        pytest.param(b"alice", b"wonder", "alice", id="a user and their password"),
        pytest.param(b"bob", b"a:b:c", "bob", id="a password may hold colons"),
        pytest.param("jürgen".encode(), "pässword".encode(), "jürgen", id="UTF-8"),
        pytest.param(b"empty", b"", "empty", id="an empty password, where the file says so"),
        pytest.param(b"alice", b"a:b:c", None, id="another user's password"),
        pytest.param(b"alice", b"", None, id="no password"),
        pytest.param(b"Alice", b"wonder", None, id="the case of a name counts"),
        pytest.param(b"zoe", b"wonder", None, id="an unknown user"),
        pytest.param(b"", b"", None, id="no user"),
        pytest.param("jürgen".encode("latin-1"), "pässword".encode("latin-1"), None, id="Latin-1"),
        pytest.param(b"alice", b"wonder\0", None, id="a NUL behind the password"),
        pytest.param(b"alice", b"w" * 100_000, None, id="a very long password"),
    ],
)
def test_a_password_is_looked_up(user: bytes, password: bytes, name: str | None) -> None:
    """User and password belong together."""
    text = f"# people\n\n{WONDER}\r\n  {COLONS}  \njürgen:{_sha('pässword')}\nempty:{_sha('')}\n"
    assert Roll.of_htpasswd(text).of_password(user, password) == name


def test_a_key_is_no_password() -> None:
    """What is known of one kind is nothing of another."""
    assert _keys().of_password(b"alice", b"sk-alice") is None
    assert Roll.of_passwords({"alice": "x"}).of_key(b"x") is None


BAD: list[object] = [
    pytest.param(lambda: Roll.of_keys([("a", b"")]), "empty", id="an empty key"),
    pytest.param(lambda: Roll.of_keys([("a", b"k"), ("b", b"k")]), "same key", id="two clients with one key"),
    pytest.param(lambda: Roll.of_keys([("a\nb", b"k")]), "control", id="a name with a line end"),
    pytest.param(lambda: Roll.of_keys([(" a", b"k")]), "blanks", id="a name with a blank before it"),
    pytest.param(lambda: Roll.of_keys([("", b"k")]), "empty", id="a client without a name"),
    pytest.param(lambda: Roll.of_passwords({"a:b": "x"}), "colon", id="a user with a colon"),
    pytest.param(lambda: Roll.of_htpasswd(""), "no user", id="an empty file"),
    pytest.param(lambda: Roll.of_htpasswd("# nobody\n\n"), "no user", id="a file of comments"),
    pytest.param(lambda: Roll.of_htpasswd("alice"), "line 1", id="a line without a hash"),
    pytest.param(lambda: Roll.of_htpasswd(f"{WONDER}\nbob:$apr1$x$y"), "line 2", id="a hash of another kind"),
    pytest.param(lambda: Roll.of_htpasswd("bob:{SSHA}abc"), "line 1", id="a salted hash"),
    pytest.param(lambda: Roll.of_htpasswd("bob:{SHA}abc"), "line 1", id="a hash that is no Base64"),
    pytest.param(lambda: Roll.of_htpasswd("bob:{SHA}YWJj"), "line 1", id="a hash that is too short"),
    pytest.param(lambda: Roll.of_htpasswd(f"{WONDER}\n{WONDER}"), "again", id="a user twice"),
    pytest.param(
        lambda: Roll.joined([_keys(), Roll.of_keys([("eve", b"sk-bob")])]), "same key", id="one key, two rolls"
    ),
]


@pytest.mark.parametrize(("build", "words"), BAD)
def test_what_cannot_be_a_roll_is_refused(build: Callable[[], Roll], words: str) -> None:
    """The sentence says what is wrong and holds no credential."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        build()
    assert "sk-" not in str(caught.value) and "SHA}w" not in str(caught.value)


def test_of_a_name_in_several_rolls_the_first_counts() -> None:
    """Envoy Gateway: if the Secrets have a client twice, the first one is used."""
    joined = Roll.joined([_keys(), Roll.of_keys([("alice", b"sk-later"), ("zoe", b"sk-zoe")])])
    assert [joined.of_key(key) for key in (b"sk-alice", b"sk-later", b"sk-zoe")] == ["alice", None, "zoe"]
    assert len(joined) == 3


def test_a_roll_shows_names_only() -> None:
    """No text of a roll, and no copy, has anything of a key."""
    assert repr(_keys()) == str(_keys()) == "Roll(alice, bob)"
    with pytest.raises(TypeError):
        pickle.dumps(_keys())


def test_rolls_are_values() -> None:
    """Equal keys of equal names make equal rolls, each its own source."""
    assert _keys() == _keys() and hash(_keys()) == hash(_keys())
    assert _keys() != Roll.of_keys([("alice", b"sk-alice"), ("bob", b"other")])
    assert _keys().current() == _keys()
