"""The status file: replaced as a whole, of what has not changed the text stays, and a failure is told once."""

import resource
import signal
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import yaml

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api import status_file
from gateway_filters.gateway_api.controller import Controller
from gateway_filters.gateway_api.credential_status import CredentialStatus
from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.status_file import StatusFile

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: one}
spec: {parentRefs: [{name: g}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: two}
spec: {parentRefs: [{name: g}]}
"""

NO_CREDENTIALS = CredentialStatus(())


class Files:
    """Manifests that may change, and their meaning."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "all.yaml"
        self._controller = Controller([folder])

    def meaning(self, text: str) -> Translation:
        """What the manifests mean when they are ``text``."""
        self._file.write_text(text)
        translation = self._controller.look({})
        assert translation is not None
        return translation


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A folder of manifests."""
    (tmp_path / "m").mkdir()
    return Files(tmp_path / "m")


def test_only_what_has_changed_is_written_anew(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing out ten thousand objects takes seconds; the file is the same as if all were."""
    file = tmp_path / "status.yaml"
    status = StatusFile(file)
    assert status.write(files.meaning(MANIFESTS), NO_CREDENTIALS) is None
    written: list[str] = []
    as_yaml = status_file.as_yaml

    def counting(values: list[status_file.Json]) -> str:
        written.extend(each["metadata"]["name"] for each in values)
        return as_yaml(values)

    monkeypatch.setattr(status_file, "as_yaml", counting)
    changed = files.meaning(MANIFESTS.replace("{name: two}\nspec: {", "{name: two}\nspec: {hostnames: [a.b], "))
    assert status.write(changed, NO_CREDENTIALS) is None
    assert written == ["two"]
    StatusFile(tmp_path / "whole.yaml").write(changed, NO_CREDENTIALS)
    assert file.read_text() == (tmp_path / "whole.yaml").read_text()
    generations = {
        each["metadata"]["name"]: each["metadata"]["generation"] for each in yaml.safe_load_all(file.read_text())
    }
    assert generations == {"g": 1, "one": 1, "two": 2}


@contextmanager
def full_disk(_: Path) -> Generator[None]:
    """No file may grow longer than a few bytes."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def missing_folder(file: Path) -> Generator[None]:
    """The folder has another name for a while."""
    file.parent.rename(file.parent.with_name("elsewhere"))
    yield
    file.parent.with_name("elsewhere").rename(file.parent)


@contextmanager
def a_folder_instead(file: Path) -> Generator[None]:
    """The file's name is taken by a folder."""
    file.unlink(missing_ok=True)
    file.mkdir()
    yield
    file.rmdir()


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        pytest.param(full_disk, "File too large", id="a disk that is full"),
        pytest.param(missing_folder, "No such file or directory", id="a folder that is missing"),
        pytest.param(a_folder_instead, "it is not a regular file", id="a name that is a folder's"),
    ],
)
def test_what_cannot_be_written_is_told_once(
    files: Files, tmp_path: Path, broken: Callable[[Path], AbstractContextManager[None]], why: str
) -> None:
    """One sentence with the file's name, again only after it has been written; nothing is left behind."""
    file = tmp_path / "status" / "status.yaml"
    file.parent.mkdir()
    status, translation = StatusFile(file), files.meaning(MANIFESTS)
    for _ in range(2):
        with broken(file):
            assert status.write(translation, NO_CREDENTIALS) == f"cannot write the status to {file}: {why}"
            assert status.write(translation, NO_CREDENTIALS) is None
        assert status.write(translation, NO_CREDENTIALS) is None
        assert len(list(yaml.safe_load_all(file.read_text()))) == 3
    assert [each.name for each in file.parent.iterdir()] == ["status.yaml"]


def test_a_file_that_cannot_be_written_stays_as_it_was(files: Files, tmp_path: Path) -> None:
    """A reader never sees half of it."""
    file = tmp_path / "status.yaml"
    status = StatusFile(file)
    status.write(files.meaning(MANIFESTS), NO_CREDENTIALS)
    before, changed = file.read_text(), files.meaning(MANIFESTS.replace("name: two", "name: three"))
    with full_disk(file):
        assert status.write(changed, NO_CREDENTIALS)
    assert file.read_text() == before


def test_what_a_link_leads_to_is_written(files: Files, tmp_path: Path) -> None:
    """The link stays."""
    (tmp_path / "far").mkdir()
    link = tmp_path / "status.yaml"
    link.symlink_to("far/status.yaml")
    StatusFile(link).write(files.meaning(MANIFESTS), NO_CREDENTIALS)
    assert link.is_symlink()
    assert (tmp_path / "far/status.yaml").read_text().startswith("---")


def test_the_status_must_not_be_read_as_a_manifest(tmp_path: Path) -> None:
    """Each load would write what the next one reads."""
    folder = tmp_path / "m"
    folder.mkdir()
    (tmp_path / "link").symlink_to("m")
    with pytest.raises(ConfigurationError, match=r"status\.yaml would be read as a manifest"):
        StatusFile(folder / "status.yaml", [tmp_path / "link"])
    StatusFile(folder / "status.txt", [folder])
    StatusFile(tmp_path / "status.yaml", [folder])
