"""asgi/scope: what is cut from a scope, what is written back, and that one shell or many is all the same."""

import copy
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp

from asgi_driver import Inner, Pairs, exchange, http_scope
from gateway_filters import (
    CredentialInjection,
    Filter,
    MemorySecret,
    ReplaceFullPath,
    ReplacePrefixMatch,
    RequestHeaderModifier,
    URLRewrite,
    chain,
)
from gateway_filters.asgi.scope import request_head, scope_with
from gateway_filters.errors import BadRequest

HOST = (b"host", b"gateway.test")
KEY = MemorySecret("key-of-the-gateway", scheme="Bearer")


def scope(**fields: Any) -> dict[str, Any]:
    """A scope with some fields changed; a field that is None is missing."""
    changed = {**http_scope("/v1/models"), **fields}
    return {name: value for name, value in changed.items() if value is not None}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        pytest.param({"raw_path": b"/a%2Fb", "path": "/a/b"}, b"/a%2Fb", id="an encoded slash stays encoded"),
        pytest.param({"raw_path": b"/%7Euser/%zz", "path": "/~user/%zz"}, b"/%7Euser/%zz", id="raw bytes stay"),
        pytest.param({"raw_path": b"/raw", "path": "/decoded"}, b"/raw", id="raw_path is preferred to path"),
        pytest.param({"raw_path": None, "path": "/a b/é"}, b"/a%20b/%C3%A9", id="without raw_path, path is quoted"),
        pytest.param({"raw_path": None, "path": "/a%b?c#d"}, b"/a%25b%3Fc%23d", id="quoting leaves no mark of a query"),
        pytest.param({"raw_path": b"", "path": "/a"}, b"/a", id="an empty raw_path counts as missing"),
        pytest.param({"raw_path": b"//a/../b", "path": "//a/../b"}, b"//a/../b", id="nothing is normalised"),
        pytest.param(
            {"raw_path": b"/gw/v1", "path": "/gw/v1", "root_path": "/gw"}, b"/v1", id="the mount point is cut off"
        ),
        pytest.param(
            {"raw_path": b"/gw", "path": "/gw", "root_path": "/gw"}, b"/", id="the mount point itself is the root"
        ),
        pytest.param(
            {"raw_path": b"/gwx/v1", "path": "/gwx/v1", "root_path": "/gw"},
            b"/gwx/v1",
            id="a path beside the mount point counts as local",
        ),
        pytest.param(
            {"raw_path": b"/caf%C3%A9/a%2Fb", "path": "/café/a/b", "root_path": "/café"},
            b"/a%2Fb",
            id="an encoded mount point is cut off, the rest stays raw",
        ),
        pytest.param(
            {"raw_path": b"/%67w/v1", "path": "/gw/v1", "root_path": "/gw"},
            b"/v1",
            id="a needless escape in the mount point does not hide it",
        ),
        pytest.param(
            {"raw_path": b"/a%2Fb/c", "path": "/a/b/c", "root_path": "/a/b"},
            b"/c",
            id="an encoded slash inside the mount point does not hide it",
        ),
        pytest.param(
            {"raw_path": None, "path": "/my app/v1", "root_path": "/my app"},
            b"/v1",
            id="a mount point is cut off a quoted path too",
        ),
    ],
)
def test_path(given: dict[str, Any], path: bytes) -> None:
    """A head's path is the raw path below the mount point."""
    assert request_head(scope(**given)).path == path


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        pytest.param({"query_string": b"a=%zz&a=b"}, "query", b"a=%zz&a=b", id="the query stays raw"),
        pytest.param({"query_string": None}, "query", b"", id="a missing query is none"),
        pytest.param({"method": "PROPFIND"}, "method", b"PROPFIND", id="the method is bytes"),
        pytest.param({"scheme": "https"}, "scheme", b"https", id="the scheme is the server's"),
        pytest.param({"scheme": None}, "scheme", b"http", id="a missing scheme is http"),
        pytest.param({"type": "websocket", "method": None, "scheme": "wss"}, "scheme", b"https", id="wss is https"),
        pytest.param({"type": "websocket", "method": None, "scheme": "ws"}, "method", b"GET", id="no method is GET"),
        pytest.param({"headers": [HOST]}, "authority", b"gateway.test", id="Host is the authority"),
        pytest.param({"headers": [HOST]}, "headers", (), id="Host is no header"),
        pytest.param({"headers": []}, "authority", b"", id="a missing Host is empty"),
        pytest.param({"headers": [HOST, (b"host", b"b")]}, "authority", b"gateway.test, b", id="two Hosts are no Host"),
        pytest.param({"headers": [HOST, (b"host", b"b")]}, "headers", (), id="of two Hosts none is a header"),
        pytest.param(
            {"headers": [(b"b", b"\xff"), HOST, (b"a", b"2"), (b"b", b"1")]},
            "headers",
            ((b"b", b"\xff"), (b"a", b"2"), (b"b", b"1")),
            id="headers keep order, duplicates and bytes",
        ),
        pytest.param(
            {"headers": [HOST, (b"a", b" v \t "), (b"b", b"\t"), (b"c", b"v\x0b")]},
            "headers",
            ((b"a", b"v"), (b"b", b""), (b"c", b"v\x0b")),
            id="blanks that a server has left round a value are no part of it",
        ),
        pytest.param({"headers": [(b"host", b"h\t")]}, "authority", b"h", id="nor of a Host"),
        pytest.param(
            {"headers": [HOST, (b"connection", b"close, X-Secret"), (b"x-secret", b"1"), (b"x", b"2")]},
            "headers",
            ((b"x", b"2"),),
            id="Connection and what it names are gone",
        ),
        pytest.param(
            {"headers": [(b"connection", b"a"), (b"a", b"1"), (b"b", b"1"), (b"connection", b" ,B ,")]},
            "headers",
            (),
            id="every Connection header counts, in any case",
        ),
        pytest.param(
            {"headers": [HOST, (b"connection", b"host, content-length"), (b"content-length", b"3")]},
            "headers",
            ((b"content-length", b"3"),),
            id="Connection cannot name the frame",
        ),
        pytest.param(
            {"headers": [HOST, (b"connection", b"host")]},
            "authority",
            b"gateway.test",
            id="Connection cannot name it",
        ),
    ],
)
def test_head(given: dict[str, Any], field: str, expected: object) -> None:
    """A head says what the scope says, without what concerns the connection."""
    assert getattr(request_head(scope(**given)), field) == expected


@pytest.mark.parametrize(
    ("given", "path", "raw_path"),
    [
        pytest.param({}, "/c/v1 x", b"/c/v1%20x", id="path is the decoded raw_path"),
        pytest.param(
            {"raw_path": b"/gw/v1", "path": "/gw/v1", "root_path": "/gw"},
            "/gw/c/v1 x",
            b"/gw/c/v1%20x",
            id="both begin with the mount point",
        ),
        pytest.param(
            {"raw_path": b"/caf%C3%A9/v1", "path": "/café/v1", "root_path": "/café"},
            "/café/c/v1 x",
            b"/caf%C3%A9/c/v1%20x",
            id="an encoded mount point is encoded in raw_path alone",
        ),
        pytest.param(
            {"raw_path": b"/other", "path": "/other", "root_path": "/gw"},
            "/c/v1 x",
            b"/c/v1%20x",
            id="a path beside the mount point gets none",
        ),
        pytest.param({"raw_path": None}, "/c/v1 x", b"/c/v1%20x", id="a missing raw_path is there afterwards"),
    ],
)
def test_write_back(given: dict[str, Any], path: str, raw_path: bytes) -> None:
    """Writing back sets path and raw_path together."""
    before = scope(**given)
    after = scope_with(before, request_head(before).with_path(b"/c/v1%20x"))
    assert (after["path"], after["raw_path"]) == (path, raw_path)


def test_write_back_keeps_the_rest() -> None:
    """Root path, query and everything else stay, objects included, and the scope itself is not changed."""
    before = scope(root_path="/gw", path="/gw/v1", raw_path=b"/gw/v1", query_string=b"q=%zz", extensions={"a": {}})
    kept = copy.deepcopy(before)
    after = scope_with(before, request_head(before).with_path(b"/x").with_header(b"a", b"1").with_authority(b"b"))
    assert before == kept
    changed = {"path", "raw_path", "headers", "gateway_filters.head"}  # the last is a note of ours
    assert {name: after[name] for name in after if name not in changed} == {
        name: kept[name] for name in kept if name not in changed
    }
    assert after["state"] is before["state"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([(b"a", b"1"), HOST], [HOST, (b"a", b"1")], id="Host moves to the front"),
        pytest.param([HOST, (b"host", b"b")], [(b"host", b"gateway.test, b")], id="two Hosts are one that is none"),
        pytest.param([(b"a", b"1")], [(b"a", b"1")], id="no Host stays no Host"),
    ],
)
def test_host_comes_first(given: Pairs, expected: Pairs) -> None:
    """Exactly one Host is written, first (RFC 9110 7.2)."""
    before = scope(headers=given)
    assert scope_with(before, request_head(before))["headers"] == expected


CHANGES: tuple[Filter, ...] = (
    URLRewrite(hostname="provider.test", path=ReplacePrefixMatch("/v1", "/compatible-mode/v1")),
    RequestHeaderModifier(set={"X-Set": "1"}, add={"X-Add": "2"}, remove=("X-Remove",)),
    CredentialInjection(KEY, overwrite=True),
)


def one_by_one(app: ASGIApp) -> ASGIApp:
    """A shell for each filter."""
    for each in reversed(CHANGES):
        app = each(app)
    return app


def by_add_middleware(app: ASGIApp) -> ASGIApp:
    """Starlette's own stack: the middleware added last is the outermost."""
    starlette = Starlette(routes=[Mount("/", app=app)])
    for each in reversed(CHANGES):
        starlette.add_middleware(each)
    return starlette


def by_middleware(app: ASGIApp) -> ASGIApp:
    """Starlette's list of recipes: the first is the outermost."""
    return Starlette(routes=[Mount("/", app=app)], middleware=[Middleware(each) for each in CHANGES])


def fused(app: ASGIApp) -> ASGIApp:
    """One shell for all."""
    return chain(app, *CHANGES)


FORMS = [
    pytest.param(fused, id="one fused shell"),
    pytest.param(one_by_one, id="a shell for each filter"),
    pytest.param(by_add_middleware, id="add_middleware for each filter"),
    pytest.param(by_middleware, id="Middleware for each filter"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("root", "target", "raw_path"),
    [
        pytest.param("", "/v1/a%2Fb?q=%20&q=1", b"/compatible-mode/v1/a%2Fb", id="at the root"),
        pytest.param("/gw", "/v1/models", b"/gw/compatible-mode/v1/models", id="below --root-path"),
        pytest.param("", "/v1", b"/compatible-mode/v1", id="the prefix alone"),
        pytest.param("", "/v1beta", b"/v1beta", id="beside the prefix"),
    ],
)
async def test_one_shell_or_many(form: Any, root: str, target: str, raw_path: bytes) -> None:
    """The inner app gets the same scope from one shell as from a shell for each filter."""
    inner = Inner()
    headers = [(b"x-remove", b"1"), HOST, (b"x-add", b"1"), (b"authorization", b"client"), (b"x-set", b"0")]
    given = http_scope(target, root_path=root, headers=headers)
    before = copy.deepcopy(given)
    await exchange(form(inner), given)
    assert inner.scope["raw_path"] == raw_path
    assert inner.scope["root_path"] == root
    assert inner.scope["query_string"] == target.partition("?")[2].encode()
    assert inner.scope["headers"] == [
        (b"host", b"provider.test"),
        (b"x-add", b"1"),
        (b"x-set", b"1"),
        (b"x-add", b"2"),
        (b"authorization", b"Bearer key-of-the-gateway"),
    ]
    # Starlette leaves its own notes in the server's scope; what a request is must not change there.
    assert {name: given[name] for name in before} == before


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("nominated", [b"authorization", b"close, Authorization", b"x-set, authorization,x-add"])
async def test_connection_cannot_remove_what_is_injected(form: Any, nominated: bytes) -> None:
    """``Connection: authorization`` takes off the client's own value and never an injected one."""
    inner = Inner()
    headers = [HOST, (b"connection", nominated), (b"authorization", b"client")]
    await exchange(form(inner), http_scope("/v1", headers=headers))
    assert inner.scope["headers"] == [
        (b"host", b"provider.test"),
        (b"x-set", b"1"),
        (b"x-add", b"2"),
        (b"authorization", b"Bearer key-of-the-gateway"),
    ]


async def test_connection_removes_the_clients_header_before_filters_look() -> None:
    """A nominated header is gone before a filter could mistake it for the client's own credential."""
    inner = Inner()
    headers = [HOST, (b"connection", b"authorization"), (b"authorization", b"client")]
    await exchange(chain(inner, CredentialInjection(KEY)), http_scope(headers=headers))
    assert inner.scope["headers"] == [HOST, (b"authorization", b"Bearer key-of-the-gateway")]


@pytest.mark.parametrize(
    ("mounted_at", "root", "target", "expected"),
    [
        pytest.param("/gw", "", "/gw/v1/a%2Fb", ("/gw/c/v1/a/b", b"/gw/c/v1/a%2Fb", "/gw"), id="a mount point"),
        pytest.param("/gw", "/out", "/gw/v1", ("/out/gw/c/v1", b"/out/gw/c/v1", "/out/gw"), id="below --root-path"),
        pytest.param(
            "/café", "", "/caf%C3%A9/v1/x", ("/café/c/v1/x", b"/caf%C3%A9/c/v1/x", "/café"), id="an encoded mount point"
        ),
        pytest.param("/{tenant}", "", "/a%20b/v1", ("/a b/c/v1", b"/a%20b/c/v1", "/a b"), id="a parameter"),
    ],
)
async def test_below_a_starlette_mount(mounted_at: str, root: str, target: str, expected: tuple[object, ...]) -> None:
    """Below Starlette's Mount a rewrite changes the local path and keeps the mount point."""
    inner = Inner()
    app = Starlette(routes=[Mount(mounted_at, app=URLRewrite(path=ReplacePrefixMatch("/v1", "/c/v1"))(inner))])
    await exchange(app, http_scope(target, root_path=root))
    assert (inner.scope["path"], inner.scope["raw_path"], inner.scope["root_path"]) == expected


async def test_a_full_path_below_a_mount() -> None:
    """ReplaceFullPath replaces the local path, not the mount point."""
    inner = Inner()
    app = Starlette(routes=[Mount("/gw", app=URLRewrite(path=ReplaceFullPath("/x"))(inner))])
    await exchange(app, http_scope("/gw/v1/models"))
    assert (inner.scope["path"], inner.scope["raw_path"]) == ("/gw/x", b"/gw/x")


def test_a_path_that_would_slip_below_the_mount_point_is_refused() -> None:
    """``//app/v1`` is not below ``/app``; its canonical form must not be taken for ``/v1`` of the mounted app."""
    before = scope(root_path="/app", path="//app/v1", raw_path=b"//app/v1")
    with pytest.raises(BadRequest, match="mount point"):
        scope_with(before, request_head(before).with_path(b"/app/v1"))
