"""What an explanation says, as values of plain types; credentials stand in them as fingerprints only."""

from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """The request that is explained, as it comes in; ``path`` is raw, ``canonical_path`` what is matched."""

    method: str
    url: str
    host: str
    path: str
    canonical_path: str | None
    query: str
    headers: Pairs


@dataclass(frozen=True, slots=True)
class ListenerVerdict:
    """A listener, and why it does not take the request; ``reason`` is empty where it does."""

    name: str
    protocol: str
    port: int
    hostname: str | None
    chosen: bool
    reason: str


@dataclass(frozen=True, slots=True)
class MatchVerdict:
    """A match in the order of precedence, and why it does not get the request.

    The winner has a ``reason`` only when it takes a preflight for the method that it names.
    """

    route: str
    listener: str
    hostname: str | None
    match: str
    wins: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing in a head before and after a step; None where it is not there."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A filter, what it does to the request's head, and what else there is to say: that it copies or asks, say."""

    filter: str
    changes: tuple[Change, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that the gateway gives itself."""

    status: int
    reason: str
    headers: Pairs = ()
    body: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One place that a backend's requests go to."""

    endpoint: str
    url: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The request as a backend gets it: ``http_version`` 1.1, 2, or both where TLS decides.

    ``sni`` is the name asked for and verified in TLS, ``trust`` against what.
    """

    targets: tuple[Target, ...]
    host: str
    http_version: str
    tls: bool
    sni: str | None
    trust: str | None
    headers: Pairs


@dataclass(frozen=True, slots=True)
class BackendPath:
    """A backend, its share of the requests, its own steps, and what comes of them: sent, or an answer.

    A ``fallback`` shares those requests that no other backend accepts a connection for.
    """

    name: str
    weight: int
    share: float
    steps: tuple[Step, ...]
    sent: Sent | None
    answer: Answer | None
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the route asks for besides filters; times in seconds."""

    request_timeout: float | None = None
    backend_request_timeout: float | None = None
    retry_attempts: int = 0
    retry_codes: tuple[int, ...] = ()
    retry_backoff: float | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is decided about one request: which route takes it and why, and what happens to it there.

    ``answer`` is given where no backend is chosen: nothing matches, a filter replies, the request is refused.
    """

    request: Request
    listeners: tuple[ListenerVerdict, ...] = ()
    matches: tuple[MatchVerdict, ...] = ()
    steps: tuple[Step, ...] = ()
    answer: Answer | None = None
    rules: Rules | None = None
    backends: tuple[BackendPath, ...] = ()
