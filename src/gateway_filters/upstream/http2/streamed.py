"""Whom a connection works for: what it tells the exchange that has one of its streams."""

from abc import abstractmethod
from typing import Protocol

from hpack.struct import HeaderTuple


class Streamed(Protocol):
    """The exchange that has a stream of a connection."""

    @abstractmethod
    def head(self, fields: list[HeaderTuple]) -> None:
        """The head of the answer has come, or one before it."""

    @abstractmethod
    def tail(self, fields: list[HeaderTuple]) -> None:
        """The trailers have come."""

    @abstractmethod
    def data(self, piece: bytes, size: int) -> None:
        """A piece of the body has come, which takes ``size`` bytes of the window."""

    @abstractmethod
    def ended(self) -> None:
        """The other side has said all."""

    @abstractmethod
    def push(self) -> None:
        """There may be room to send."""

    # The stream is no longer this exchange's once one of these is said.

    @abstractmethod
    def reset(self, code: int) -> None:
        """The other side has ended the stream before its time."""

    @abstractmethod
    def unprocessed(self, reason: str) -> None:
        """The other side vouches that it has done nothing."""

    @abstractmethod
    def malformed(self, reason: str) -> None:
        """What came is not HTTP/2."""

    @abstractmethod
    def lost(self, reason: str, *, silent: bool) -> None:
        """The connection is gone; ``silent`` when it had served before, and nothing has come since the stream began."""
