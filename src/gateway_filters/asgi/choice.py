"""Weighted choice between apps (Gateway API, HTTPBackendRef weight)."""

import asyncio
import random
from bisect import bisect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.lifespan import close
from gateway_filters.asgi.shell import HeadApp, serving
from gateway_filters.message.head import RequestHead

T = TypeVar("T")


class WeightedChoice(HeadApp):
    """Sends each request to one of several apps, drawn with probability weight / sum of weights.

    ``choices`` are (app, weight) pairs with a sum above 0; weight 0 is never drawn. ``draw`` gives a number
    from 0 up to, not including, 1.
    """

    def __init__(self, choices: Sequence[tuple[ASGIApp, int]], *, draw: Callable[[], float] = random.random) -> None:
        self._bounds = [*accumulate(weight for _, weight in choices)]
        self._apps = [app for app, _ in choices]
        self._serve = [serving(app) for app in self._apps]
        self._draw = draw

    def serve(self, head: RequestHead, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Draw and call."""
        return self._serve[self._drawn()](head, scope, receive, send)

    async def beside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Draw and call."""
        await self._apps[self._drawn()](scope, receive, send)

    async def aclose(self) -> None:
        """Close the apps, those of them that can be closed."""
        await asyncio.gather(*(close(app) for app in self._apps))

    def _drawn(self) -> int:
        return bisect(self._bounds, self._draw() * self._bounds[-1])


def shuffled(weighted: Sequence[tuple[T, int]], draw: Callable[[], float]) -> Iterator[T]:
    """Everything that has a weight, each drawn by weight among what is left."""
    left = [each for each in weighted if each[1]]
    while left:
        bounds = [*accumulate(weight for _, weight in left)]
        yield left.pop(bisect(bounds, draw() * bounds[-1]))[0]
