"""Addresses: those that a Gateway asks for, which of them this machine has, and where none may stand."""

import ipaddress
import socket
from dataclasses import dataclass

from gateway_filters.gateway_api.resources import BackendEndpoint, Gateway, GatewayAddress
from gateway_filters.message.client import is_address

_SUPPORTED = ("IPAddress", "Hostname")


@dataclass(frozen=True, slots=True)
class Addresses:
    """``bound``: where to listen. The others are pairs of a condition's reason and a sentence."""

    bound: tuple[str, ...] = ()
    unsupported: tuple[tuple[str, str], ...] = ()
    unusable: tuple[tuple[str, str], ...] = ()


def addresses_of(gateway: Gateway, host: str) -> Addresses:
    """The Gateway's addresses; ``host`` stands for one that it does not name."""
    written = gateway.spec.addresses
    unsupported = tuple(
        ("UnsupportedAddress", f"addresses of type {each.type} are not supported")
        for each in written
        if each.type not in _SUPPORTED
    )
    if unsupported:
        return Addresses(unsupported=unsupported)
    values = tuple(dict.fromkeys(each.value or host for each in written)) or (host,)
    unusable = tuple(
        ("AddressNotUsable", f"address {each.value} is not one of this machine")
        for each in written
        if each.value and not _usable(each)
    )
    bad = {each.value for each in written if each.value and not _usable(each)} if unusable else set[str]()
    return Addresses(tuple(value for value in values if value not in bad), (), unusable)


def endpoint_fault(endpoint: BackendEndpoint) -> str:
    """What is wrong with the host of a Backend's endpoint (Envoy Gateway); empty for nothing."""
    name = endpoint.fqdn.hostname.removesuffix(".") if endpoint.fqdn else ""
    return f"host name {name} is an address, which ip endpoints are for" if is_address(name) else ""


def is_loopback(host: str) -> bool:
    """Whether a host, brackets round an IPv6 address or not, is this machine for everybody on it and nobody else."""
    bare = host[1:-1] if host.startswith("[") else host
    return ipaddress.ip_address(bare).is_loopback if is_address(bare) else bare == "localhost"


def _usable(address: GatewayAddress) -> bool:
    """Whether a socket can be bound to the address; nothing is sent and the port is any free one."""
    value = address.value or ""
    family = socket.AF_INET6 if ":" in value else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((value, 0))
    except OSError:
        return False
    return True
