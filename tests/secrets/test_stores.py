"""Secrets that are known already, and stores that find sources by name."""

import copy
import pickle
import traceback
from pathlib import Path

import pytest

from gateway_filters.errors import ConfigurationError, SecretUnavailable
from gateway_filters.message.secret import Secret, SecretSource
from gateway_filters.secrets import (
    DirectorySecret,
    DirectorySecrets,
    EnvSecret,
    MemorySecret,
    MemorySecrets,
    MissingSecret,
)
from tracebacks import told_by

VALUE = "sk-live-not-a-real-key"


def _printed(error: BaseException) -> str:
    # Without the test's own frame, which holds what it compares with.
    below = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.TracebackException(type(error), error, below, capture_locals=True).format())


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        pytest.param(MemorySecret("key\n"), b"key", id="text is cut to what a header carries"),
        pytest.param(MemorySecret(b"key"), b"key", id="bytes are taken as they are"),
        pytest.param(MemorySecret("key", scheme="Bearer"), b"Bearer key", id="a scheme is put in front"),
        pytest.param(MemorySecret("Bearer key", scheme="Bearer"), b"Bearer key", id="a scheme is not doubled"),
        pytest.param(MemorySecret(Secret("key")), b"key", id="a Secret is taken as it is"),
    ],
)
def test_a_memory_secret_is_always_the_same(source: MemorySecret, sent: bytes) -> None:
    """The source gives the secret it was built with."""
    assert source.current().reveal() == sent
    assert source.current() is source.current()


def test_memory_secrets_compare_by_value_and_hide_it() -> None:
    """Equal values make equal sources; no text, copy or pickle of a source shows the value."""
    source = MemorySecret(VALUE)
    assert source == MemorySecret(VALUE) and hash(source) == hash(MemorySecret(VALUE))
    assert source != MemorySecret("other") and source != VALUE
    assert "sk-live" not in f"{source!r} {source}"
    with pytest.raises(TypeError):
        pickle.dumps(source)
    with pytest.raises(TypeError):
        copy.deepcopy(source)


@pytest.mark.parametrize("inside", ["\n", "é", "\0"], ids=["a line end", "a letter beyond ASCII", "a NUL"])
def test_a_bad_memory_secret_is_refused(inside: str) -> None:
    """What no header can carry is refused when built, naming what it is and not the value."""
    with pytest.raises(ConfigurationError, match=r"^the vault's answer ") as caught:
        MemorySecret(f"{VALUE}{inside}x", what="the vault's answer")
    assert "sk-live" not in str(caught.value)


def test_a_traceback_with_variables_shows_no_bad_value() -> None:
    """A refused value is in no frame of the traceback, and the traceback can be printed."""
    with pytest.raises(ConfigurationError) as caught:
        MemorySecret(f"{VALUE}\nx")
    assert "sk-live" not in _printed(caught.value)


def test_a_missing_secret_says_what_is_missing() -> None:
    """The source that has nothing says so at each request, and compares by what it says."""
    source = MissingSecret("Secret default/key does not exist")
    for _ in range(2):
        with pytest.raises(SecretUnavailable, match=r"^Secret default/key does not exist$"):
            source.current()
    assert source == MissingSecret("Secret default/key does not exist") != MissingSecret("another")


@pytest.mark.parametrize("source", [MemorySecret("key"), MissingSecret("none")], ids=["a value", "nothing"])
async def test_nothing_is_waited_for(source: SecretSource) -> None:
    """Sources that are not remote need no preparation."""
    await source.prepare()


@pytest.mark.parametrize(
    ("namespace", "name", "sent"),
    [
        pytest.param("default", "plain", b"one", id="a bare name is in the namespace default"),
        pytest.param("team", "qualified", b"two", id="a qualified name is in its namespace"),
        pytest.param("default", "qualified", None, id="a qualified name is in no other namespace"),
        pytest.param("team", "plain", None, id="a bare name is in no other namespace"),
        pytest.param("default", "absent", None, id="an unknown name is not known"),
        pytest.param("team/qualified", "x", None, id="a namespace is no path"),
    ],
)
def test_a_memory_store_finds_by_name(namespace: str, name: str, sent: bytes | None) -> None:
    """A Secret is found by namespace and name, whatever the key."""
    store = MemorySecrets({"plain": "one", "team/qualified": b"two"})
    for key in ("credential", "other"):
        source = store.find(namespace, name, key)
        assert (None if source is None else source.current().reveal()) == sent


def test_a_memory_store_takes_other_sources() -> None:
    """A source in the mapping is found as it is, whether it has a secret or not."""
    source = EnvSecret("GATEWAY_FILTERS_TEST_UNSET")
    assert MemorySecrets({"key": source}).find("default", "key", "credential") is source


def test_a_memory_store_refuses_bad_values() -> None:
    """A value that no header can carry is refused when the store is built, naming the Secret and not the value."""
    with pytest.raises(ConfigurationError, match="Secret team/key ") as caught:
        MemorySecrets({"good": VALUE, "team/key": f"{VALUE}\nx"})
    assert "sk-live" not in str(caught.value)
    assert "sk-live" not in _printed(caught.value) and "sk-live" not in told_by(caught.value)


def test_a_directory_store_finds_files(tmp_path: Path) -> None:
    """A Secret is a folder, a key a file in it, which need not exist yet."""
    store = DirectorySecrets(tmp_path)
    source = store.find("default", "key", "credential")
    assert source is not None and source == DirectorySecret(tmp_path / "key", "credential")
    with pytest.raises(SecretUnavailable, match=str(tmp_path / "key" / "credential")):
        source.current()
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "credential").write_text("one")
    assert source.current().reveal() == b"one"


def test_a_directory_store_belongs_to_one_namespace(tmp_path: Path) -> None:
    """References from other namespaces find nothing, even where the folder exists."""
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "credential").write_text("one")
    assert DirectorySecrets(tmp_path).find("team", "key", "credential") is None
    assert DirectorySecrets(str(tmp_path), namespace="team").find("default", "key", "credential") is None
    assert DirectorySecrets(str(tmp_path), namespace="team").find("team", "key", "credential") is not None


@pytest.mark.parametrize("name", ["../outside", "..", ".", "/outside", "a/b"])
def test_a_directory_store_stays_in_its_directory(tmp_path: Path, name: str) -> None:
    """A name that is no Secret's leads nowhere: whoever writes a manifest chooses no path."""
    assert DirectorySecrets(tmp_path / "secrets").find("default", name, "credential") is None
