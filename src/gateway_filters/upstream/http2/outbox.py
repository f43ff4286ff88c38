"""A request's body on its way out, apart from whoever brings it and whoever takes it away. Pure.

As long as it is short, what has left is kept: a request that was not processed may be sent again.
"""

from collections import deque
from collections.abc import Sequence

from hpack.struct import HeaderTuple

from gateway_filters.errors import BadRequest

_MOST_KEPT = 64 * 1024


class Outbox:
    """Pieces in the order they leave; ``length`` is what the head says of them all, None if it does not.

    ``whole``: no other piece will be put in, and ``trailers`` are what is to be sent behind them.
    """

    __slots__ = ("_at", "_kept", "_left", "_length", "_pieces", "_size", "trailers", "whole")

    def __init__(self, length: int | None) -> None:
        self.whole = False
        self.trailers: Sequence[HeaderTuple] = ()
        self._length = length
        self._size = 0
        self._pieces: deque[bytes] = deque()
        self._left: list[bytes] | None = []
        self._at = 0
        self._kept = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is there to be sent now."""
        return not self._pieces

    def put(self, piece: bytes) -> None:
        """Another piece; raises ``BadRequest`` when the body gets longer than its head says."""
        if not piece:
            return
        self._size += len(piece)
        if self._length is not None and self._size > self._length:
            raise BadRequest("the request's body is longer than its head says")
        self._pieces.append(piece)

    def close(self, trailers: Sequence[HeaderTuple] = ()) -> None:
        """That was all, but for ``trailers``; raises ``BadRequest`` when the body is shorter than its head says."""
        if self._length is not None and self._size != self._length:
            raise BadRequest("the request's body is shorter than its head says")
        self.trailers = trailers
        self.whole = True

    def next(self, most: int) -> memoryview:
        """What is to be sent next, ``most`` bytes of it at most; there must be something."""
        return memoryview(self._pieces[0])[self._at : self._at + most]

    def ends_with(self, size: int) -> bool:
        """Whether so many bytes more are all that there will ever be, trailers included."""
        return self.whole and not self.trailers and len(self._pieces) == 1 and self._at + size == len(self._pieces[0])

    def sent(self, size: int) -> None:
        """So many bytes of the next piece have left."""
        self._at += size
        if self._at == len(self._pieces[0]):
            self._at = 0
            self._keep(self._pieces.popleft())

    def rewind(self) -> bool:
        """Begin again from the first byte; False when it is not there any more."""
        if self._left is None:
            return False
        self._pieces.extendleft(reversed(self._left))
        self._left.clear()
        self._kept = self._at = 0
        return True

    def _keep(self, piece: bytes) -> None:
        self._kept += len(piece)
        if self._left is not None:
            self._left.append(piece)
            if self._kept > _MOST_KEPT:
                self._left = None
