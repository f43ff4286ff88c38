r"""Where a rewritten Host comes from, other than from the manifest itself (Envoy Gateway, HTTPHostnameModifier).

Both read what the client sent, so both refuse the request rather than send on a Host that is not one.
"""

from dataclasses import dataclass, field

from gateway_filters.errors import BadRequest
from gateway_filters.message.authority import checked_authority
from gateway_filters.message.head import RequestHead
from gateway_filters.message.regex import Replacement
from gateway_filters.message.text import field_value, header_name, settle


@dataclass(frozen=True, slots=True)
class HostFromHeader:
    """The Host is what the request's ``header`` says; a request without it keeps its own.

    ``apply`` raises ``BadRequest`` when the header stands there more than once or holds no authority.
    """

    header: str
    _name: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        settle(self, _name=header_name(self.header))

    def apply(self, head: RequestHead) -> bytes:
        """The Host to send."""
        found = head.values(self._name)
        if len(found) > 1:
            raise BadRequest(f"header {self.header} stands there {len(found)} times and can give no Host")
        return checked_authority(found[0], f"header {self.header}") if found else head.authority


@dataclass(frozen=True, slots=True)
class HostFromPath:
    r"""The Host is the path with all occurrences of ``pattern`` (RE2) replaced by ``substitution``.

    ``\1`` to ``\9`` in it are groups; the path that is sent stays. Raises ``ConfigurationError`` as
    ``ReplaceRegexMatch`` does. ``apply`` raises ``BadRequest`` when the pattern does not occur or what comes out
    is no authority. Envoy would send the whole path as the Host; we differ, since that is the client's choice
    of a Host.
    """

    pattern: str
    substitution: str
    _replacement: Replacement = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        field_value(self.substitution, "substitution")
        settle(self, _replacement=Replacement(self.pattern, self.substitution, "pattern of a hostname"))

    def apply(self, head: RequestHead) -> bytes:
        """The Host to send."""
        host = self._replacement.apply(head.path)
        if host is None:
            raise BadRequest("the path gives no Host: the pattern does not occur in it")
        return checked_authority(host, "Host out of the path")
