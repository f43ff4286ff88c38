"""Limits as arguments: ``name=number``, each of the type of its field."""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import TypeVar, get_args

from gateway_filters.errors import ConfigurationError
from gateway_filters.http1.limits import Limits
from gateway_filters.http2 import Http2Limits
from gateway_filters.limits import check_above_zero
from gateway_filters.sockets import ServerLimits
from gateway_filters.upstream import Clocks


@dataclass(frozen=True, slots=True)
class UpstreamLimits(Clocks):
    """``Clocks``, and the most connections to each endpoint. Raises ``ConfigurationError`` for one of 0 or less."""

    connections: int | None = None

    def __post_init__(self) -> None:
        check_above_zero(self, "upstream")


_Kind = TypeVar("_Kind", Limits, Http2Limits, UpstreamLimits)

_OPTIONS = (
    ("http1", "HTTP/1 connections", "body_bytes=10000000"),
    ("http2", "HTTP/2 connections", "streams=200"),
    ("upstream", "requests to providers", "first_byte=300"),
)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add ``--http1``, ``--http2`` and ``--upstream``."""
    for name, whose, example in _OPTIONS:
        parser.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="LIMIT=NUMBER",
            help=f"a limit of {whose}, such as {example}; may be given again",
        )


def limits_of(options: argparse.Namespace) -> ServerLimits:
    """The limits with those that are given; raises ``ConfigurationError`` for what is none."""
    return ServerLimits(
        changed(Limits, "--http1", options.http1),
        changed(Http2Limits, "--http2", options.http2),
    )


def upstream_limits_of(options: argparse.Namespace) -> UpstreamLimits:
    """The same for the other side."""
    return changed(UpstreamLimits, "--upstream", options.upstream)


def changed(kind: type[_Kind], option: str, given: Iterable[str]) -> _Kind:
    """The defaults of ``kind`` with what is ``given`` as ``name=number``; raises ``ConfigurationError``."""
    types = {each.name: _number(each.type) for each in fields(kind)}
    values: dict[str, float] = asdict(kind())
    for text in given:
        name, _, number = text.partition("=")
        if name not in types:
            raise ConfigurationError(f"{option} {text}: the limits are {', '.join(types)}")
        try:
            values[name] = types[name](number)
        except ValueError:
            raise ConfigurationError(f"{option} {text}: {number!r} is no number for {name}") from None
    return kind(**values)  # pyright: ignore[reportArgumentType] - each has the type of its field


def _number(of: object) -> type[int] | type[float]:
    """``int`` or ``float``; where a limit may be none, too."""
    return float if float in (of, *get_args(of)) else int
