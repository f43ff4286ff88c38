"""An explanation as text for people, and as JSON for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from gateway_filters.explanation.values import (
    Answer,
    BackendPath,
    Change,
    Explanation,
    ListenerVerdict,
    MatchVerdict,
    Rules,
    Sent,
    Step,
)
from gateway_filters.explanation.words import hostname_words, percent


def as_json(explanation: Explanation) -> str:
    """The explanation's fields as a JSON object."""
    return json.dumps(asdict(explanation), indent=2, ensure_ascii=False)


def as_text(explanation: Explanation) -> str:
    """The explanation as lines; what is chosen is marked with ``>``."""
    return "\n".join(_lines(explanation))


def _lines(seen: Explanation) -> Iterator[str]:
    request = seen.request
    yield f"{request.method} {request.url}"
    yield f"  Host: {request.host}"
    for name, value in request.headers:
        yield f"  {name}: {value}"
    yield from _section("Listeners", [_listener(each) for each in seen.listeners])
    if request.canonical_path is not None:
        yield from _section("Canonical path", [f"  {request.canonical_path}"])
    yield from _section("Matches", [_match(each) for each in seen.matches])
    yield from _section("Filters", list(_steps(seen.steps)))
    if seen.rules is not None:
        yield from _section("Rules", list(_rules(seen.rules)))
    for backend in seen.backends:
        title = f"{'Fallback' if backend.fallback else 'Backend'} {backend.name}, {percent(backend.share)}"
        yield from _section(title, list(_backend(backend)))
    if seen.answer is not None:
        yield from _section("Answer", list(_answer(seen.answer)))


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from lines


def _listener(each: ListenerVerdict) -> str:
    place = f"{each.name} ({each.protocol}, port {each.port}, host {hostname_words(each.hostname)})"
    return _marked(place, each.chosen, each.reason)


def _match(each: MatchVerdict) -> str:
    host = "" if each.hostname is None else f"host {each.hostname}, "
    return _marked(f"{each.route} ({host}{each.match})", each.wins, each.reason)


def _marked(words: str, chosen: bool, reason: str) -> str:  # noqa: FBT001 - two of a kind, called here only
    because = f"\n      {reason}" if reason else ""
    return f"{'>' if chosen else ' '} {words}{because}"


def _steps(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        yield f"  {step.filter}"
        yield from map(_change, step.changes)
        if step.note or not step.changes:
            yield f"      {step.note or 'changes nothing'}"


def _change(change: Change) -> str:
    if change.before is None:
        return f"      {change.what}: added {change.after}"
    if change.after is None:
        return f"      {change.what}: removed {change.before}"
    return f"      {change.what}: {change.before} → {change.after}"


def _backend(backend: BackendPath) -> Iterator[str]:
    yield from _steps(backend.steps)
    if backend.answer is not None:
        yield from _answer(backend.answer)
    if backend.sent is not None:
        yield from _sent(backend.sent)


def _sent(sent: Sent) -> Iterator[str]:
    for target in sent.targets:
        over = f" over {target.endpoint}" if target.endpoint.startswith("unix:") else ""
        yield f"  URL   {target.url}{over}"
    yield f"  Host  {sent.host}"
    yield f"  HTTP  {sent.http_version}"
    yield f"  TLS   {f'SNI {sent.sni}, verified against {sent.trust}' if sent.tls else 'no'}"
    for name, value in sent.headers:
        yield f"  {name}: {value}"


def _answer(answer: Answer) -> Iterator[str]:
    yield f"  {answer.status} {answer.reason}"
    for name, value in answer.headers:
        yield f"  {name}: {value}"
    if answer.body:
        yield f"  {answer.body}"


def _rules(rules: Rules) -> Iterator[str]:
    if rules.request_timeout is not None:
        yield f"  request timeout: {rules.request_timeout:g} s"
    if rules.backend_request_timeout is not None:
        yield f"  backend request timeout: {rules.backend_request_timeout:g} s"
    if rules.retry_attempts:
        codes = ", ".join(map(str, rules.retry_codes))
        yield f"  retry: {rules.retry_attempts} times, after connection errors{f' and {codes}' if codes else ''}"
    if rules.session is not None:
        yield f"  session: {rules.session}"
