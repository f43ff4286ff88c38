"""Weighted choice between apps (Gateway API, HTTPBackendRef weight)."""

import asyncio
import random
from collections.abc import Callable, Sequence
from itertools import accumulate

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_filters.asgi.lifespan import close


class WeightedChoice:
    """Sends each request to one of several apps, drawn with probability weight / sum of weights.

    ``choices`` are (app, weight) pairs with a sum above 0; weight 0 is never drawn. ``draw`` gives a number
    from 0 up to, not including, 1.
    """

    def __init__(self, choices: Sequence[tuple[ASGIApp, int]], *, draw: Callable[[], float] = random.random) -> None:
        self._bounds = [*accumulate(weight for _, weight in choices)]
        self._apps = [app for app, _ in choices]
        self._draw = draw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Draw and call."""
        ticket = self._draw() * self._bounds[-1]
        chosen = next(app for app, bound in zip(self._apps, self._bounds, strict=True) if ticket < bound)
        await chosen(scope, receive, send)

    async def aclose(self) -> None:
        """Close the apps, those of them that can be closed."""
        await asyncio.gather(*(close(app) for app in self._apps))
