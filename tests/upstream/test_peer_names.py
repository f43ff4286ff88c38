"""upstream/peer_names: which certificates bear a name that is expected."""

import ssl

import pytest
import trustme

from gateway_filters.routing import SubjectAltName
from gateway_filters.upstream.peer_names import NamedContext, bears

SPIFFE = "spiffe://cluster.test/ns/a/sa/b"


def host(name: str) -> SubjectAltName:
    """A host name that is expected."""
    return SubjectAltName("Hostname", name)


def uri(name: str) -> SubjectAltName:
    """A URI that is expected."""
    return SubjectAltName("URI", name)


ROWS = [
    pytest.param([("DNS", "a.test")], [host("a.test")], True, id="the same host"),
    pytest.param([("DNS", "A.Test")], [host("a.test")], True, id="in another case"),
    pytest.param([("DNS", "b.test")], [host("a.test")], False, id="another host"),
    pytest.param([("DNS", "b.test"), ("DNS", "a.test")], [host("a.test")], True, id="one of its names"),
    pytest.param([("DNS", "b.test")], [host("a.test"), host("b.test")], True, id="one of those expected"),
    pytest.param([("DNS", "*.a.test")], [host("x.a.test")], True, id="a certificate for a wildcard"),
    pytest.param([("DNS", "*.a.test")], [host("x.y.a.test")], False, id="a star is one label"),
    pytest.param([("DNS", "*.a.test")], [host("a.test")], False, id="a star is a label that is there"),
    pytest.param([("DNS", "*.a.test")], [host(".a.test")], False, id="an empty label is none"),
    pytest.param([("DNS", "*.test")], [host("a.test")], False, id="a star over a single label"),
    pytest.param([("DNS", "*")], [host("a")], False, id="a star alone"),
    pytest.param([("DNS", "x*.a.test")], [host("xy.a.test")], False, id="a star inside a label"),
    pytest.param([("DNS", "x.*.test")], [host("x.a.test")], False, id="a star that is not leftmost"),
    pytest.param([("DNS", "x.a.test")], [host("*.a.test")], True, id="a wildcard that is expected"),
    pytest.param([("DNS", "x.y.a.test")], [host("*.a.test")], False, id="which is one label as well"),
    pytest.param([("DNS", "*.a.test")], [host("*.a.test")], True, id="the same wildcard on both sides"),
    pytest.param([("DNS", "*.x.a.test")], [host("*.a.test")], False, id="a narrower wildcard is wider than one label"),
    pytest.param([("DNS", "*.a.test")], [host("*.x.a.test")], False, id="a wider wildcard"),
    pytest.param([("URI", SPIFFE)], [uri(SPIFFE)], True, id="the same URI"),
    pytest.param([("URI", SPIFFE.upper())], [uri(SPIFFE)], False, id="a URI in another case"),
    pytest.param([("URI", f"{SPIFFE}/")], [uri(SPIFFE)], False, id="a URI with something behind it"),
    pytest.param([("URI", "a.test")], [host("a.test")], False, id="a URI is no host"),
    pytest.param([("DNS", SPIFFE)], [uri(SPIFFE)], False, id="a host is no URI"),
    pytest.param([("IP Address", "127.0.0.1")], [host("127.0.0.1")], False, id="an address is no host"),
    pytest.param([("email", "a.test")], [host("a.test")], False, id="nor is a mailbox"),
    pytest.param([], [host("a.test"), uri(SPIFFE)], False, id="no names at all"),
]


@pytest.mark.parametrize(("borne", "expected", "holds"), ROWS)
def test_a_certificate_bears_a_name(borne: list[tuple[str, str]], expected: list[SubjectAltName], holds: bool) -> None:
    """dNSName as RFC 9525 compares them, URIs as they are."""
    assert bears({"subjectAltName": tuple(borne)}, expected) is holds


def test_the_common_name_does_not_count() -> None:
    """A certificate without subjectAltName bears nothing (RFC 9525 6.3)."""
    assert not bears({"subject": ((("commonName", "a.test"),),)}, [host("a.test")])


CA = trustme.CA()
AGREED = [
    (borne, asked)
    for borne in ("a.test", "x.a.test", "*.a.test", "*.test", "*.x.a.test")
    for asked in ("a.test", "x.a.test", "y.x.a.test", "test", "A.TEST")
]


@pytest.mark.parametrize(("borne", "asked"), AGREED)
def test_openssl_agrees(borne: str, asked: str) -> None:
    """A host name that is expected is found where OpenSSL, which can look for one only, finds it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(borne).configure_cert(server)  # pyright: ignore[reportUnknownMemberType]
    ours, theirs = NamedContext.of((host(asked.lower()),)), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (ours, theirs):
        CA.configure_trust(context)  # pyright: ignore[reportUnknownMemberType]
    assert _holds(ours, server, "other.test") is _holds(theirs, server, asked)


def test_blocking_sockets_are_refused() -> None:
    """There, OpenSSL shakes hands by itself and nobody would look at the names."""
    with pytest.raises(NotImplementedError):
        NamedContext.of((host("a.test"),)).wrap_socket(None)


def _holds(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bool:
    """Whether the client takes the server's certificate, in memory."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(back, there, server_hostname=name)
    other = server.wrap_bio(there, back, server_side=True)
    try:
        for _ in range(2):
            for each in (one, other):
                _step(each)
        one.do_handshake()
    except ssl.SSLCertVerificationError:
        return False
    return True


def _step(connection: ssl.SSLObject) -> None:
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return
