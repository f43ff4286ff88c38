"""From listeners and a request to what would happen to it."""

from collections.abc import Iterable, Sequence

from gateway_filters.assembly import ingress_of
from gateway_filters.errors import ClientError, GatewayFiltersError
from gateway_filters.explanation.choice import Choice, candidates
from gateway_filters.explanation.redaction import Redaction
from gateway_filters.explanation.request import Asked
from gateway_filters.explanation.steps import refusal, walk, walk_all
from gateway_filters.explanation.values import (
    Answer,
    BackendPath,
    Explanation,
    Request,
    Rules,
    Sent,
    Step,
    Target,
)
from gateway_filters.matching.hostname import host_of
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import HOP_BY_HOP, without
from gateway_filters.routing import (
    HTTP2,
    NEGOTIATED,
    Backend,
    BackendTLS,
    Endpoint,
    Listener,
    Route,
    SessionPersistence,
    Unusable,
    WeightedBackend,
    ranks,
)
from gateway_filters.steps import credentials, no_backend, obstacle
from gateway_filters.upstream.websocket.obstacle import websocket_obstacle

_HTTP_VERSIONS = {HTTP2: "2", NEGOTIATED: "2 or 1.1"}
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_NO_MATCH = Answer(404, "not_found: no route matches")


def explain(listeners: Sequence[Listener], request: Asked) -> Explanation:
    """What a gateway with ``listeners`` would do with ``request``; reads secrets that are at hand, sends nothing."""
    redaction = Redaction.of(listeners)
    try:
        head = ingress_of(candidates(listeners, request))(request.head)
        choice = Choice(listeners, request, head)
    except ClientError as error:
        return Explanation(_request(request, None, redaction), answer=refusal(error))
    seen = Explanation(
        _request(request, head, redaction),
        tuple(choice.listeners()),
        tuple(choice.matches(redaction)),
        answer=_NO_MATCH,
    )
    if choice.winner is None:
        return seen
    return _Way(choice.winner, redaction, websocket=request.websocket).explained(seen, head)


def _request(request: Asked, head: RequestHead | None, redaction: Redaction) -> Request:
    return Request(
        request.head.method.decode(),
        redaction.url(request.url),
        request.head.authority.decode("latin-1"),
        request.head.path.decode("utf-8", "replace"),
        None if head is None else head.path.decode("latin-1"),
        redaction.query(request.head.query),
        redaction.pairs(request.head.headers),
    )


class _Way:
    """The way of a request, or of a ``websocket``'s handshake, behind the route that takes it."""

    def __init__(self, route: Route, redaction: Redaction, *, websocket: bool) -> None:
        self._route = route
        self._redaction = redaction
        self._websocket = websocket

    def explained(self, seen: Explanation, head: RequestHead) -> Explanation:
        """``seen`` with all that happens from here on."""
        route = self._route
        head, steps, answer = walk_all(head, route, self._redaction, websocket=self._websocket)
        refused = no_backend(route)
        if answer is None and refused is not None:
            answer = refusal(refused)
        backends = tuple(self._backends(head)) if answer is None else ()
        return Explanation(seen.request, seen.listeners, seen.matches, steps, answer, _rules(route), backends)

    def _backends(self, head: RequestHead) -> Iterable[BackendPath]:
        first, fallbacks = ranks(self._route.backends)
        for each in (*first, *fallbacks):
            rank = fallbacks if each in fallbacks else first
            share = each.weight / (sum(one.weight for one in rank) or 1)
            steps, sent, answer = self._path(each, head)
            yield BackendPath(each.backend.name, each.weight, share, steps, sent, answer, fallback=rank is fallbacks)

    def _path(self, chosen: WeightedBackend, head: RequestHead) -> tuple[tuple[Step, ...], Sent | None, Answer | None]:
        injecting = credentials(self._route, chosen)
        head, steps, answer = walk_all(head, chosen, self._redaction, websocket=self._websocket)
        if answer is None:
            head, last, answer = walk(head, injecting, self._redaction)
            steps = (*steps, *last)
        hindered = obstacle(chosen.backend, injects=bool(injecting)) or self._unopened(chosen.backend, head)
        if answer is None and hindered is not None:
            answer = refusal(hindered)
        return steps, self._sent(chosen, head) if answer is None else None, answer

    def _unopened(self, backend: Backend | Unusable, head: RequestHead) -> GatewayFiltersError | None:
        if not self._websocket or isinstance(backend, Unusable):
            return None
        named, upgrades = backend.protocol == "ws", backend.protocol not in (HTTP2, NEGOTIATED)
        return websocket_obstacle(backend.name, injected=bool(head.injected), named=named, upgrades=upgrades)

    def _sent(self, chosen: WeightedBackend, head: RequestHead) -> Sent:
        backend = chosen.backend
        assert isinstance(backend, Backend)
        tls = backend.tls
        scheme = ("ws" if self._websocket else "http") + ("" if tls is None else "s")
        target = self._redaction.url(head.target.decode("latin-1"))
        return Sent(
            tuple(_target(endpoint, scheme, target) for endpoint in backend.endpoints),
            head.authority.decode("latin-1"),
            _HTTP_VERSIONS.get(backend.protocol, "1.1"),
            tls is not None,
            None if tls is None else _asked_for(tls, backend, head),
            None if tls is None else _trust(tls),
            self._redaction.pairs(without(head.headers, HOP_BY_HOP)),
        )


def _target(endpoint: Endpoint, scheme: str, target: str) -> Target:
    port = "" if endpoint.port == _DEFAULT_PORTS[scheme] else f":{endpoint.port}"
    url = f"{scheme}://{endpoint.host}{port}{target}"
    return Target(f"unix:{endpoint.unix}" if endpoint.unix else f"{endpoint.host}:{endpoint.port}", url)


def _asked_for(tls: BackendTLS, backend: Backend, head: RequestHead) -> str:
    """The name in TLS; without one for all, those of the endpoints, or of the host that the request names."""
    if backend.hosts:
        return host_of(head.authority)
    return tls.hostname or ", ".join(dict.fromkeys(each.name or each.host for each in backend.endpoints))


def _trust(tls: BackendTLS) -> str:
    if not tls.verified:
        return "nothing (insecureSkipVerify)"
    cas = "the system's CAs" if tls.cas is None else f"CAs of the manifests ({tls.cas.count('BEGIN CERTIFICATE')})"
    names = " or ".join(each.value for each in tls.names)
    ours = ", who may ask for our certificate" if tls.certificate else ""
    return f"{cas}{f' as {names}' if names else ''}{ours}"


def _rules(route: Route) -> Rules:
    retry = route.retry
    return Rules(
        request_timeout=route.timeouts.request,
        backend_request_timeout=route.timeouts.backend_request,
        retry_attempts=retry.attempts if retry else 0,
        retry_codes=tuple(sorted(retry.codes)) if retry else (),
        retry_backoff=retry.backoff if retry else None,
        session=None if route.session is None else _session(route.session),
    )


def _session(session: SessionPersistence) -> str:
    lifetime = "" if session.lifetime is None else f" for {session.lifetime:g} s"
    return f"{'header' if session.header else 'cookie'} {session.name}{lifetime}"
