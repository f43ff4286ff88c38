"""What a rule asks for besides filters: time, repetition, copies, someone else's permission, memory."""

from dataclasses import dataclass

from gateway_filters.routing.backend import Backend, Unusable


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for the whole exchange (``request``) and for one attempt (``backend_request``); None: no limit."""

    request: float | None = None
    backend_request: float | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again: at most ``attempts`` times after the first, ``backoff`` seconds apart at least.

    An answer whose status is in ``codes`` is tried again, and so are connection errors and attempts that
    took too long.
    """

    attempts: int = 2
    codes: frozenset[int] = frozenset()
    backoff: float = 0.025


@dataclass(frozen=True, slots=True)
class Mirror:
    """Send a copy of ``share`` (0 to 1) of the requests to ``backend``, whose answers nobody waits for."""

    backend: Backend
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class ExternalAuth:
    """Ask ``backend`` before each request (Gateway API, HTTPExternalAuthFilter, protocol HTTP): 200 allows.

    ``path`` is put in front of the request's path, ``whole_path`` in its place; ``request_headers`` (lower case)
    go along besides the fixed ones; ``response_headers`` (lower case) of the permission go into the request, all
    where it is None; a body goes along up to ``max_body`` bytes, none where it is 0. The answer must come within
    ``timeout`` seconds. Where none can be had the client gets ``status_on_error``, or passes with ``fail_open``.
    Where the backend is ``Unusable`` nobody can be asked, so nobody may pass.
    """

    backend: Backend | Unusable
    path: str = ""
    request_headers: tuple[bytes, ...] = ()
    response_headers: tuple[bytes, ...] | None = None
    max_body: int = 0
    whole_path: str | None = None
    timeout: float | None = None
    status_on_error: int = 403
    fail_open: bool = False


@dataclass(frozen=True, slots=True)
class SessionPersistence:
    """Keep a client at the endpoint of its first answer.

    By a cookie of this ``name`` and ``path``, or, with ``header``, by a header of this name. ``lifetime`` in
    seconds ends a session; ``permanent`` tells the browser so.
    """

    name: str
    header: bool = False
    path: str = "/"
    lifetime: float | None = None
    permanent: bool = False
