"""Routes and upstreams become one ASGI app. The only place that wires, and the order of steps with reasons.

failures( dispatch( rule filters as listed -> weighted choice -> backend filters -> credentials -> upstream ) )

- *Failures* are outermost, so that whatever breaks inside is answered once and in constant words.
- *Dispatch* sees the request as it came: filters of one route must not influence which route is taken.
- *Rule filters* run in the order of the manifest; a choice between backends comes after them, since
  backend filters belong to one backend only.
- *Credentials* come last, a rule's before a backend's (which wins): no other filter can copy, rename or
  remove what they inject, and nothing but the upstream ever holds it.
"""

from collections.abc import Callable, Sequence

from starlette.types import ASGIApp

from gateway_filters.asgi.choice import WeightedChoice
from gateway_filters.asgi.dispatch import Dispatch
from gateway_filters.asgi.failures import Failures
from gateway_filters.asgi.filtered import FilteredApp
from gateway_filters.filters import CredentialInjection, Filter, Refusal
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import Backend, Route, RouteTable, WeightedBackend

Upstreams = Callable[[Backend], ASGIApp]
"""Gives the app that reaches a backend."""


def assemble(routes: Sequence[Route], upstreams: Upstreams, otherwise: ASGIApp) -> ASGIApp:
    """The app that serves ``routes``; requests that none of them takes go to ``otherwise``."""
    table = RouteTable(routes)
    apps = {id(route): route_app(route, upstreams) for route in table.routes}

    def choose(head: RequestHead) -> ASGIApp | None:
        route = table.find(head)
        return None if route is None else apps[id(route)]

    return Failures(Dispatch(choose, otherwise))


def route_app(route: Route, upstreams: Upstreams) -> ASGIApp:
    """The app behind one route."""
    filters, credentials = _split(route.filters)
    live = [each for each in route.backends if each.weight > 0]
    if len(live) == 1:
        # One backend, one shell: each further shell costs a scope and a head.
        return _shell(_reach(live[0], upstreams), (*filters, *_ordered(live[0], credentials)))
    if not live:
        return FilteredApp(_nowhere, (*filters, Refusal(f"route {route.name} has no backend")))
    choices = [(_shell(_reach(each, upstreams), _ordered(each, credentials)), each.weight) for each in live]
    return _shell(WeightedChoice(choices), filters)


def _split(filters: Sequence[Filter]) -> tuple[tuple[Filter, ...], tuple[Filter, ...]]:
    others = tuple(each for each in filters if not isinstance(each, CredentialInjection))
    return others, tuple(each for each in filters if isinstance(each, CredentialInjection))


def _ordered(backend: WeightedBackend, credentials: tuple[Filter, ...]) -> tuple[Filter, ...]:
    filters, own = _split(backend.filters)
    return (*filters, *credentials, *own)


def _shell(app: ASGIApp, filters: tuple[Filter, ...]) -> ASGIApp:
    return FilteredApp(app, filters) if filters else app


def _reach(weighted: WeightedBackend, upstreams: Upstreams) -> ASGIApp:
    return upstreams(weighted.backend)


async def _nowhere(*_: object) -> None:
    raise AssertionError("a refused request went on")
