"""Authorization: rules on addresses, headers, claims, methods and paths; the first that holds decides."""

from ipaddress import ip_address
from typing import Any

import pytest

from gateway_filters.errors import BadRequest, ConfigurationError, PermissionDenied, verdict
from gateway_filters.filters import Authorization, AuthorizationRule, ClaimIn, Operation, TokenHolder
from gateway_filters.message.client import Client, address_of
from gateway_filters.message.head import RequestHead

ALLOW, DENY = "Allow", "Deny"


def _head(
    path: str = "/v1", method: str = "GET", headers: tuple[tuple[str, str], ...] = (), client: Client | None = None
) -> RequestHead:
    pairs = tuple((name.encode(), value.encode()) for name, value in headers)
    head = RequestHead(method.encode(), path.encode(), headers=pairs)
    return head if client is None else head.with_client(client)


def _allows(authorization: Authorization, head: RequestHead) -> bool:
    try:
        return authorization.on_request(head) is head
    except PermissionDenied:
        return False


def _holds(rule: AuthorizationRule, head: RequestHead) -> bool:
    """Whether the rule holds, seen from both sides: it allows, and its opposite denies."""
    assert rule.action == ALLOW
    found = _allows(Authorization((rule,)), head)
    denying = AuthorizationRule(
        action="Deny",
        client_cidrs=rule.client_cidrs,
        headers=rule.headers,
        token=rule.token,
        operation=rule.operation,
    )
    assert _allows(Authorization((denying,), default="Allow"), head) is not found
    return found


def test_without_rules_everything_is_denied() -> None:
    """Deny is the default (Envoy Gateway)."""
    assert not _allows(Authorization(), _head())
    assert _allows(Authorization(default="Allow"), _head())


def test_the_first_rule_that_holds_decides() -> None:
    """Whatever the later ones say."""
    post = Operation(methods=("POST",))
    rules = (AuthorizationRule(action="Deny", operation=post), AuthorizationRule(action="Allow"))
    assert not _allows(Authorization(rules), _head(method="POST"))
    assert _allows(Authorization(rules), _head(method="GET"))
    assert _allows(Authorization(rules[::-1]), _head(method="POST"))


ADDRESSES = [
    pytest.param("10.1.2.3", ("10.0.0.0/8",), True, id="in the network"),
    pytest.param("11.1.2.3", ("10.0.0.0/8",), False, id="beside it"),
    pytest.param("11.1.2.3", ("10.0.0.0/8", "11.0.0.0/8"), True, id="in one of two"),
    pytest.param("10.1.2.3", ("10.9.9.9/8",), True, id="bits behind the mask mean nothing"),
    pytest.param("2001:db8::1", ("2001:db8::/32",), True, id="IPv6"),
    pytest.param("2001:db9::1", ("2001:db8::/32",), False, id="IPv6 beside it"),
    pytest.param("::ffff:10.1.2.3", ("10.0.0.0/8",), True, id="IPv4 mapped into IPv6"),
    pytest.param("10.1.2.3", ("::ffff:10.0.0.0/104",), True, id="a network of IPv4 mapped into IPv6"),
    pytest.param("11.1.2.3", ("::ffff:10.0.0.0/104",), False, id="beside a network that is mapped"),
    pytest.param("::ffff:0:1", ("::/0",), False, id="a mapped address is one of IPv4"),
    pytest.param("10.1.2.3", ("::/0",), False, id="IPv4 is not in an IPv6 network"),
    pytest.param("fe80::1%eth0", ("fe80::/10",), True, id="with a zone"),
    pytest.param("127.0.0.1", ("127.0.0.1/32",), True, id="one address"),
    pytest.param("", ("0.0.0.0/0", "::/0"), False, id="an unknown address is in no network"),
    pytest.param("/run/socket", ("0.0.0.0/0",), False, id="a socket's path is no address"),
]


@pytest.mark.parametrize(("address", "networks", "holds"), ADDRESSES)
def test_addresses(address: str, networks: tuple[str, ...], holds: bool) -> None:
    """One of the networks holds the peer's address."""
    rule = AuthorizationRule(action="Allow", client_cidrs=networks)
    assert _holds(rule, _head(client=Client(address_of(address)))) is holds


def test_what_a_client_says_of_its_address_does_not_count() -> None:
    """Forwarding headers are the client's own words."""
    rule = AuthorizationRule(action="Allow", client_cidrs=("10.0.0.0/8",))
    lying = _head(headers=(("x-forwarded-for", "10.0.0.1"), ("x-real-ip", "10.0.0.1"), ("forwarded", "for=10.0.0.1")))
    assert not _allows(Authorization((rule,)), lying)
    assert not _allows(Authorization((rule,)), lying.with_client(Client(ip_address("192.0.2.1"))))


HEADERS = [
    pytest.param((("x-role", "admin"),), True, id="the value"),
    pytest.param((("x-role", "user"), ("x-role", "admin")), True, id="one line has it, as in Envoy"),
    pytest.param((("x-role", "user,admin"),), False, id="a part of a line"),
    pytest.param((("x-role", "Admin"),), False, id="another case"),
    pytest.param((("x-role", ""),), False, id="an empty value"),
    pytest.param((), False, id="no such header"),
]


@pytest.mark.parametrize(("headers", "holds"), HEADERS)
def test_headers(headers: tuple[tuple[str, str], ...], holds: bool) -> None:
    """A line of the header has one of the values."""
    rule = AuthorizationRule(action="Allow", headers=(("X-Role", ("root", "admin")),))
    assert _holds(rule, _head(headers=headers)) is holds


def test_a_parameter_that_an_operation_names_is_part_of_the_path() -> None:
    """Whoever writes it knows a server that tells it from others."""
    rule = AuthorizationRule(action="Allow", operation=Operation(path="/a;v=1", type="Exact"))
    assert _holds(rule, _head("/a;v=1")) and not _holds(rule, _head("/a;v=2")) and not _holds(rule, _head("/a"))


def test_all_headers_must_hold() -> None:
    """One alone is not enough."""
    rule = AuthorizationRule(action="Allow", headers=(("a", ("1",)), ("b", ("2",))))
    assert _holds(rule, _head(headers=(("a", "1"), ("b", "2")))) and not _holds(rule, _head(headers=(("a", "1"),)))


OPERATIONS = [
    pytest.param(Operation(("POST", "PUT")), "PUT", "/x", True, id="one of the methods"),
    pytest.param(Operation(("POST",)), "post", "/x", False, id="a method in lower case is another one"),
    pytest.param(Operation(path="/admin"), "GET", "/admin", True, id="the prefix itself"),
    pytest.param(Operation(path="/admin"), "GET", "/admin/x", True, id="below the prefix"),
    pytest.param(Operation(path="/admin/"), "GET", "/admin", True, id="a slash behind the prefix does not count"),
    pytest.param(Operation(path="/admin"), "GET", "/adminx", False, id="another segment"),
    pytest.param(Operation(path="/admin"), "GET", "/Admin", False, id="case counts"),
    pytest.param(Operation(path="/admin", invert=True), "GET", "/admin", False, id="inverted, the prefix"),
    pytest.param(Operation(path="/admin", invert=True), "GET", "/x", True, id="inverted, another path"),
    pytest.param(Operation(path="/a", type="Exact"), "GET", "/a", True, id="exactly the path"),
    pytest.param(Operation(path="/a", type="Exact"), "GET", "/a/", False, id="a slash more"),
    pytest.param(Operation(path="/v[0-9]+/x", type="RegularExpression"), "GET", "/v1/x", True, id="a pattern"),
    pytest.param(Operation(path="/v[0-9]", type="RegularExpression"), "GET", "/v1/x", False, id="all of the path"),
    pytest.param(Operation(("GET",), "/a"), "POST", "/a", False, id="the path without the method"),
    pytest.param(Operation(("GET",), "/a"), "GET", "/b", False, id="the method without the path"),
]


@pytest.mark.parametrize(("operation", "method", "path", "holds"), OPERATIONS)
def test_operations(operation: Operation, method: str, path: str, holds: bool) -> None:
    """Method and path, each where it is given."""
    assert _holds(AuthorizationRule(action="Allow", operation=operation), _head(path, method)) is holds


@pytest.mark.parametrize("path", ["/x/../admin", "/./admin", "//admin", "/%61dmin", "/admin/..", "/a\\..\\admin"])
def test_a_path_that_is_not_canonical_is_not_decided_on(path: str) -> None:
    """It would be decided on one path and go on with another; in a gateway ingress has seen to that before."""
    rule = AuthorizationRule(action="Deny", operation=Operation(path="/admin"))
    with pytest.raises(BadRequest):
        Authorization((rule,), default="Allow").on_request(_head(path))


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        pytest.param("/admin%2Fx", True, id="below the prefix or a segment of its own"),
        pytest.param("/x%2f..%2fadmin", True, id="out of one folder and into another"),
        pytest.param("/x%5c..%5cadmin", True, id="backslashes"),
        pytest.param("/files/a%2Fb", False, id="beside the prefix however it is read"),
        pytest.param("/admin/a%2Fb", False, id="below the prefix however it is read"),
        pytest.param("/admin;x", True, id="the prefix with a parameter, or a segment of its own"),
        pytest.param("/admin;x=1/users", True, id="below the prefix with a parameter"),
        pytest.param("/x;%2f..;/admin;y", True, id="parameters among escaped slashes"),
        pytest.param("/;x/admin", True, id="a segment of nothing but parameters"),
        pytest.param("/files;v=1/a", False, id="a parameter beside the prefix"),
        pytest.param("/admin/a;b", False, id="a parameter below the prefix"),
    ],
)
def test_paths_must_read_the_same_in_all_ways(path: str, refused: bool) -> None:
    """Where servers differ (escaped slashes, parameters of segments) a rule must not be got round by it."""
    rule = AuthorizationRule(action="Deny", operation=Operation(path="/admin"))
    try:
        _allows(Authorization((rule,), default="Allow"), _head(path))
    except BadRequest:
        assert refused
    else:
        assert not refused


CLAIMS: dict[str, Any] = {
    "sub": "alice",
    "scope": "read write",
    "groups": ["dev", "ops"],
    "org": {"unit": {"name": "lab"}},
    "level": 3,
    "odd.name": "x",
}
TOKENS = [
    pytest.param(TokenHolder("p", (ClaimIn("sub", ("bob", "alice")),)), True, id="one of the values"),
    pytest.param(TokenHolder("p", (ClaimIn("sub", ("bob",)),)), False, id="none of the values"),
    pytest.param(TokenHolder("q", (ClaimIn("sub", ("alice",)),)), False, id="another provider"),
    pytest.param(TokenHolder("p", (ClaimIn("org.unit.name", ("lab",)),)), True, id="a nested claim"),
    pytest.param(TokenHolder("p", (ClaimIn("org.unit", ("lab",)),)), False, id="an object is no text"),
    pytest.param(TokenHolder("p", (ClaimIn("org.unit.name.x", ("lab",)),)), False, id="into a text"),
    pytest.param(TokenHolder("p", (ClaimIn("level", ("3",)),)), False, id="a number is no text"),
    pytest.param(TokenHolder("p", (ClaimIn("groups", ("ops",), array=True),)), True, id="an item of a list"),
    pytest.param(TokenHolder("p", (ClaimIn("groups", ("ops",)),)), False, id="a list where a text is meant"),
    pytest.param(TokenHolder("p", (ClaimIn("sub", ("alice",), array=True),)), False, id="a text where a list is meant"),
    pytest.param(TokenHolder("p", (ClaimIn("sub", ("alice",)), ClaimIn("x", ("y",)))), False, id="one of two claims"),
    pytest.param(TokenHolder("p", scopes=("write",)), True, id="a scope"),
    pytest.param(TokenHolder("p", scopes=("read", "write")), True, id="all scopes"),
    pytest.param(TokenHolder("p", scopes=("read", "admin")), False, id="one scope of two"),
    pytest.param(TokenHolder("p", scopes=("rea",)), False, id="a part of a scope"),
]


@pytest.mark.parametrize(("token", "holds"), TOKENS)
def test_tokens(token: TokenHolder, holds: bool) -> None:
    """Claims and scopes of the token that the provider has vouched for."""
    rule = AuthorizationRule(action="Allow", token=token)
    assert _holds(rule, _head(client=Client(claims={"p": CLAIMS}))) is holds
    assert not _holds(rule, _head(client=Client())) and not _holds(rule, _head())


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        pytest.param({"scp": "a b"}, ("b",), id="scp as a text"),
        pytest.param({"scp": ["a", "b"]}, ("b",), id="scp as a list"),
        pytest.param({"scope": ["a", 1, None]}, ("a",), id="a list with other things in it"),
    ],
)
def test_scopes_have_several_spellings(claims: dict[str, Any], scopes: tuple[str, ...]) -> None:
    """``scope`` is the registered name, ``scp`` what some issuers write."""
    rule = AuthorizationRule(action="Allow", token=TokenHolder("p", scopes=scopes))
    assert _holds(rule, _head(client=Client(claims={"p": claims})))


def test_all_parts_of_a_rule_must_hold() -> None:
    """An address and a header and an operation."""
    rule = AuthorizationRule(
        action="Allow", client_cidrs=("10.0.0.0/8",), headers=(("a", ("1",)),), operation=Operation(("GET",))
    )
    inside = Client(address_of("10.0.0.1"))
    assert _holds(rule, _head(headers=(("a", "1"),), client=inside))
    assert not _holds(rule, _head(client=inside))
    assert not _holds(rule, _head(headers=(("a", "1"),)))
    assert not _holds(rule, _head(method="POST", headers=(("a", "1"),), client=inside))


@pytest.mark.parametrize("network", ["", "10.0.0.0/33", "10.0.0", "example.com/8", "10.0.0.0/-1", "::1/129"])
def test_a_network_that_is_none_is_refused(network: str) -> None:
    """At construction, with a sentence."""
    with pytest.raises(ConfigurationError, match="CIDR"):
        AuthorizationRule(action="Allow", client_cidrs=(network,))


def test_a_denial_names_its_rule_to_the_log_alone() -> None:
    """The reason is for whoever runs the gateway."""
    rule = AuthorizationRule(action="Deny", name="no admins")
    with pytest.raises(PermissionDenied, match="rule no admins denies it") as caught:
        Authorization((rule,)).on_request(_head())
    assert verdict(caught.value).status == 403 and "admins" not in verdict(caught.value).message
