"""frontend_tls: what a change of certificates, or of the way clients are judged, does to those who resume."""

import ssl

import pytest
import trustme

from gateway_filters.errors import ConfigurationError
from gateway_filters.frontend_tls import CHOSEN, FrontendTLS
from tls_peers import Ends, listening, trusting

CA, OTHER_CA = trustme.CA(), trustme.CA()
A, B, ANY = (CA.issue_cert(name) for name in ("a.test", "b.test", "any.test"))
OURS, THEIRS = CA.issue_cert("us@x.test"), OTHER_CA.issue_cert("them@x.test")
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(params=VERSIONS, ids=["TLS 1.2", "TLS 1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    """The version that clients speak."""
    found: ssl.TLSVersion = request.param
    return found


@pytest.mark.parametrize("judging", [False, True], ids=["anybody", "clients of a CA"])
def test_sessions_are_resumed_after_a_renewal(version: ssl.TLSVersion, judging: bool) -> None:
    """Who may come in may come in by a ticket, and new certificates change nothing about that."""
    cas = CA if judging else None
    tls = FrontendTLS(listening((None, A), cas=cas))
    client = trusting(CA, OURS if judging else None, maximum_version=version)
    first = Ends(client, tls.context, "a.test").shake_hands()
    tls.show(listening((None, CA.issue_cert("a.test")), cas=cas))
    again = Ends(client, tls.context, "a.test", first.client.session).shake_hands()
    assert (first.server.session_reused, again.server.session_reused) == (False, True)


CHANGES = [
    pytest.param(None, True, CA, True, id="clients are asked from now on"),
    pytest.param(CA, True, OTHER_CA, True, id="another CA counts from now on"),
    pytest.param(CA, False, OTHER_CA, True, id="clients are judged from now on"),
]


@pytest.mark.parametrize(("before", "was", "after", "judged"), CHANGES)
def test_nobody_comes_in_by_an_old_ticket(
    version: ssl.TLSVersion, before: trustme.CA | None, was: bool, after: trustme.CA, judged: bool
) -> None:
    """Who resumes is not asked for a certificate again, so tickets are worth nothing once the judgement changes."""
    tls = FrontendTLS(listening((None, A), cas=before, required=was))
    client = trusting(CA, OURS if before else None, maximum_version=version)
    first = Ends(client, tls.context, "a.test").shake_hands()
    tls.show(listening((None, A), cas=after, required=judged))
    with pytest.raises(ssl.SSLError):
        Ends(client, tls.context, "a.test", first.client.session).shake_hands()


def test_another_name_on_an_old_ticket(version: ssl.TLSVersion) -> None:
    """In TLS 1.3 the name that is asked for now chooses; below, OpenSSL holds a session to the name it began with.

    A request for another listener is then misdirected, as over any connection.
    """
    tls = FrontendTLS(listening(("a.test", A), ("b.test", B)))
    client = trusting(CA, maximum_version=version)
    first = Ends(client, tls.context, "a.test").shake_hands()
    again = Ends(client, tls.context, "b.test", first.client.session).shake_hands()
    assert again.server.session_reused
    assert getattr(again.server, CHOSEN) == ("a.test" if version is ssl.TLSVersion.TLSv1_2 else "b.test")


def test_one_way_of_judging_for_a_socket() -> None:
    """Whose name is more specific must not decide who gets in."""
    both = [*listening(("a.test", A)), *listening((None, ANY), cas=CA)]
    with pytest.raises(ConfigurationError, match="different ways"):
        FrontendTLS(both)


def test_a_certificate_that_is_none_changes_nothing() -> None:
    """What was shown before is shown on."""
    tls = FrontendTLS(listening((None, A)))
    broken = listening((None, trustme.LeafCert(A.private_key_pem.bytes(), b"none", [])))
    with pytest.raises(ConfigurationError, match="cannot be used"):
        tls.show(broken)
    assert Ends(trusting(CA), tls.context, "a.test").shake_hands().client.version() == "TLSv1.3"
