"""upstream/addresses: which addresses are public, by IANA's registries and by what an address of IPv6 leads to."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_filters.upstream.addresses import is_public

PRIVATE = [
    pytest.param("127.0.0.1", id="this machine"),
    pytest.param("127.8.9.10", id="this machine by another address"),
    pytest.param("0.0.0.0", id="any address, which is this machine"),
    pytest.param("0.1.2.3", id="this network"),
    pytest.param("10.0.0.1", id="a private network"),
    pytest.param("172.16.0.1", id="another one"),
    pytest.param("172.31.255.255", id="its end"),
    pytest.param("192.168.1.1", id="one at home"),
    pytest.param("100.64.0.1", id="shared behind a carrier's NAT"),
    pytest.param("100.100.100.200", id="what Alibaba Cloud tells its machines"),
    pytest.param("169.254.169.254", id="what most clouds tell their machines"),
    pytest.param("169.254.1.1", id="link-local"),
    pytest.param("192.0.2.1", id="documentation"),
    pytest.param("198.18.0.1", id="benchmarks"),
    pytest.param("224.0.0.1", id="multicast"),
    pytest.param("239.1.2.3", id="multicast of a site"),
    pytest.param("240.0.0.1", id="reserved"),
    pytest.param("255.255.255.255", id="broadcast"),
    pytest.param("::", id="any address of IPv6"),
    pytest.param("::1", id="this machine by IPv6"),
    pytest.param("::127.0.0.1", id="this machine, compatible with IPv4"),
    pytest.param("::ffff:127.0.0.1", id="this machine, mapped"),
    pytest.param("::ffff:10.0.0.1", id="a private network, mapped"),
    pytest.param("::ffff:169.254.169.254", id="what clouds tell, mapped"),
    pytest.param("::ffff:0.0.0.0", id="any address, mapped"),
    pytest.param("64:ff9b::10.0.0.1", id="a private network through NAT64"),
    pytest.param("64:ff9b::169.254.169.254", id="what clouds tell through NAT64"),
    pytest.param("64:ff9b:1::808:808", id="a network's own NAT64"),
    pytest.param("2002:a00:1::1", id="a private network through 6to4"),
    pytest.param("2002:7f00:1::", id="this machine through 6to4"),
    pytest.param("2001:0:a00:1::", id="Teredo"),
    pytest.param("2001:db8::1", id="documentation of IPv6"),
    pytest.param("fc00::1", id="a unique local address"),
    pytest.param("fd00:ec2::254", id="what AWS tells its machines by IPv6"),
    pytest.param("fe80::1", id="link-local by IPv6"),
    pytest.param("fe80::1%eth0", id="link-local with its zone"),
    pytest.param("fec0::1", id="site-local, which was given up"),
    pytest.param("ff02::1", id="multicast of IPv6"),
    pytest.param("100::1", id="where packets are thrown away"),
    pytest.param("4000::1", id="what nobody has been given"),
]

PUBLIC = [
    pytest.param("8.8.8.8", id="a public address"),
    pytest.param("172.32.0.1", id="behind a private network"),
    pytest.param("100.128.0.1", id="behind the shared ones"),
    pytest.param("2606:4700:4700::1111", id="a public address of IPv6"),
    pytest.param("::ffff:8.8.8.8", id="a public address, mapped"),
    pytest.param("64:ff9b::8.8.8.8", id="a public address through NAT64, as where there is IPv6 only"),
    pytest.param("2002:808:808::1", id="a public address through 6to4"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address(address: str) -> None:
    """It leads somewhere else from everywhere, or nowhere."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address: str) -> None:
    """It leads to the same place from everywhere."""
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_of_ipv4_is_judged_alike_in_every_form(address: ipaddress.IPv4Address) -> None:
    """Mapped, translated or through a tunnel, it leads to the same place."""
    number = int(address)
    forms = (f"::ffff:{address}", f"64:ff9b::{address}", f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")
    assert {is_public(form) for form in forms} == {is_public(str(address))}


@given(st.ip_addresses(v=6))
def test_what_is_public_is_unicast_that_python_knows_as_global_or_leads_to_ipv4(
    address: ipaddress.IPv6Address,
) -> None:
    """Nothing is public here that the standard library calls private, but for what stands for an address of IPv4."""
    if is_public(str(address)):
        assert not address.is_multicast and not address.is_loopback and not address.is_link_local
        assert address.is_global or address.ipv4_mapped or address.sixtofour


def test_addresses_as_the_system_writes_them() -> None:
    """Whatever ``getaddrinfo`` gives for an address of any form can be judged."""
    for written in ("127.1", "0x7f.1", "2130706433", "017700000001"):
        for _, _, _, _, place in socket.getaddrinfo(written, 80, type=socket.SOCK_STREAM):
            assert not is_public(str(place[0]))
