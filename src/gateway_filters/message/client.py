"""Who sends a request, as far as the gateway has found out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

Address = IPv4Address | IPv6Address
"""A client's IP address."""

Claims = dict[str, Any]
"""What a verified token says, by the names of its claims."""


@dataclass(frozen=True, slots=True)
class Client:
    """The peer's ``address``, the ``name`` under which it has authenticated itself, and its verified ``claims``.

    ``claims`` are by the provider that has vouched for them. What is not known is None or empty. Nothing here
    comes from what a client merely says.
    """

    address: Address | None = None
    name: str | None = None
    claims: Mapping[str, Claims] = field(default_factory=dict[str, Claims], repr=False)

    def named(self, name: str) -> "Client":
        """The same client, known by ``name``."""
        return replace(self, name=name)

    def with_claims(self, provider: str, claims: Claims) -> "Client":
        """The same client with what a token of ``provider`` says."""
        return replace(self, claims={**self.claims, provider: claims})


def address_of(text: str) -> Address | None:
    """The IP address that ``text`` is, IPv4 also where it comes mapped into IPv6 (RFC 4291 2.5.5.2); else None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def is_address(text: str) -> bool:
    """Whether ``text`` is an IP address, and so no name that could be looked up."""
    return address_of(text) is not None
