"""The page on the differences from Envoy and the table in code say the same."""

import re
from pathlib import Path

from differences import DIFFERENCES

PAGE = (Path(__file__).parents[2] / "docs/differences-from-envoy.md").read_text()
SEEN, ELSEWHERE = PAGE.split("\n# Not compared here\n")


def test_every_difference_has_its_heading() -> None:
    """A rule without a heading, or a heading without a rule, is a defect; the order is the same too."""
    assert re.findall(r"^## (.+)$", SEEN, re.MULTILINE) == list(DIFFERENCES)


def test_every_difference_is_told_once() -> None:
    """No heading stands there twice, in neither part."""
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert len(headings) == len(set(headings))


def test_every_difference_has_its_reason() -> None:
    """Under each heading there is text before the next."""
    sections = re.split(r"^## .+$", PAGE, flags=re.MULTILINE)[1:]
    assert all(len(section.strip()) > 40 for section in sections)
