"""Routes and upstreams become one ASGI app. The only place that wires, and the order of steps with reasons.

failures( dispatch( stream errors( deadline( steps of the rule -> retry( attempt( weighted choice ->
steps of the backend -> credentials -> upstream ))))))

where the steps of a rule, and in the same way those of a backend, are

CORS -> security policy -> authorisation -> other filters as listed -> mirrors

and those of a security policy, which rules alone have,

authorisation service -> API key -> password -> token -> what the client may do

- *Failures* are outermost, so that whatever breaks inside is answered once and in constant words.
- *Dispatch* sees the request as it came: filters of one route must not influence which route is taken.
- *CORS* comes before all other filters: a preflight is answered and not redirected, and carries no credentials.
- *Security policies* come before all that a rule does, so that nothing of it happens for strangers; within, the
  order is Envoy's. A credential shown there is taken off before anything else sees the request.
- *Filters* run in the order of the manifest; a choice between backends comes after those of the rule, since
  steps of a backend belong to that backend only.
- *Mirrors* copy a request once, however often it is tried, and before it holds a credential.
- *Retry* draws a backend for each attempt, and each attempt has its own time.
- *The choice* of a backend is made again, among the others and then among fallbacks, when it accepts no connection;
  each brings steps and credentials of its own, and gets the request as it was before those of any other. Without
  fallbacks it is made once: weights are shares.
- *Credentials* come last, a rule's before a backend's (which wins): no other filter can copy, rename or
  remove what they inject, and nothing but the upstream ever holds it.
"""

import hmac
import math
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from starlette.types import ASGIApp

from gateway_filters.asgi.choice import WeightedChoice
from gateway_filters.asgi.deadline import Deadline
from gateway_filters.asgi.dispatch import Dispatch
from gateway_filters.asgi.events import EventErrors
from gateway_filters.asgi.external_auth import ExternallyAuthorized
from gateway_filters.asgi.failures import Failures
from gateway_filters.asgi.fallback import FirstConnected
from gateway_filters.asgi.fetch import fetched_text
from gateway_filters.asgi.filtered import FilteredApp
from gateway_filters.asgi.ingress import ingress_for
from gateway_filters.asgi.mirror import Mirroring
from gateway_filters.asgi.retry import Retrying
from gateway_filters.asgi.session import StickyChoice
from gateway_filters.asgi.shell import Serve, serving
from gateway_filters.credentials import FetchedKeys, KeySource
from gateway_filters.errors import GatewayFiltersError, RouteRefused
from gateway_filters.filters import Refusal
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import (
    Backend,
    ExternalAuth,
    Listener,
    ListenerTable,
    RemoteJWKS,
    Route,
    SecurityPolicy,
    SessionPersistence,
    Unusable,
    WeightedBackend,
    ranks,
)
from gateway_filters.steps import Filters, Stage, credentials, no_backend, obstacle, steps

Upstreams = Callable[[Backend], ASGIApp]
"""Gives the app that reaches a backend."""

Keys = Callable[[RemoteJWKS], KeySource]
"""Gives the source of keys that somebody publishes."""

_PROCESS_KEY = secrets.token_bytes(32)
_LARGEST_KEY_SET = 1024 * 1024
_STRICTEST = ("reject", "redirect", "forward", "keep")


def assemble(
    table: ListenerTable,
    app_of: Callable[[Route], ASGIApp],
    otherwise: ASGIApp,
    ingress: Callable[[RequestHead], RequestHead],
) -> ASGIApp:
    """The app that serves the routes of ``table``; requests that none of them takes go to ``otherwise``.

    ``app_of`` gives the app behind a route, ``ingress`` makes the canonical head that is matched, or raises
    ``BadRequest``.
    """
    apps = {id(route): serving(app_of(route)) for route in table.routes}

    def choose(head: RequestHead) -> Serve | None:
        route = table.find(head)
        return None if route is None else apps[id(route)]

    return Failures(Dispatch(choose, otherwise, ingress=ingress)).entered


def ingress_of(listeners: Iterable[Listener]) -> Callable[[RequestHead], RequestHead]:
    """What makes canonical heads for listeners; of several with one host name the strictest counts."""
    by_strictness = sorted(listeners, key=lambda each: _STRICTEST.index(each.escaped_slashes), reverse=True)
    return ingress_for({each.hostname: each.escaped_slashes for each in by_strictness})


def route_app(route: Route, upstreams: Upstreams, keys: Keys | None = None) -> ASGIApp:
    """The app behind one route; ``keys`` gives the source of keys that are fetched, by default one of its own."""
    if route.security is not None:
        keys = keys or partial(fetched_keys, upstreams=upstreams)
        route = replace(route, security=route.security.with_keys(keys))
    app = _stepped(route, _tried(route, upstreams), upstreams)
    app = Deadline(app, route.timeouts.request) if route.timeouts.request else app
    return EventErrors(app) if route.stream_errors else app


def fetched_keys(remote: RemoteJWKS, upstreams: Upstreams) -> FetchedKeys:
    """The keys that are published at ``remote``, fetched when they are needed."""
    serve = serving(_reach(remote.backend, upstreams))
    fetch = partial(fetched_text, serve, remote.authority, remote.target, _LARGEST_KEY_SET)
    return FetchedKeys(fetch, f"the keys of {remote.authority}", ttl=remote.cache, retry=remote.retry)


def _stepped(stage: Stage, app: ASGIApp, upstreams: Upstreams) -> ASGIApp:
    """``app`` behind the steps of a rule or a backend."""
    before, after = steps(stage)
    if stage.mirrors:
        app = Mirroring(app, [(_reach(each.backend, upstreams), each.share) for each in stage.mirrors])
    app = _shell(app, after)
    for auth in reversed(stage.auth):
        app = _permitted(auth, app, upstreams)
    if isinstance(stage, Route) and stage.security is not None:
        app = _admitted(stage.security, app, upstreams)
    return _shell(app, before)


def _admitted(policy: SecurityPolicy, app: ASGIApp, upstreams: Upstreams) -> ASGIApp:
    """``app`` for the clients that a policy lets in."""
    app = _shell(app, policy.filters)
    return app if policy.ext_auth is None else _permitted(policy.ext_auth, app, upstreams)


def _permitted(auth: ExternalAuth, app: ASGIApp, upstreams: Upstreams) -> ASGIApp:
    if isinstance(auth.backend, Unusable):
        return _Raising(RouteRefused(auth.backend.reason))
    service = _reach(auth.backend, upstreams)
    return ExternallyAuthorized(
        app,
        service if auth.timeout is None else Deadline(service, auth.timeout),
        path=auth.path,
        request_headers=auth.request_headers,
        response_headers=auth.response_headers,
        max_body=auth.max_body,
        whole_path=auth.whole_path,
        status_on_error=auth.status_on_error,
        fail_open=auth.fail_open,
    )


def _tried(route: Route, upstreams: Upstreams) -> ASGIApp:
    app = _chosen(route, upstreams)
    if route.timeouts.backend_request:
        app = Deadline(app, route.timeouts.backend_request)
    if route.retry is not None:
        retry = route.retry
        app = Retrying(app, attempts=retry.attempts, codes=retry.codes, backoff=retry.backoff)
    return app


def _chosen(route: Route, upstreams: Upstreams) -> ASGIApp:
    if route.session is not None:
        # First, since a session lasts even when its backend's weight is 0 by now.
        return _sticky(route, route.session, upstreams)
    refused = no_backend(route)
    if refused is not None:
        return FilteredApp(_nowhere, (Refusal(str(refused)),))
    first, fallbacks = (_weighted(route, rank, upstreams) for rank in ranks(route.backends))
    return FirstConnected((first, fallbacks), ahead=_ahead(route)) if fallbacks else _choice(first)


def _weighted(route: Route, rank: Iterable[WeightedBackend], upstreams: Upstreams) -> list[tuple[ASGIApp, int]]:
    return [(_sent(route, each, each.backend, upstreams), each.weight) for each in rank if each.weight > 0]


def _choice(apps: list[tuple[ASGIApp, int]]) -> ASGIApp:
    return apps[0][0] if len(apps) == 1 else WeightedChoice(apps)


def _ahead(route: Route) -> int:
    """How much of a body is read before a backend is connected to: services are asked about it."""
    return max((auth.max_body for each in route.backends for auth in each.auth), default=0)


def _sent(route: Route, chosen: WeightedBackend, to: Backend | Unusable, upstreams: Upstreams) -> ASGIApp:
    """The app for the requests that ``chosen`` is chosen for: its steps, credentials, and the way ``to`` it."""
    injections = credentials(route, chosen)
    return _stepped(chosen, _shell(_reach(to, upstreams, injects=bool(injections)), injections), upstreams)


def _sticky(route: Route, session: SessionPersistence, upstreams: Upstreams) -> ASGIApp:
    """A session keeps to an endpoint, so each endpoint is a choice of its own."""
    first, fallbacks = ranks(route.backends)
    split = [(each, _endpoints(each.backend)) for each in first]
    # A backend's weight is divided among its endpoints, in whole numbers.
    whole = math.lcm(*(len(endpoints) for _, endpoints in split))
    choices = [
        (name, _sent(route, each, single, upstreams), each.weight * whole // len(endpoints))
        for each, endpoints in split
        for name, single in endpoints
    ]
    reserves = _weighted(route, fallbacks, upstreams)
    if reserves:
        # While its endpoint accepts no connection a session is served as others are, and then it comes back.
        any_of = FirstConnected(([(app, weight) for _, app, weight in choices], reserves), ahead=_ahead(route))
        choices = [(name, any_of.beginning_with(at), weight) for at, (name, _, weight) in enumerate(choices)]
    return StickyChoice(
        choices,
        name=session.name,
        header=session.header,
        path=session.path,
        lifetime=session.lifetime,
        permanent=session.permanent,
        key=_session_key(route),
    )


def _session_key(route: Route) -> bytes:
    """A key of each rule: rules must not share sessions (Gateway API, SessionPersistence), its matches do."""
    return hmac.digest(_PROCESS_KEY, route.name.partition("/matches/")[0].encode(), "sha256")


def _endpoints(backend: Backend | Unusable) -> list[tuple[str, Backend | Unusable]]:
    if isinstance(backend, Unusable) or len(backend.endpoints) < 2:
        return [(backend.name, backend)]
    return [
        (f"{backend.name}/{each.unix or each.host}:{each.port}", replace(backend, endpoints=(each,)))
        for each in backend.endpoints
    ]


def _shell(app: ASGIApp, filters: Filters) -> ASGIApp:
    """One shell for all of them: each further shell costs a scope and a head."""
    if isinstance(app, FilteredApp):
        app, filters = app.app, (*filters, *app.filters)
    return FilteredApp(app, filters) if filters else app


def _reach(backend: Backend | Unusable, upstreams: Upstreams, *, injects: bool = False) -> ASGIApp:
    error = obstacle(backend, injects=injects)
    if error is not None:
        return _Raising(error)
    assert isinstance(backend, Backend)
    return upstreams(backend)


class _Raising:
    """Stands for a backend that cannot be had."""

    def __init__(self, error: GatewayFiltersError) -> None:
        self._error = error

    async def __call__(self, *_: object) -> None:
        raise type(self._error)(*self._error.args)


async def _nowhere(*_: object) -> None:
    raise AssertionError("a refused request went on")
