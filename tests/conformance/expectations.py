"""Whether an answer is the one expected: pure functions from an exchange to the first thing wrong with it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from .cases import Case, Expect, Forwarded, Redirect
from .certificates import Certificates
from .http1 import Line
from .probe import Exchange

_TIMED_OUT = {408, 504}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ECHO = {"path", "host", "method", "namespace", "pod"}


@dataclass(frozen=True)
class Judged:
    """A case with the exchange that is to be judged; ``echoed`` is the backend's account of it, if it is one."""

    case: Case
    exchange: Exchange
    address: str
    certificates: Certificates

    @property
    def expect(self) -> Expect:
        """What is expected."""
        return self.case.expect

    @property
    def headers(self) -> dict[str, str]:
        """Response headers by lower-case name, the lines of one name joined with a comma."""
        return joined(self.exchange.answer.lines)

    @property
    def echoed(self) -> dict[str, Any] | None:
        """The body where it is a JSON object; raises where it claims to be and is not."""
        if self.headers.get("content-type") != "application/json" or not self.exchange.answer.body:
            return None
        found = json.loads(self.exchange.answer.body)
        if not isinstance(found, dict):
            raise TypeError("the body is JSON but no object")
        return found  # pyright: ignore[reportUnknownVariableType]


def complaints(judged: Judged) -> Iterator[str]:
    """Everything that is not as expected, in one phrase each."""
    for check in _CHECKS:
        try:
            yield from check(judged)
        except (ValueError, KeyError, TypeError) as error:
            yield f"the body cannot be read: {error!r}"


def joined(lines: Sequence[Line]) -> dict[str, str]:
    """Values by lower-case name, joined with bare commas as the suite does it."""
    found: dict[str, str] = {}
    for name, value in lines:
        key = name.lower()
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _status(judged: Judged) -> Iterator[str]:
    status, expect = judged.exchange.answer.status, judged.expect
    wanted = set(expect.statuses) | ({expect.status} if expect.status else set[int]())
    if wanted and not _alike(status) & wanted:
        yield f"status {status} instead of {_words(wanted)}"
    if status in expect.statuses_not:
        yield f"status {status}"


def _origin(judged: Judged) -> Iterator[str]:
    expect, echoed = judged.expect, judged.echoed
    if expect.answered_by_gateway and echoed is not None and echoed.keys() >= _ECHO:
        yield "a backend answered"
    if judged.exchange.answer.status not in (200, 204):
        return
    if expect.backend and not (echoed or {}).get("pod", "").startswith(expect.backend):
        yield f"answered by {(echoed or {}).get('pod')!r} instead of {expect.backend}"
    if expect.namespace and (echoed or {}).get("namespace") != expect.namespace:
        yield f"answered in {(echoed or {}).get('namespace')!r} instead of {expect.namespace}"


def _handshake(judged: Judged) -> Iterator[str]:
    if judged.expect.client_cert_requested and not judged.exchange.certificate_requested:
        yield "no client certificate was asked for"


def _forwarded(judged: Judged) -> Iterator[str]:
    expected = judged.expect.forwarded
    if expected is None or judged.exchange.answer.status not in (200, 204):
        return
    echoed = judged.echoed
    if echoed is None:
        yield "no backend answered"
        return
    for name in ("method", "path", "host"):
        wanted = getattr(expected, name)
        if wanted is not None and echoed[name] != wanted:
            yield f"{name} {echoed[name]!r} forwarded instead of {wanted!r}"
    yield from _forwarded_headers(expected, echoed)
    yield from _forwarded_tls(expected, echoed, judged.certificates)


def _forwarded_headers(expected: Forwarded, echoed: Mapping[str, Any]) -> Iterator[str]:
    seen = joined([(name, value) for name, values in echoed["headers"].items() for value in values])
    for name, value in expected.headers.items():
        if seen.get(name.lower()) != value:
            yield f"{name}: {seen.get(name.lower())!r} forwarded instead of {value!r}"
    for name in expected.absent_headers:
        if name.lower() in seen:
            yield f"{name} forwarded"


def _forwarded_tls(expected: Forwarded, echoed: Mapping[str, Any], certificates: Certificates) -> Iterator[str]:
    tls: Mapping[str, Any] = echoed.get("tls") or {}
    if expected.sni is not None and tls.get("serverName") != expected.sni:
        yield f"SNI {tls.get('serverName')!r} towards the backend instead of {expected.sni!r}"
    if expected.client_cert_secret:
        shown = [each.strip() for each in tls.get("peerCertificates", ())]
        if certificates.pem(expected.client_cert_secret).strip() not in shown:
            yield f"{expected.client_cert_secret} was not shown to the backend"


def _response_headers(judged: Judged) -> Iterator[str]:
    expect, headers = judged.expect, judged.headers
    choices = {name: (value,) for name, value in expect.response_headers.items()} | dict(expect.response_headers_one_of)
    squeezed: Callable[[str], str] = lambda text: text.replace(" ", "") if expect.ignore_whitespace else text  # noqa: E731
    for name, values in choices.items():
        found = headers.get(name.lower())
        if found is None or squeezed(found) not in {squeezed(value) for value in values}:
            yield f"{name}: {found!r} instead of {_words(values)}"
    for name in expect.absent_response_headers:
        if name.lower() in headers:
            yield f"{name}: {headers[name.lower()]!r} instead of none"


def _redirect(judged: Judged) -> Iterator[str]:
    expected = judged.expect.redirect
    if expected is None:
        return
    request = judged.case.request
    location = judged.headers.get("location")
    if location is None:
        yield "no Location"
        return
    host = request.host or (judged.address if request.port in (80, 443) else f"{judged.address}:{request.port}")
    yield from _location(expected, urljoin(f"{request.scheme}://{host}{request.path}", location))


def _location(expected: Redirect, location: str) -> Iterator[str]:
    url = urlsplit(location)
    default = _DEFAULT_PORTS.get(url.scheme)
    port = url.port or default
    found = {"scheme": url.scheme, "host": url.hostname, "path": url.path, "port": port}
    port_wanted = int(expected.port) if expected.port else default
    wanted = {"scheme": expected.scheme, "host": expected.host, "path": expected.path, "port": port_wanted}
    for part, value in wanted.items():
        if value is not None and found[part] != value:
            yield f"Location {location!r}: {part} {found[part]!r} instead of {value!r}"


def _unknown(judged: Judged) -> Iterator[str]:
    if judged.case.unknown:
        yield f"this harness cannot judge {_words(judged.case.unknown)}"


def _alike(status: int) -> set[int]:
    return _TIMED_OUT if status in _TIMED_OUT else {status}


def _words(values: Iterator[object] | Sequence[object] | set[int]) -> str:
    return " or ".join(str(value) for value in values)


_CHECKS = (_status, _origin, _handshake, _forwarded, _response_headers, _redirect, _unknown)
