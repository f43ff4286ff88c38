"""Clients that ask a gateway without a pause while something changes."""

import threading
import time
from typing import Self

from run.gateway_run import eventually, get

Answer = tuple[int, str]


class Clients:
    """Four threads, each with a new connection for each request; ``answers`` are all that came, failures as 0."""

    def __init__(self, port: int, path: str = "/") -> None:
        self.answers: set[Answer] = set()
        self._port = port
        self._path = path
        self._last: dict[int, Answer] = {}
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=[number]) for number in range(4)]

    def all_see(self, answer: Answer, seconds: float) -> None:
        """Wait until this is the last answer of each of them."""
        eventually(lambda: list(self._last.values()) == [answer] * 4, seconds)

    def _ask(self, number: int) -> None:
        while not self._done.is_set():
            try:
                answer = get(self._port, self._path)
            except OSError as error:
                answer = (0, repr(error))
            self.answers.add(answer)
            self._last[number] = answer
            time.sleep(0.002)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()
