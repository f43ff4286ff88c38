"""What a security policy asks of the client of a request, and whether this one is let in.

Keys that are published somewhere are not fetched here, so a token that only they could check is taken for a good
one, and rules that go by what it says are left open.
"""

from collections.abc import Iterable, Iterator

from gateway_filters.errors import GatewayFiltersError, KeysUnavailable, PermissionDenied
from gateway_filters.explanation.redaction import Redaction
from gateway_filters.explanation.values import Step
from gateway_filters.filters import APIKeyAuth, Authorization, BasicAuth, Filter, JWTAuth, JWTProvider
from gateway_filters.message.head import RequestHead
from gateway_filters.routing import RemoteJWKS, SecurityPolicy


class Door:
    """Walks through the filters of a policy; ``error`` is what stops the request, once something has."""

    def __init__(self, policy: SecurityPolicy, redaction: Redaction) -> None:
        self._policy = policy
        self._redaction = redaction
        self._unchecked = False
        self.error: GatewayFiltersError | None = None

    def walk(self, head: RequestHead) -> Iterator[tuple[RequestHead, Step]]:
        """The head after each filter, with the step; ends at the first that refuses."""
        for each in self._policy.filters:
            try:
                after = each.on_request(head)
                assert isinstance(after, RequestHead)
                yield after, Step(asks(each), tuple(self._redaction.changes(head, after)))
                head = after
            except GatewayFiltersError as error:
                note = self._open(each, error)
                yield head, Step(asks(each), note=note or "refuses the request")
                if not note:
                    self.error = error
                    return

    def _open(self, each: Filter, error: GatewayFiltersError) -> str:
        """What is left open where a filter refuses; nothing where it would."""
        if isinstance(each, JWTAuth) and isinstance(error, KeysUnavailable) and any(_published(each)):
            self._unchecked = True
            return "goes on when the published keys have signed the token"
        if self._unchecked and isinstance(each, Authorization) and isinstance(error, PermissionDenied):
            return "goes on when a rule allows what the token says"
        return ""


def asks(each: Filter) -> str:
    """What one filter of a policy asks, in words; who is known is not listed."""
    match each:
        case APIKeyAuth():
            return f"APIKeyAuth(in {', or '.join(map(str, each.places))})"
        case BasicAuth():
            return "BasicAuth(in header Authorization)"
        case JWTAuth():
            return f"JWTAuth({', or '.join(map(_vouches, each.providers))}{_leniency(each)})"
        case Authorization():
            rules = (f"{rule.action}{f' ({rule.name})' if rule.name else ''}" for rule in each.rules)
            return f"Authorization({', '.join((*rules, f'otherwise {each.default}'))})"
        case _:
            return type(each).__name__


def asked_in_all(policy: SecurityPolicy) -> Iterator[str]:
    """All that a policy asks, in words."""
    if policy.ext_auth is not None:
        yield f"ExternalAuth({policy.ext_auth.backend.name})"
    yield from map(asks, policy.filters)


def _published(each: JWTAuth) -> Iterable[RemoteJWKS]:
    return (provider.keys for provider in each.providers if isinstance(provider.keys, RemoteJWKS))


def _vouches(provider: JWTProvider) -> str:
    issuer = f" for issuer {provider.expected.issuer}" if provider.expected.issuer else ""
    return f"{provider.name}{issuer} in {', or '.join(map(str, provider.places))}"


def _leniency(each: JWTAuth) -> str:
    return "; or none" if each.optional else "; or any" if each.fail_open else ""
