"""Names: asked of the system in threads of their own, each once however many wait for it.

Facts
- ``getaddrinfo`` keeps a thread for as long as the system tries, which may be many seconds. An event loop's own threads
  are few (four more than there are processors) and everybody's, so a few slow names would hold up all others.
- Who gives up leaves the question to the others that wait for its answer, and one that nobody waits for any more is not
  asked. No answer is kept: each connection is made to what a name means now.
- The process does not wait for a thread at its end: there is nothing in it to be lost.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from threading import Thread
from weakref import WeakKeyDictionary

from gateway_filters.message.client import is_address

Address = tuple[socket.AddressFamily, tuple[object, ...]]

_MOST_THREADS = 64


async def look_up(host: str, port: int) -> list[Address]:
    """Where ``host`` is now, as the system says it; raises ``OSError`` when it says nothing."""
    if is_address(host):
        return [(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))]
    loop = asyncio.get_running_loop()
    questions = _questions.get(loop)
    if questions is None:
        questions = _questions[loop] = Questions()
    return await questions.ask(host, port)


def alternating(addresses: Sequence[Address]) -> list[Address]:
    """The families in turn (RFC 8305 4), beginning with the one that the system prefers."""
    preferred = addresses[0][0]
    first = [each for each in addresses if each[0] == preferred]
    second = [each for each in addresses if each[0] != preferred]
    pairs = zip_longest(first, second)
    return [each for pair in pairs for each in pair if each is not None]


@dataclass(eq=False, slots=True)
class _Question:
    """A name that is asked for, and how many wait for its answer."""

    host: str
    port: int
    answer: "asyncio.Future[_Answer]"
    waiting: int = 0


class Questions:
    """The names that are asked for in one event loop, so many at once; the others wait for their turn."""

    def __init__(self, most: int = _MOST_THREADS) -> None:
        self._free = most
        self._asked: dict[tuple[str, int], _Question] = {}
        self._queue: deque[_Question] = deque()

    async def ask(self, host: str, port: int) -> list[Address]:
        """The addresses of ``host``; raises ``OSError``."""
        loop = asyncio.get_running_loop()
        question = self._asked.get((host, port))
        if question is None:
            question = self._asked[host, port] = _Question(host, port, loop.create_future())
            self._queue.append(question)
        question.waiting += 1
        self._begin(loop)
        try:
            found = await asyncio.shield(question.answer)
        finally:
            question.waiting -= 1
        if isinstance(found, OSError):
            raise type(found)(*found.args)  # everybody an error of their own: one that is raised notes where
        return found

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._free and self._queue:
            question = self._queue.popleft()
            if not question.waiting:
                del self._asked[question.host, question.port]
                continue
            try:
                Thread(target=self._ask, args=(question, loop), name="a name", daemon=True).start()
            except RuntimeError as error:  # the system has no thread left
                self._tell(question, OSError(str(error)))
            else:
                self._free -= 1

    def _ask(self, question: _Question, loop: asyncio.AbstractEventLoop) -> None:
        """Ask the system, in a thread."""
        found = _answer(question.host, question.port)
        with suppress(RuntimeError):  # the loop has been closed, and nobody waits any more
            loop.call_soon_threadsafe(self._answered, question, found, loop)

    def _answered(self, question: _Question, found: "_Answer", loop: asyncio.AbstractEventLoop) -> None:
        self._free += 1
        self._tell(question, found)
        self._begin(loop)

    def _tell(self, question: _Question, found: "_Answer") -> None:
        del self._asked[question.host, question.port]
        question.answer.set_result(found)


_Answer = list[Address] | OSError

_questions: WeakKeyDictionary[asyncio.AbstractEventLoop, Questions] = WeakKeyDictionary()


def _answer(host: str, port: int) -> _Answer:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError:
        return OSError("it is not a name that could be looked up")
    return [(socket.AddressFamily(family), address) for family, _, _, _, address in found]
