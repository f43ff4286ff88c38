"""What a package needs to run, as it is installed: itself, and all that its requirements lead to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

Installed = Mapping[str, Distribution]
"""Distributions by their name in its one form (PyPA, name normalization)."""


@dataclass(frozen=True, slots=True)
class Needed:
    """A distribution, and the names of those that it needs itself."""

    name: str
    version: str
    needs: frozenset[str]
    distribution: Distribution


def installed(distributions: Iterable[Distribution]) -> dict[str, Distribution]:
    """Distributions by name; of several with the same the first counts, as for imports."""
    found: dict[str, Distribution] = {}
    for each in distributions:
        found.setdefault(canonicalize_name(each.metadata["Name"]), each)
    return found


def needed(root: str, extras: Iterable[str], found: Installed) -> dict[str, Needed]:
    """``root`` with ``extras``, and all that it needs here, by name; raises ``LookupError`` for what is missing."""
    asked: dict[str, set[str]] = {}
    waiting = [Requirement(f"{root}[{','.join(extras)}]")]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in asked and requirement.extras <= asked[name]:
            continue
        asked.setdefault(name, set()).update(requirement.extras)
        waiting.extend(_requirements(name, asked[name], found))
    return {name: _needed(name, extras, found) for name, extras in sorted(asked.items())}


def _needed(name: str, extras: set[str], found: Installed) -> Needed:
    needs = frozenset(canonicalize_name(each.name) for each in _requirements(name, extras, found))
    return Needed(name, found[name].version, needs, found[name])


def _requirements(name: str, extras: set[str], found: Installed) -> list[Requirement]:
    if name not in found:
        raise LookupError(f"{name} is needed and is not installed")
    stated = [Requirement(each) for each in found[name].requires or ()]
    return [each for each in stated if _counts(each, extras)]


def _counts(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": each}) for each in ("", *extras))
