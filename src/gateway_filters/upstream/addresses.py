"""Addresses that are the same place for everybody, and those that lead into a network, a machine, or nowhere.

Facts
- IANA's registries of special-purpose addresses (RFC 6890) say which are not globally reachable: loopback, private and
  shared networks, link-local ones with what clouds tell their machines (169.254.169.254), documentation, 0.0.0.0.
- Python knows them (``is_global``), but takes multicast, old site-local addresses and what is not assigned for global.
  Of IPv6 only 2000::/3 is assigned to be global (RFC 4291, IANA).
- An address of IPv4 may stand in one of IPv6, which leads to it through a translator, a tunnel or the system itself:
  mapped (RFC 4291 2.5.5.2), NAT64 (64:ff9b::/96, RFC 6052), 6to4 (2002::/16, RFC 3056). What stands in it
  is judged.
"""

import ipaddress

_GLOBAL = ipaddress.IPv6Network("2000::/3")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_SPECIAL = ipaddress.IPv6Network("2001::/23")  # Teredo, ORCHID and others; some Pythons take parts of it for global


def is_public(address: str) -> bool:
    """Whether an address, as sockets write it, leads to the same place from everywhere."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = _inner(found)
        if inner is None:
            return found in _GLOBAL and found not in _SPECIAL and found.is_global
        found = inner
    return found.is_global and not found.is_multicast


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that stands in one of IPv6."""
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
