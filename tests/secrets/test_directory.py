"""Secrets from mounted directories, on a real file system."""

import errno
import logging
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway_filters.errors import ConfigurationError, SecretUnavailable
from gateway_filters.message.secret import Secret, SecretState
from gateway_filters.secrets import DirectorySecret
from tracebacks import told_by

VALUE = "sk-live-not-a-real-key"


def _printed(error: BaseException) -> str:
    # Without the test's own frame, which holds what it compares with.
    below = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.TracebackException(type(error), error, below, capture_locals=True).format())


class _Mount:
    """A Secret volume as the kubelet writes it: the key links into ``..data``, which links to a dated folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._dates = 0

    def publish(self, content: str) -> None:
        """Write a new dated folder and swap ``..data`` to it in one step; then remove the old one."""
        self._dates += 1
        dated = self.directory / f"..2025_01_01_00_00_{self._dates:02}.1"
        dated.mkdir()
        (dated / "credential").write_text(content)
        data = self.directory / "..data"
        old = data.resolve() if data.is_symlink() else None
        swap = self.directory / "..data_tmp"
        swap.symlink_to(dated.name)
        swap.replace(data)
        key = self.directory / "credential"
        if not key.is_symlink():
            key.symlink_to("..data/credential")
        if old is not None:
            shutil.rmtree(old)


@pytest.fixture
def mount(tmp_path: Path) -> _Mount:
    """A mounted Secret whose credential is ``one``."""
    mount = _Mount(tmp_path)
    mount.publish("one\n")
    return mount


@pytest.fixture
def plain() -> Iterator[Path]:
    """A directory of a user without privileges, for whom modes of files count."""
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        directory = Path(tempfile.mkdtemp(dir="/tmp"))
        yield directory
        directory.chmod(0o700)
        shutil.rmtree(directory)
    finally:
        os.seteuid(user)


def _in_place(file: Path, content: str) -> None:
    """As somebody did a moment ago, so that nobody can be at it still."""
    file.write_text(content)
    written = time.time_ns() - 1_000_000_000
    os.utime(file, ns=(written, written))


def _renamed(file: Path, content: str) -> None:
    other = file.with_name("other")
    other.write_text(content)
    other.replace(file)


def _backdated(file: Path, content: str) -> None:
    seen = file.stat()
    _renamed(file, content)
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def test_the_file_is_the_secret(mount: _Mount) -> None:
    """The key's file, cut to what a header carries, is the secret, and the same one while it stays."""
    source = DirectorySecret(mount.directory)
    assert source.current().reveal() == b"one"
    assert source.current() is source.current()
    assert DirectorySecret(mount.directory, scheme="Bearer").current().reveal() == b"Bearer one"


def test_a_key_may_be_named(tmp_path: Path) -> None:
    """Each key is a file of its own."""
    (tmp_path / "api-key").write_text("two")
    assert DirectorySecret(tmp_path, "api-key").current().reveal() == b"two"


def test_a_swapped_link_counts_at_once(mount: _Mount) -> None:
    """The kubelet swaps ``..data``; the next request has the new value."""
    source = DirectorySecret(mount.directory)
    for content in ("two", "six", "ten", "one"):
        mount.publish(content)
        assert source.current().reveal() == content.encode()


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(_in_place, id="written in place"),
        pytest.param(_renamed, id="replaced by a rename"),
        pytest.param(_backdated, id="replaced by a file as old as it"),
    ],
)
def test_a_changed_file_counts_at_once(tmp_path: Path, write: Callable[[Path, str], None]) -> None:
    """However a file changes, the next request has the new value."""
    file = tmp_path / "credential"
    file.write_text("one")
    source = DirectorySecret(tmp_path)
    assert source.current().reveal() == b"one"
    for content in ("three", "two", "eleven"):
        write(file, content)
        assert source.current().reveal() == content.encode()


def test_a_file_may_appear_later(tmp_path: Path) -> None:
    """A directory or file that is missing when built means no secret until it appears; its path is named."""
    directory = tmp_path / "later"
    source = DirectorySecret(directory)
    with pytest.raises(SecretUnavailable, match=str(directory / "credential")):
        source.current()
    directory.mkdir()
    with pytest.raises(SecretUnavailable):
        source.current()
    (directory / "credential").write_text("key")
    assert source.current().reveal() == b"key"


def test_a_deleted_file_is_a_revoked_credential(mount: _Mount) -> None:
    """A file that is gone means no secret at once, and none of before when it comes back unusable."""
    source = DirectorySecret(mount.directory)
    assert source.current().reveal() == b"one"
    (mount.directory / "..data").unlink()
    with pytest.raises(SecretUnavailable, match="credential"):
        source.current()
    (mount.directory / "credential").unlink()
    (mount.directory / "credential").write_text("")
    with pytest.raises(SecretUnavailable):
        source.current()
    (mount.directory / "credential").write_text("two")
    assert source.current().reveal() == b"two"


def test_a_forbidden_file_is_a_revoked_credential(plain: Path) -> None:
    """A file that may not be read means no secret at once, and none of before when it comes back unusable."""
    file = plain / "credential"
    file.write_text("one")
    source = DirectorySecret(plain)
    assert source.current().reveal() == b"one"
    file.chmod(0)
    for _ in range(2):
        with pytest.raises(SecretUnavailable, match="credential cannot be read: Permission denied"):
            source.current()
    file.chmod(0o600)
    file.write_text("")
    with pytest.raises(SecretUnavailable):
        source.current()
    file.write_text("two")
    assert source.current().reveal() == b"two"


def test_a_forbidden_directory_is_a_revoked_credential(plain: Path) -> None:
    """A directory that may not be entered means no secret at once."""
    (plain / "credential").write_text("one")
    source = DirectorySecret(plain)
    assert source.current().reveal() == b"one"
    plain.chmod(0)
    with pytest.raises(SecretUnavailable, match="Permission denied"):
        source.current()
    plain.chmod(0o700)
    assert source.current().reveal() == b"one"


def test_a_file_that_is_forbidden_from_the_start_may_be_allowed_later(plain: Path) -> None:
    """A file that may not be read is like a missing one: the source is built and has nothing until it may."""
    file = plain / "credential"
    file.write_text("one")
    file.chmod(0)
    source = DirectorySecret(plain)
    with pytest.raises(SecretUnavailable, match="Permission denied"):
        source.current()
    file.chmod(0o600)
    assert source.current().reveal() == b"one"


NO_FILES: dict[str, Callable[[Path], None]] = {
    "a FIFO that nobody writes to": os.mkfifo,
    "a directory": Path.mkdir,
    "a device without an end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to("credential"),
}


@pytest.mark.parametrize("put", NO_FILES.values(), ids=NO_FILES)
@pytest.mark.timeout(5)
def test_what_is_no_file_blocks_nobody(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """Something else than a file means no secret, without waiting, from the start and in a file's place."""
    put(tmp_path / "credential")
    with pytest.raises(SecretUnavailable, match="credential"):
        DirectorySecret(tmp_path).current()
    (tmp_path / "once").mkdir()
    (tmp_path / "once" / "credential").write_text("one")
    source = DirectorySecret(tmp_path / "once")
    assert source.current().reveal() == b"one"
    (tmp_path / "once" / "credential").unlink()
    put(tmp_path / "once" / "credential")
    with pytest.raises(SecretUnavailable, match="credential"):
        source.current()


UNUSABLE = [
    pytest.param("", id="an empty file"),
    pytest.param("\n", id="a line end alone"),
    pytest.param(f"{VALUE}\nx: y", id="a line end inside"),
    pytest.param(f"{VALUE}\0\0\0", id="NULs of a file half written"),
    pytest.param(f"{VALUE}é", id="a letter beyond ASCII"),
    pytest.param(VALUE * 4000, id="far too many bytes"),
]


@pytest.mark.parametrize("content", UNUSABLE)
@pytest.mark.parametrize("write", [_in_place, _renamed], ids=["written in place", "renamed"])
def test_an_unusable_file_keeps_the_last_good_value(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, write: Callable[[Path, str], None], content: str
) -> None:
    """A file caught empty or half written keeps the last good value; the log says so, without any value."""
    file = tmp_path / "credential"
    file.write_text("sk-live-good")
    source = DirectorySecret(tmp_path)
    assert source.current().reveal() == b"sk-live-good"
    write(file, content)
    with caplog.at_level(logging.DEBUG):
        assert source.current().reveal() == b"sk-live-good"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(file) in caplog.text and "sk-live" not in caplog.text
    _in_place(file, "better")
    assert source.current().reveal() == b"better"


def test_an_unusable_file_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that stays unusable is logged when it changes and not at each request."""
    (tmp_path / "credential").write_text("good")
    source = DirectorySecret(tmp_path)
    source.current()
    _in_place(tmp_path / "credential", "")
    for _ in range(5):
        assert source.current().reveal() == b"good"
    assert len(caplog.records) == 1


@pytest.mark.parametrize("content", UNUSABLE)
def test_an_unusable_file_without_a_good_one_before_is_no_secret(tmp_path: Path, content: str) -> None:
    """Where there was no good value there is none to keep; the refusal names the file and not its content."""
    source = DirectorySecret(tmp_path)
    (tmp_path / "credential").write_text(content)
    with pytest.raises(SecretUnavailable, match=str(tmp_path)) as caught:
        source.current()
    assert "sk-live" not in str(caught.value)
    (tmp_path / "credential").write_text("key")
    assert source.current().reveal() == b"key"


DEFECTS = [
    pytest.param(b"", "is empty", id="nothing"),
    pytest.param(b"\r\n", "is empty", id="a line end alone"),
    pytest.param(b"sk-live\r\nx: y", "holds a line end", id="a header of its own"),
    pytest.param(b"sk-live\0x", "holds a control byte", id="a NUL"),
    pytest.param(b"\xef\xbb\xbfsk-live", "begins with a byte order mark", id="a UTF-8 byte order mark"),
    pytest.param("sk-live".encode("utf-16"), "begins with a byte order mark", id="UTF-16"),
    pytest.param(b"sk-live\xc3\xa9", "holds a character beyond ASCII", id="a letter beyond ASCII"),
    pytest.param(b"sk-live\xff", "holds a character beyond ASCII", id="a byte of no encoding"),
    pytest.param(b"sk-live" * 2000, "is longer than 8192 bytes", id="more than 8 KiB"),
]


@pytest.mark.parametrize(("content", "defect"), DEFECTS)
def test_a_bad_file_is_no_secret_and_says_why(tmp_path: Path, content: bytes, defect: str) -> None:
    """A file that holds what no header can carry is named with its defect, and no frame shows what it holds."""
    (tmp_path / "credential").write_bytes(content)
    source = DirectorySecret(tmp_path)
    with pytest.raises(SecretUnavailable, match=f"credential {defect}") as caught:
        source.current()
    assert source.state().fingerprint is None and defect in source.state().failure
    assert "sk-live" not in _printed(caught.value) and "sk-live" not in told_by(caught.value)


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of ten megabytes is refused by its size alone: nobody opens it."""
    with (tmp_path / "credential").open("wb") as file:
        file.truncate(10 * 1024 * 1024)

    def refuse(*_: object) -> int:
        raise AssertionError("it was opened")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SecretUnavailable, match="is longer than 8192 bytes"):
        DirectorySecret(tmp_path).current()


def test_a_file_that_is_being_written_keeps_the_value_before(tmp_path: Path) -> None:
    """Truncated and written in pieces, a file never gives a part of its key; a second later it gives the new one."""
    (tmp_path / "credential").write_text("sk-live-old")
    source = DirectorySecret(tmp_path)
    assert source.current().reveal() == b"sk-live-old"
    with (tmp_path / "credential").open("w") as file:
        for piece in ("sk-", "live-", "n", "ew"):
            assert source.current().reveal() == b"sk-live-old"
            file.write(piece)
            file.flush()
            assert source.current().reveal() == b"sk-live-old"
    began = time.monotonic()
    while source.current().reveal() == b"sk-live-old" and time.monotonic() - began < 1:
        time.sleep(0.01)
    assert source.current().reveal() == b"sk-live-new"


def test_a_file_from_the_future_counts_all_the_same(tmp_path: Path) -> None:
    """Where the file's clock is ahead of ours, a file counts once it has been seen the same for a while."""
    (tmp_path / "credential").write_text("old")
    source = DirectorySecret(tmp_path)
    assert source.current().reveal() == b"old"
    (tmp_path / "credential").write_text("new")
    os.utime(tmp_path / "credential", (time.time() + 3600, time.time() + 3600))
    assert source.current().reveal() == b"old"
    began = time.monotonic()
    while source.current().reveal() == b"old" and time.monotonic() - began < 1:
        time.sleep(0.01)
    assert source.current().reveal() == b"new"


TROUBLES = {
    "an I/O error": (errno.EIO, True),
    "a mount that is away": (errno.ESTALE, True),
    "no file descriptor left": (errno.EMFILE, True),
    "no memory": (errno.ENOMEM, True),
    "a time limit of the network": (errno.ETIMEDOUT, True),
    "no such file": (errno.ENOENT, False),
    "no right to read it": (errno.EACCES, False),
    "no right to enter": (errno.EPERM, False),
    "a file where a folder was": (errno.ENOTDIR, False),
}


@pytest.mark.parametrize(("number", "kept"), TROUBLES.values(), ids=TROUBLES)
@pytest.mark.parametrize("call", ["stat", "open"])
def test_trouble_keeps_the_last_good_value_and_absence_revokes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kept: bool
) -> None:
    """What says nothing about the file keeps its value; gone and forbidden take it away at once."""
    file = tmp_path / "credential"
    file.write_text("good")
    source = DirectorySecret(tmp_path)
    assert source.current().reveal() == b"good"
    if call == "open":
        _renamed(file, "better")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        if kept:
            assert source.current().reveal() == b"good"
            assert os.strerror(number) in source.state().failure
        else:
            with pytest.raises(SecretUnavailable, match="cannot be read"):
                source.current()
    assert source.current().reveal() == (b"better" if call == "open" else b"good")
    assert not source.state().failure


def test_the_last_good_value_is_not_used_for_ever(tmp_path: Path) -> None:
    """A file that stays unusable for longer than max_stale means no secret, which its state tells with its age."""
    file = tmp_path / "credential"
    _in_place(file, "good")
    source = DirectorySecret(tmp_path, max_stale=0.1)
    written, before = file.stat().st_mtime, time.time()
    assert source.current().reveal() == b"good"
    fresh = source.state()
    assert fresh == SecretState(Secret("good").fingerprint, written, fresh.confirmed)
    _in_place(file, "")
    assert source.current().reveal() == b"good"
    stale = source.state()
    assert stale.fingerprint == Secret("good").fingerprint and "is empty" in stale.failure
    assert stale.confirmed is not None and before - 1 <= stale.confirmed <= time.time()
    time.sleep(0.12)
    with pytest.raises(SecretUnavailable, match=r"is empty; the last good value is older than 0\.1 s"):
        source.current()
    assert source.state().fingerprint is None
    _in_place(file, "better")
    assert source.current().reveal() == b"better"


@pytest.mark.parametrize("key", ["../credential", "a/b", "/etc/passwd", "..", "..data"])
def test_a_key_that_leads_elsewhere_is_refused(tmp_path: Path, key: str) -> None:
    """A key is the name of a file in the directory, and not one of the kubelet's own."""
    with pytest.raises(ConfigurationError, match="key"):
        DirectorySecret(tmp_path, key)


def test_sources_compare_by_what_they_name(mount: _Mount) -> None:
    """A source is a directory, a key and a scheme, whatever it has read; its text shows these and no value."""
    mount.publish(VALUE)
    source = DirectorySecret(mount.directory)
    source.current()
    assert source == DirectorySecret(mount.directory) and hash(source) == hash(DirectorySecret(mount.directory))
    assert source != DirectorySecret(mount.directory, scheme="Bearer")
    assert str(mount.directory) in repr(source) and "sk-live" not in repr(source)
