"""What is compared of an exchange: what the upstream got and what the client got, by header name."""

from dataclasses import dataclass

from envoy_configuration import RULE_MARK, credential
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

    def client_values(self, name: bytes) -> tuple[bytes, ...]:
        """What the client sent under a name and meant for the upstream."""
        lines = [line.partition(b":") for line in self.request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
        pairs = [(key.lower(), value.strip()) for key, _, value in lines]
        nominated = [
            token.strip().lower() for key, value in pairs if key == b"connection" for token in value.split(b",")
        ]
        return tuple(value for key, value in pairs if key == name and key not in nominated)

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
        if name not in _ONE_CONNECTION and name != RULE_MARK.encode():
            fields[name] = (*fields.get(name, ()), value)
    return fields
