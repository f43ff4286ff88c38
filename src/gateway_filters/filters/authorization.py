"""Authorization: what a client may do, by rules (Envoy Gateway, SecurityPolicy, authorization).

Facts
- The first rule that holds decides, and without one the default, which is to deny. All parts of a rule must hold;
  of several addresses, methods or values in one part any may.
- It goes by what is verified: the peer's address, claims of a token that was checked before, the path in its
  canonical form. Headers are the client's own words, unless something before it has set them.
- A path prefix counts whole segments, as everywhere here; Envoy Gateway takes it as a string.
- Some servers cut parameters off segments (``/admin;x`` is ``/admin`` to them). Where an operation names none, the path
  must mean the same to it with and without them, as it must with its escaped slashes.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal, cast

from gateway_filters.errors import BadRequest, ConfigurationError, PermissionDenied
from gateway_filters.filters.filter import Filter
from gateway_filters.message.canonical import canonical_path
from gateway_filters.message.client import Claims, Client
from gateway_filters.message.head import RequestHead
from gateway_filters.message.path import under_prefix
from gateway_filters.message.regex import Pattern, compile_re2
from gateway_filters.message.text import header_name, path, settle, token, utf8

Action = Literal["Allow", "Deny"]

_NOBODY = Client()
_ESCAPED_SLASH = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)
_PARAMETERS = re.compile(rb";[^/]*")


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked for: one of ``methods``, where any are given, and the ``path``, where one is.

    ``type`` says how the path is compared (``Exact``, ``PathPrefix``, ``RegularExpression``, all of it), ``invert``
    that it must not. Raises ``ConfigurationError`` for a path, method or expression that is none.
    """

    methods: tuple[str, ...] = ()
    path: str | None = None
    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    invert: bool = False
    _methods: frozenset[bytes] = field(init=False, repr=False, compare=False)
    _raw: bytes = field(init=False, repr=False, compare=False)
    _pattern: Pattern | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        literal = self.path is not None and self.type != "RegularExpression"
        settle(
            self,
            methods=tuple(self.methods),
            _methods=frozenset(token(each, "method") for each in self.methods),
            _raw=path(self.path or "", "path of an operation") if literal else b"",
            _pattern=None if literal or self.path is None else compile_re2(self.path, "path of an operation"),
        )

    def covers(self, head: RequestHead) -> bool:
        """Whether the request asks for that."""
        if self._methods and head.method not in self._methods:
            return False
        return self.path is None or self._covers(head.path) is not self.invert

    def _covers(self, raw: bytes) -> bool:
        if _canonical(raw) is not raw:
            # It would be decided on one path and go on with another.
            raise BadRequest("a path that is not in its canonical form cannot be authorised")
        covered = self._compares(raw)
        if any(self._compares(other) is not covered for other in self._other_readings(raw)):
            raise BadRequest("a path that may be read in two ways cannot be authorised")
        return covered

    def _other_readings(self, raw: bytes) -> list[bytes]:
        """What else a server behind the gateway may take a path for."""
        readings = [raw, _unescaped(raw)] if _ESCAPED_SLASH.search(raw) else [raw]
        if b";" in raw and ";" not in (self.path or ""):
            readings += [_canonical(_PARAMETERS.sub(b"", each)) for each in readings]
        return readings[1:]

    def _compares(self, raw: bytes) -> bool:
        if self._pattern is not None:
            return self._pattern.fullmatch(raw) is not None
        return raw == self._raw if self.type == "Exact" else under_prefix(raw, self._raw)


@dataclass(frozen=True, slots=True)
class ClaimIn:
    """The claim ``name``, nested ones with dots, is one of ``values``; of an ``array``, one of its items is."""

    name: str
    values: tuple[str, ...]
    array: bool = False

    def holds(self, claims: Claims) -> bool:
        """Whether it is so in these claims."""
        found = claim_at(claims, self.name)
        if self.array:
            return isinstance(found, list) and any(value in found for value in self.values)
        return isinstance(found, str) and found in self.values


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Who holds a token that ``provider`` has vouched for, with all of ``claims`` and ``scopes``.

    Scopes stand in ``scope`` or ``scp``, as one text with blanks between (RFC 8693 4.2) or as a list.
    """

    provider: str
    claims: tuple[ClaimIn, ...] = ()
    scopes: tuple[str, ...] = ()

    def covers(self, client: Client) -> bool:
        """Whether the client is such a one."""
        claims = client.claims.get(self.provider)
        if claims is None or not _scopes(claims).issuperset(self.scopes):
            return False
        return all(each.holds(claims) for each in self.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRule:
    """Says ``action`` to the requests that all of its parts hold for; without parts, to all.

    ``client_cidrs`` are networks of which one holds the client's address, ``headers`` names with values of which
    one line of theirs has one, ``token`` who the client must be, ``operation`` what it asks for. ``name`` is for
    people. Raises ``ConfigurationError`` for a network or header that is none.
    """

    action: Action
    client_cidrs: tuple[str, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    token: TokenHolder | None = None
    operation: Operation | None = None
    name: str = ""
    _networks: tuple[IPv4Network | IPv6Network, ...] = field(init=False, repr=False, compare=False)
    _headers: tuple[tuple[bytes, frozenset[bytes]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        headers = tuple(
            (header_name(name), frozenset(utf8(value, f"value of header {name!r}") for value in values))
            for name, values in self.headers
        )
        settle(self, _networks=tuple(_network(each) for each in self.client_cidrs), _headers=headers)

    def covers(self, head: RequestHead, client: Client) -> bool:
        """Whether the rule is about this request of this client."""
        return (
            (not self._networks or _is_in(client, self._networks))
            and all(not values.isdisjoint(head.values(name)) for name, values in self._headers)
            and (self.token is None or self.token.covers(client))
            and (self.operation is None or self.operation.covers(head))
        )


@dataclass(frozen=True, slots=True)
class Authorization(Filter):
    """Lets pass what ``rules`` allow and refuses the rest with 403; ``default`` says it where none of them holds."""

    rules: tuple[AuthorizationRule, ...] = ()
    default: Action = "Deny"

    @property
    def sees_client(self) -> bool:
        """Rules may go by the client's address."""
        return True

    def on_request(self, head: RequestHead) -> RequestHead:
        """The head as it is; raises ``PermissionDenied`` where the rules say so."""
        client = head.client or _NOBODY
        for rule in self.rules:
            if rule.covers(head, client):
                return _decided(head, rule.action, f"rule {rule.name}" if rule.name else "a rule")
        return _decided(head, self.default, "no rule holds, and the default")


def claim_at(claims: Claims, name: str) -> object:
    """The claim ``name``, into objects at each dot; None for one that is not there."""
    first, dot, rest = name.partition(".")
    found: object = claims.get(first)
    if not dot:
        return found
    return claim_at(cast("Claims", found), rest) if isinstance(found, dict) else None


def _unescaped(raw: bytes) -> bytes:
    return _canonical(_ESCAPED_SLASH.sub(b"/", raw))


def _canonical(raw: bytes) -> bytes:
    return canonical_path(raw, escaped_slashes="keep")


def _decided(head: RequestHead, action: Action, who: str) -> RequestHead:
    if action == "Deny":
        raise PermissionDenied(f"{who} denies it")
    return head


def _scopes(claims: Claims) -> frozenset[object]:
    found = claims.get("scope", claims.get("scp"))
    if isinstance(found, str):
        return frozenset(found.split(" "))
    items = cast("list[object]", found) if isinstance(found, list) else []
    return frozenset(each for each in items if isinstance(each, str))


def _is_in(client: Client, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return client.address is not None and any(client.address in each for each in networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        # Bits behind the mask mean nothing, in Envoy too.
        return _unmapped(ip_network(text, strict=False))
    except ValueError:
        raise ConfigurationError(f"{text!r} is not a network in CIDR notation") from None


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """The network of IPv4 where one is mapped into IPv6 (RFC 4291 2.5.5.2), as it is with clients' addresses."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return network if mapped is None else IPv4Network((mapped, max(network.prefixlen - 96, 0)))
