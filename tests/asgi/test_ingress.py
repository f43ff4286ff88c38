"""Ingress: one spelling of each path before anything is matched, and nothing else changed."""

import pytest
from starlette.types import Scope

from asgi_driver import Driver, Inner, exchange, http_scope, json_error
from gateway_filters.asgi.ingress import Ingress, ingress_head
from gateway_filters.asgi.scope import request_head
from gateway_filters.errors import BadRequest, MethodNotAllowed, PermissionDenied
from gateway_filters.message.head import RequestHead

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("target", "root_path", "path", "raw_path"),
    [
        pytest.param("/v1/../v2//x", "", "/v2/x", b"/v2/x", id="a path becomes canonical"),
        pytest.param("/v1/%7euser/%C3%A9//", "", "/v1/~user/é/", b"/v1/~user/%C3%A9/", id="path is the decoded form"),
        pytest.param("/../v1//x?a=//..", "/app", "/app/v1/x", b"/app/v1/x", id="nothing leads out of the mount point"),
    ],
)
async def test_paths_become_canonical(target: str, root_path: str, path: str, raw_path: bytes) -> None:
    """``path`` and ``raw_path`` change together, below the mount point; the rest of the scope stays."""
    inner = Inner()
    scope = http_scope(target, root_path=root_path)
    before = dict(scope)
    await exchange(Ingress(inner), scope)
    assert inner.scope == {**before, "path": path, "raw_path": raw_path}
    assert scope == before


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(http_scope("/v1/x?a=//"), id="a canonical path"),
        pytest.param({**http_scope("//"), "type": "lifespan"}, id="a scope that is no request"),
    ],
)
async def test_canonical_and_other_scopes_pass_untouched(scope: Scope) -> None:
    """The very same scope object goes on when nothing has to change."""
    inner = Inner()
    async with Driver(Ingress(inner), scope) as driver:
        driver.feed()
        await driver.end()
    assert inner.scopes[0] is scope


@pytest.mark.parametrize("target", ["/v1%2Fx", "/v1/%00", "/v1/a b", "*"])
async def test_bad_paths_are_refused(target: str) -> None:
    """A path without a canonical form is answered with 400 and reaches nobody."""
    inner = Inner()
    answer = await exchange(Ingress(inner), http_scope(target))
    assert (answer.status, inner.scopes) == (400, [])
    assert json_error(answer.body)["type"] == "invalid_request_error"


async def test_escaped_slashes_may_be_kept() -> None:
    """An operator may let escaped slashes through."""
    inner = Inner()
    scope = http_scope("/v1%2Fx")
    await exchange(Ingress(inner, escaped_slashes="keep"), scope)
    assert inner.scopes[0] is scope


async def test_a_path_beside_the_mount_point_does_not_get_below_it() -> None:
    """``//app/v1`` is not below ``/app``; made canonical it would be, so it is refused."""
    inner = Inner()
    scope = {**http_scope("//app/v1"), "root_path": "/app"}
    answer = await exchange(Ingress(inner), scope)
    assert (answer.status, inner.scopes) == (400, [])


async def test_closing_closes_the_app_inside() -> None:
    """``aclose`` goes through."""
    closed: list[bool] = []

    class Closing(Inner):
        async def aclose(self) -> None:
            closed.append(True)

    await Ingress(Closing()).aclose()
    assert closed == [True]


def test_heads_become_canonical() -> None:
    """The step on heads gives the same head, or one that differs in its path alone."""
    head = request_head(http_scope("/v1/x?q"))
    assert ingress_head(head) is head
    assert ingress_head(head.with_path(b"/v1//x/../y")) == head.with_path(b"/v1/y")
    with pytest.raises(BadRequest):
        ingress_head(RequestHead(b"GET", b"/v1%2fx"))
    assert ingress_head(RequestHead(b"GET", b"/v1%2fx"), escaped_slashes="keep").path == b"/v1%2fx"


def test_nobody_says_who_the_client_is() -> None:
    """What a proxy would say of the client is dropped before anything is matched; other headers stay."""
    claims = (
        (b"x-forwarded-for", b"1"),
        (b"x-forwarded-proto", b"https"),
        (b"forwarded", b"for=1"),
        (b"x-real-ip", b"1"),
    )
    kept = ((b"x-forwarder", b"2"), (b"accept", b"3"))
    head = ingress_head(RequestHead(b"GET", b"/", headers=(kept[0], *claims, kept[1])))
    assert head.headers == kept


@pytest.mark.parametrize("method", [b"TRACE", b"TRACK", b"trace", b"Track"])
def test_methods_that_echo_are_refused(method: bytes) -> None:
    """They would show a client the credential that was injected."""
    with pytest.raises(MethodNotAllowed):
        ingress_head(RequestHead(method, b"/"))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(b"host", b"a.test"), (b"x_forwarded_for", b"1")], id="a name with an underscore"),
        pytest.param([(b"host", b"a.test"), (b"host", b"b.test")], id="two Hosts"),
        pytest.param([(b"host", b"a.test"), (b"host", b"a.test")], id="the same Host twice"),
    ],
)
def test_headers_that_servers_read_differently_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """On every server, since every server shows them."""
    with pytest.raises(BadRequest):
        ingress_head(request_head({**http_scope("/v1"), "headers": headers}))


def test_a_fragment_is_refused() -> None:
    """Servers that cut it off show no application the rest of the target; those that do not, show it in the query."""
    with pytest.raises(BadRequest):
        ingress_head(RequestHead(b"GET", b"/v1", query=b"a#b"))


SWITCH = (b"connection", b"keep-alive, Upgrade")


@pytest.mark.parametrize(
    "upgrades",
    [
        pytest.param([(b"upgrade", b"foo")], id="to another protocol"),
        pytest.param([(b"upgrade", b"TLS/1.0")], id="to TLS"),
        pytest.param([(b"upgrade", b"websocket")], id="to a WebSocket, by a server that speaks none"),
        pytest.param([(b"upgrade", b"h2c"), (b"upgrade", b"foo")], id="to one of two"),
        pytest.param([(b"upgrade", b"h2c, foo")], id="to one of a list"),
    ],
)
def test_an_upgrade_that_nobody_speaks_is_refused(upgrades: list[tuple[bytes, bytes]]) -> None:
    """What follows it would not be HTTP."""
    with pytest.raises(PermissionDenied):
        ingress_head(request_head(http_scope(headers=[(b"host", b"h"), SWITCH, *upgrades])))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([SWITCH, (b"upgrade", b"H2C")], id="h2c, which may be passed over"),
        pytest.param([SWITCH], id="to nothing"),
        pytest.param([(b"proxy-connection", b"upgrade")], id="a header with a name like it"),
    ],
)
def test_an_upgrade_that_means_nothing_is_passed_over(headers: list[tuple[bytes, bytes]]) -> None:
    """RFC 9110 7.8: a server may ignore it; nothing of it is left."""
    head = ingress_head(request_head(http_scope(headers=[(b"host", b"h"), *headers])))
    assert not {name for name, _ in head.headers} & {b"connection", b"upgrade"}
