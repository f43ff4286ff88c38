"""Finding a route for a preflight, a browser's OPTIONS that asks whether a page may send a request.

Gateway API leaves open how it finds a rule whose match names another method (HTTPCORSFilter). Here such a match takes
the preflights that ask for its method, with its usual precedence, when its rule or its policy has CORS, or every
backend that its requests may go to; one that takes OPTIONS and is as strong goes first.
"""

from collections.abc import Iterable

from gateway_filters.filters.cors import CORS, requested_method
from gateway_filters.filters.filter import Filter
from gateway_filters.message.head import RequestHead
from gateway_filters.routing.hosts import Find
from gateway_filters.routing.route import Route


def preflight_finder(find: Find, routes: Iterable[Route]) -> Find:
    """``find``, which finds among ``routes``, with regard to what a preflight asks for."""
    if not any(map(_answers, routes)):
        return find  # nobody has to look for preflights

    def find_for_preflight(head: RequestHead) -> Route | None:
        found = find(head)
        method = requested_method(head)
        meant = None if method is None else find(head.with_method(method))
        if meant is None or not _answers(meant):
            return found
        return meant if found is None or meant.precedence < found.precedence else found

    return find_for_preflight


def _answers(route: Route) -> bool:
    if route.match.method is None:
        return False
    if route.security is not None and route.security.cors is not None:
        return True
    live = [each for each in route.backends if each.weight > 0]
    return _has_cors(route.filters) or (bool(live) and all(_has_cors(each.filters) for each in live))


def _has_cors(filters: Iterable[Filter]) -> bool:
    return any(isinstance(each, CORS) for each in filters)
