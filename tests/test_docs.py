"""The manual is checked: every public name has a heading and a docstring, every link leads somewhere."""

import inspect
import re
from pathlib import Path

import pytest

import gateway_filters

ROOT = Path(__file__).parents[1]
HEADINGS = set(re.findall(r"^### (\w+)$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE))
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def test_reference_lists_exactly_the_public_names() -> None:
    """A public name without a heading, or a heading without a name, is a defect."""
    assert set(gateway_filters.__all__) == HEADINGS


@pytest.mark.parametrize("name", gateway_filters.__all__)
def test_public_names_are_documented(name: str) -> None:
    """Every public class and function says what it is, and so does each of its public methods."""
    thing = getattr(gateway_filters, name)
    if not inspect.isclass(thing) and not inspect.isfunction(thing):
        return
    assert thing.__doc__, name
    for key, member in vars(thing).items():
        if inspect.isfunction(member) and not key.startswith("_"):
            assert member.__doc__, f"{name}.{key}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of the manual names a file that exists."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    """A path in back quotes that looks like one of our Python files is one."""
    text = page.read_text()
    for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text):
        places = (ROOT / name, ROOT / "src/gateway_filters" / name)
        assert any(place.exists() for place in places), f"{page.name} names {name}"
