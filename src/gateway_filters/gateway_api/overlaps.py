"""HTTPS listeners of one socket whose host names overlap (Gateway API, OverlappingTLSConfig).

A client that has a connection for one name may send requests for the other one over it, and is turned away with 421.
That is worth saying, and no fault: the condition holds, or is not there.
"""

from collections.abc import Iterator, Mapping

from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.matching.hostname import parents

Names = Mapping[str | None, tuple[str, Conditions]]
"""The listeners of a socket by their host names: what they are called, and what is said of them."""


def state_overlaps(listeners: Names) -> None:
    """Say of each listener which other one has an overlapping host name."""
    for one, other in _pairs(listeners):
        for (_, conditions), (name, _) in ((listeners[one], listeners[other]), (listeners[other], listeners[one])):
            sentence = f"its host name overlaps with that of listener {name}"
            conditions.state("OverlappingTLSConfig", "OverlappingHostnames", sentence)


def _pairs(listeners: Names) -> Iterator[tuple[str, str | None]]:
    for hostname in listeners:
        # Of two names that overlap one covers the other.
        for pattern in (*parents(hostname), None) if hostname else ():
            if hostname and pattern != hostname and pattern in listeners:
                yield hostname, pattern
