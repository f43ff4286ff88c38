"""What a connection tells the exchange that it works for."""

from abc import abstractmethod
from typing import Protocol

from gateway_filters.upstream.response_head import AnswerHead, Fields, WholeAnswer
from gateway_filters.upstream.tunnel import Tunnel


class Served(Protocol):
    """The exchange that a connection works for."""

    bodiless: bool
    closes: bool
    switches: frozenset[bytes]
    uploaded: bool

    @abstractmethod
    def answer(self, head: AnswerHead) -> None:
        """The head of the answer has come."""

    @abstractmethod
    def whole(self, answer: WholeAnswer) -> None:
        """The answer has come, all of it; the connection is no longer this exchange's."""

    @abstractmethod
    def switch(self, fields: Fields, tunnel: Tunnel) -> None:
        """The other side has switched protocols; the connection is no longer this exchange's, ``tunnel`` is."""

    @abstractmethod
    def take(self, piece: bytes) -> None:
        """A piece of its body has come."""

    @abstractmethod
    def finish(self) -> None:
        """The answer is whole; the connection is no longer this exchange's."""

    @abstractmethod
    def malformed(self, reason: str) -> None:
        """What came is not HTTP; the connection is gone."""

    @abstractmethod
    def lost(self, reason: str, *, silent: bool) -> None:
        """The connection is gone; ``silent`` when not one byte had come on it for this exchange."""

    @abstractmethod
    def writable(self) -> None:
        """What was written has left, more may be."""
