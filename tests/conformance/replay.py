"""Replays cases until they pass three times in a row, or patience ends."""

import time
import uuid
from dataclasses import dataclass, replace

import h11

from .cases import Case, Forwarded
from .expectations import Judged, complaints
from .http2 import MissingLibrary
from .probe import Exchange, Probe
from .stage import Stage

IN_A_ROW = 3
_MIRROR_ID = "gateway-api-conformance-request-id"
_NO_ANSWER = (OSError, h11.RemoteProtocolError)


@dataclass(frozen=True)
class Verdict:
    """What was replayed or asserted, and why it failed, if it did."""

    subject: str
    problem: str | None = None


def replay(case: Case, probe: Probe, stage: Stage) -> Verdict:
    """Send the case again and again; the problem is the last one met."""
    passes, problem = 0, None
    end = time.monotonic() + stage.patience
    while passes < IN_A_ROW:
        problem = once(case, probe, stage)
        passes = 0 if problem else passes + 1
        if problem and time.monotonic() > end:
            break
        if problem:
            time.sleep(0.1)
    return Verdict(_subject(case), problem)


def once(case: Case, probe: Probe, stage: Stage) -> str | None:
    """Send the case once; gives what was wrong."""
    case = _personal(case)
    try:
        exchange = probe.send(case.request)
    except MissingLibrary as error:
        return str(error)
    except _NO_ANSWER as error:
        return None if case.expect.connection_error else f"no answer: {error!r}"
    return _judge(case, probe, exchange) or _unmirrored(case, stage)


def _judge(case: Case, probe: Probe, exchange: Exchange) -> str | None:
    if case.expect.connection_error:
        return f"an answer of status {exchange.answer.status} instead of none"
    return "; ".join(complaints(Judged(case, exchange, probe.address, probe.certificates))) or None


def _unmirrored(case: Case, stage: Stage) -> str | None:
    """Wait, 10 s at most, for the copies of a request to reach their backends."""
    end = time.monotonic() + min(10, stage.patience)
    path = case.request.path
    missing = list(case.expect.mirrored_to)
    while missing := [each for each in missing if not stage.backend(each.namespace, each.backend).echo.targets[path]]:
        if time.monotonic() > end:
            return f"no copy reached {missing[0].backend}"
        time.sleep(0.01)
    return None


def _personal(case: Case) -> Case:
    """The case with identifiers of its own, in what is sent and in what must be forwarded."""
    mark = str(uuid.uuid4())

    def change(path: str) -> str:
        separator = "&" if "?" in path else "?"
        suffix = f"{separator}{_MIRROR_ID}={mark}" if case.expect.mirrored_to else ""
        return path.replace("{uuid}", mark) + suffix

    expected: Forwarded | None = case.expect.forwarded
    changed = replace(expected, path=change(expected.path)) if expected else None
    request = replace(case.request, path=change(case.request.path))
    return replace(case, request=request, expect=replace(case.expect, forwarded=changed))


def _subject(case: Case) -> str:
    request = case.request
    extra = [f"SNI {request.sni}"] if request.sni else []
    extra += [f"{name}: {value}" for name, value in request.headers.items()]
    extra += [request.client_cert_secret or "", case.note or ""]
    text = f"{request.method} {request.scheme}://{request.host or case.gateway}:{request.port}{request.path}"
    return ", ".join([text, *(each for each in extra if each)])
