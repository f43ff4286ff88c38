"""Conditions: what a controller says of an object, as values until they are written."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One statement about an object: a type that holds or not, the reason in one word, a sentence."""

    type: str
    holds: bool
    reason: str
    message: str = ""


class Conditions:
    """The conditions of one object, listener or parent, by type, in the order they were first stated."""

    def __init__(self, *positive: str) -> None:
        self._by_type = {name: Condition(name, holds=True, reason=name) for name in positive}

    def state(self, name: str, reason: str, message: str = "", *, holds: bool = True) -> None:
        """Say that ``name`` holds, or not, for ``reason``; replaces what was said of it."""
        self._by_type[name] = Condition(name, holds, reason, message)

    def fail(self, name: str, reason: str, message: str) -> None:
        """Say that ``name`` does not hold; the first failure of a type is the one that stays."""
        known = self._by_type.get(name)
        if known is None or known.holds:
            self.state(name, reason, message, holds=False)

    def take(self, others: "Conditions") -> None:
        """Say what ``others`` say besides; of two statements of a type the one that it does not hold stays."""
        for each in others:
            if not each.holds:
                self.fail(each.type, each.reason, each.message)
            elif each.type not in self._by_type:
                self._by_type[each.type] = each

    def holds(self, name: str) -> bool:
        """Whether ``name`` was stated and holds."""
        known = self._by_type.get(name)
        return known is not None and known.holds

    def message(self, name: str) -> str:
        """What was said of ``name``; empty where nothing was."""
        known = self._by_type.get(name)
        return "" if known is None else known.message

    def __iter__(self) -> Iterator[Condition]:
        return iter(self._by_type.values())
