"""Results with the questions that they stand on, and which of them still hold."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from gateway_filters.gateway_api.objects import Objects, Question
from gateway_filters.gateway_api.resources import Resource
from gateway_filters.gateway_api.translation import Context, Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Noted(Generic[T]):
    """A result, what was asked of the objects for it, and the problems found on the way."""

    value: T
    asked: set[Question]
    problems: dict[Problem, None]


def noted(context: Context, make: Callable[[Context], T]) -> Noted[T]:
    """What ``make`` makes of the context, with what it asks."""
    asked: set[Question] = set()
    problems: dict[Problem, None] = {}
    return Noted(make(noting(context, asked, problems)), asked, problems)


def noting(context: Context, asked: set[Question], problems: dict[Problem, None]) -> Context:
    """The context, with its questions and problems going to ``asked`` and ``problems``."""
    return replace(context, objects=context.objects.noting(asked), problems=problems)


class Since:
    """The way from some objects to others: which questions have another answer now.

    ``also`` says of a question whether something besides the objects has changed about it.
    """

    def __init__(self, before: Objects, now: Objects, also: Callable[[Question], bool] = lambda _: False) -> None:
        self._before = before
        self._now = now
        self._also = also
        self._changed: dict[Question, bool] = {}

    def hold(self, asked: Iterable[Question]) -> bool:
        """Whether all questions have the answers that they had."""
        return not any(map(self._has_changed, asked))

    def _has_changed(self, question: Question) -> bool:
        changed = self._changed.get(question)
        if changed is None:
            before, now = self._before.answer(question), self._now.answer(question)
            changed = self._changed[question] = not _same(before, now) or self._also(question)
        return changed


def _same(before: Sequence[Resource], now: Sequence[Resource]) -> bool:
    return len(before) == len(now) and all(one is other for one, other in zip(before, now, strict=True))
