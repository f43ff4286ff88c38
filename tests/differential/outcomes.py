"""What is compared of an exchange: what the upstream got and what the client got, by header name."""

import re
from dataclasses import dataclass

from envoy_configuration import MEANT, RULE_MARK, credential, extension
from raw_exchange import Seen
from written_cases import Case, Manifest

Fields = dict[bytes, tuple[bytes, ...]]
"""Header values by name; those of one name in their order."""


@dataclass(frozen=True)
class Forwarded:
    """A request as the upstream got it."""

    method: bytes
    target: bytes
    headers: Fields
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """What became of a request, without what concerns one connection only."""

    forwarded: Forwarded | None
    status: int
    headers: Fields
    body: bytes


def announced(request: bytes) -> bytes | None:
    """The request that a preflight announces, as far as it says; None for any other request."""
    method = re.search(rb"\r\naccess-control-request-method: *([A-Z]+)\r\n", request, re.IGNORECASE)
    if method is None or not request.startswith(b"OPTIONS ") or b"\r\norigin:" not in request.lower():
        return None
    return request.replace(b"OPTIONS", method[1], 1).replace(method[0], b"\r\n", 1)


@dataclass(frozen=True)
class Exchange:
    """One request to both: ``rule`` is the one that Envoy took, ``ours`` what we made of it."""

    case: Case
    request: bytes
    rule: Manifest | None
    ours: Outcome

    @property
    def path(self) -> bytes:
        """The raw path that was asked for."""
        return self.request.split(b" ", 2)[1].partition(b"?")[0]

    @property
    def answer_number(self) -> bytes:
        """Which answer the upstream was asked for."""
        return next(iter(self.client_values(b"x-answer")), b"0")

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks with it what a page may send."""
        return announced(self.request) is not None

    def client_values(self, name: bytes) -> tuple[bytes, ...]:
        """What the client sent under a name and meant for the upstream."""
        lines = [line.partition(b":") for line in self.request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
        pairs = [(key.lower(), value.strip()) for key, _, value in lines]
        nominated = [
            token.strip().lower() for key, value in pairs if key == b"connection" for token in value.split(b",")
        ]
        return tuple(value for key, value in pairs if key == name and key not in nominated)

    @property
    def extension(self) -> Manifest:
        """What the rule's HTTPRouteFilter says."""
        return {} if self.rule is None else extension(self.case, self.rule)

    @property
    def injection(self) -> tuple[Manifest, str | None] | None:
        """The rule's credentialInjection and its Secret's value."""
        return None if self.rule is None else credential(self.case, self.rule)


# How a body is framed is each connection's own business; that it arrives whole is compared.
_ONE_CONNECTION = (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")


def outcome(seen: Seen) -> Outcome:
    """What was seen, as far as it is compared."""
    assert len(seen.received) <= 1, "a request was sent twice"
    forwarded = None
    for each in seen.received:
        forwarded = Forwarded(each.method, each.target, _fields(each.headers), each.body)
    answered = seen.answered
    return Outcome(forwarded, answered.status, _fields(answered.headers), answered.body)


def taken_rule(case: Case, seen: Seen) -> Manifest | None:
    """The rule that Envoy has marked its answer with."""
    names = [value for name, value in seen.answered.headers if name == RULE_MARK.encode()]
    return case.rule(names[0].decode()) if names else None


def _fields(pairs: tuple[tuple[bytes, bytes], ...]) -> Fields:
    fields: Fields = {}
    for name, value in pairs:
        if name not in (*_ONE_CONNECTION, RULE_MARK.encode(), MEANT.encode()):
            fields[name] = (*fields.get(name, ()), value)
    return fields
