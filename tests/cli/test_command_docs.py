"""docs/command.md: its commands, run on its files, print what it shows."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from cli.cases import command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/command.md").read_text()
FILES = re.findall(r"^```yaml (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = re.findall(r"^```console\n\$ gateway-filters (.*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's files in a folder of their own, beside the reference route's."""
    shutil.copytree(ROOT / "reference_app/manifests", tmp_path / "gateway")
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("words", "shown"), [each for each in EXAMPLES if not each[0].startswith("run ")])
def test_examples_print_what_the_page_shows(words: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is told on stderr comes first, as in a terminal."""
    done = command(capsys, *shlex.split(words))
    assert done.err + done.out == shown


@pytest.mark.parametrize("name", ["check", "explain", "routes", "run"])
def test_every_command_has_an_example(name: str) -> None:
    """A heading and an example for each command that there is."""
    assert f"\n## {name}\n" in PAGE
    assert any(words.startswith(f"{name} ") for words, _ in EXAMPLES)


@pytest.mark.parametrize("name", ["check", "explain", "routes", "run"])
def test_every_argument_is_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each that ``--help`` lists stands on the page."""
    with pytest.raises(SystemExit):
        command(capsys, name, "--help")
    listed = set(re.findall(r"--[a-z][a-z0-9-]+|(?<= )-[a-zA-Z]\b", capsys.readouterr().out)) - {"--help", "-h"}
    assert listed
    assert {each for each in listed if each not in PAGE} == set()
