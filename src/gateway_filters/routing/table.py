"""The routes in the order in which they win."""

from collections.abc import Iterable

from gateway_filters.matching.hostname import host_of
from gateway_filters.message.head import RequestHead
from gateway_filters.routing.route import Route


class RouteTable:
    """Routes by precedence; of equal ones the one given first wins."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(sorted(routes, key=lambda route: route.precedence))

    def find(self, head: RequestHead) -> Route | None:
        """The route that takes the request, or None."""
        host = host_of(head.authority)
        return next((route for route in self.routes if route.mismatch(host, head) is None), None)
