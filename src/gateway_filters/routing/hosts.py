"""Finding by host name: what fits a request's host best comes first."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from gateway_filters.matching.hostname import host_of, parents
from gateway_filters.message.head import RequestHead
from gateway_filters.routing.route import Route

T = TypeVar("T")

Find = Callable[[RequestHead], Route | None]
"""Gives the route that takes a request, or None."""


def fitting(by_hostname: Mapping[str | None, T], host: str) -> Iterator[tuple[str | None, T]]:
    """What there is for ``host``: under its own name, under the wildcards that cover it, longest first, under None."""
    for hostname in (host, *parents(host), None):
        if hostname in by_hostname:
            yield hostname, by_hostname[hostname]


def finder(by_hostname: Mapping[str | None, Find], *, isolated: bool) -> Find:
    """One way to find of those for each host name: the first route found counts.

    With ``isolated`` only those under the host name that fits best are candidates.
    """
    if len(by_hostname) == 1 and None in by_hostname:
        return by_hostname[None]  # nobody has to look at the request's host

    def find(head: RequestHead) -> Route | None:
        for _, each in fitting(by_hostname, host_of(head.authority)):
            route = each(head)
            if route is not None or isolated:
                return route
        return None

    return find
