"""The cases as typed values; nothing here sends or judges anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

Named = tuple[str, str]


@dataclass(frozen=True)
class Request:
    """What to send; ``host`` none means the gateway's own address."""

    method: str
    path: str
    port: int
    scheme: str = "http"
    host: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    sni: str | None = None
    protocol: str | None = None
    follow_redirects: bool = False
    client_cert_secret: str | None = None
    backend_set_response_headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Forwarded:
    """What the backend must have seen."""

    method: str
    path: str
    host: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    absent_headers: tuple[str, ...] = ()
    sni: str | None = None
    client_cert_secret: str | None = None


@dataclass(frozen=True)
class Redirect:
    """The parts of a Location; ``host`` none means any, ``port`` none the scheme's own."""

    scheme: str | None = None
    host: str | None = None
    port: str | int | None = None
    path: str | None = None


@dataclass(frozen=True)
class Mirror:
    """A backend that must have got a copy."""

    backend: str
    namespace: str


@dataclass(frozen=True)
class Expect:
    """Everything that an answer is judged by; what is not given is not judged."""

    status: int | None = None
    statuses: tuple[int, ...] = ()
    statuses_not: tuple[int, ...] = ()
    connection_error: bool = False
    client_cert_requested: bool = False
    forwarded: Forwarded | None = None
    backend: str | None = None
    namespace: str | None = None
    redirect: Redirect | None = None
    answered_by_gateway: bool = False
    response_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    response_headers_one_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    absent_response_headers: tuple[str, ...] = ()
    ignore_whitespace: bool = False
    mirrored_to: tuple[Mirror, ...] = ()


@dataclass(frozen=True)
class Case:
    """One request and its answer; ``unknown`` names the fields that this harness cannot judge."""

    gateway: str
    request: Request
    expect: Expect
    note: str | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """A condition of a status; no reason means any."""

    type: str
    status: str
    reason: str | None = None


@dataclass(frozen=True)
class StatusAssertion:
    """What an object's status must say, there where ``parent``, ``ancestor`` or ``listener`` points."""

    kind: str
    name: str
    conditions: tuple[Condition, ...] = ()
    parent: str | None = None
    ancestor: str | None = None
    listener: str | None = None
    attachedRoutes: int | None = None  # noqa: N815  the file's word
    supportedKinds: tuple[str, ...] | None = None  # noqa: N815  the file's word

    def __str__(self) -> str:
        place = self.parent or self.ancestor or self.listener
        return f"{self.kind} {self.name}" + (f" at {place}" if place else "")


@dataclass(frozen=True)
class Test:
    """One test of the suite."""

    __test__ = False  # pytest would collect it by its name

    test: str
    manifests: tuple[str, ...]
    features: tuple[str, ...] = ()
    level: str = "core"
    suite_level: str = "core"
    cases: tuple[Case, ...] = ()
    status_assertions: tuple[StatusAssertion, ...] = ()
    procedure: str | None = None
    note: str | None = None
    status_only: bool = False


_TESTS = TypeAdapter(tuple[Test, ...])


def read_cases(folder: Path) -> tuple[Test, ...]:
    """The tests of ``folder``/cases.json; raises ``ValidationError`` for values of the wrong shape."""
    raw: list[dict[str, Any]] = json.loads((folder / "cases.json").read_text())
    for test in raw:
        for case in test.get("cases", ()):
            case["unknown"] = [*_unknown(case["request"], Request), *_unknown(case["expect"], Expect)]
    return _TESTS.validate_python(raw)


def split_name(name: str) -> Named:
    """``ns/name`` cut in two."""
    namespace, _, rest = name.partition("/")
    return namespace, rest


def _unknown(raw: Mapping[str, Any], known: type[Request | Expect]) -> list[str]:
    return sorted(set(raw) - {each.name for each in fields(known)})
