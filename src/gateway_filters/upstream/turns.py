"""Who waits for a connection: clients take turns, the requests of one client come in their order (RFC 970).

However many requests one client has in the queue, another one's next request is as many turns away as there are
clients. Where the queue is full, a request of a client that has fewer takes the place of the youngest one of the
client that has most: filling a queue must not keep others out of it.
"""

from asyncio import Future
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

W = TypeVar("W", bound=Hashable)
F = TypeVar("F", bound="Future[Any]")


class Turns(Generic[W]):
    """Waiters of clients. All steps are O(1), but for making room in a full queue, which looks at its clients."""

    __slots__ = ("_client_of", "_lines")

    def __init__(self) -> None:
        self._lines: dict[Hashable, dict[W, None]] = {}  # the client whose turn it is comes first
        self._client_of: dict[W, Hashable] = {}

    def __len__(self) -> int:
        return len(self._client_of)

    def join(self, waiter: W, client: Hashable) -> None:
        """Wait, behind all others of that client."""
        self._client_of[waiter] = client
        self._lines.setdefault(client, {})[waiter] = None

    def leave(self, waiter: W) -> None:
        """Wait no longer; nothing for who does not."""
        if waiter in self._client_of:
            client = self._client_of.pop(waiter)
            line = self._lines[client]
            del line[waiter]
            if not line:
                del self._lines[client]

    def next(self) -> W | None:
        """Whose turn it is, and waits no longer herewith; None where nobody waits."""
        if not self._lines:
            return None
        client, line = next(iter(self._lines.items()))
        waiter = next(iter(line))
        self.leave(waiter)
        if line:
            self._lines[client] = self._lines.pop(client)  # behind all other clients
        return waiter

    def crowded_out(self, client: Hashable) -> W | None:
        """Who makes room for one more request of ``client``, and waits no longer herewith; None for nobody."""
        most = max(self._lines.values(), key=len, default=None)
        if most is None or len(most) <= len(self._lines.get(client, ())) + 1:
            return None
        youngest = next(reversed(most))
        self.leave(youngest)
        return youngest


def first_waiting(turns: Turns[F]) -> F | None:
    """Whose turn it is of those who have not given up meanwhile, and waits no longer herewith; None for nobody."""
    while (waiter := turns.next()) is not None:
        if not waiter.done():
            return waiter
    return None


def make_room(turns: Turns[F], client: Hashable, busy: Exception) -> None:
    """Give ``busy`` to who makes room for ``client`` in a full queue; raises it where nobody does."""
    other = turns.crowded_out(client)
    if other is None:
        raise busy
    if not other.done():
        other.set_result(busy)
