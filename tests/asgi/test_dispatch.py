"""asgi/dispatch and asgi/choice: which app a request goes to."""

from collections import Counter
from collections.abc import Callable

import pytest

from asgi_driver import Driver, Inner, exchange, http_scope, json_error
from gateway_filters import ConfigurationError, PathPrefix, RequestHead
from gateway_filters.asgi.choice import WeightedChoice
from gateway_filters.asgi.dispatch import Dispatch, no_route
from gateway_filters.asgi.shell import Serve, serving


async def test_no_route() -> None:
    """Where no route matches, the answer is a 404 in the OpenAI error shape (Gateway API: 404)."""
    answer = await exchange(no_route, http_scope("/a?key=secret"))
    assert answer.status == 404
    assert json_error(answer.body)["type"] == "not_found"
    assert len(str(json_error(answer.body)["request_id"])) == 16
    assert answer.values(b"content-type") == [b"application/json"]
    assert answer.values(b"content-length") == [str(len(answer.body)).encode()]


async def test_no_route_for_a_websocket() -> None:
    """A WebSocket that no route takes is closed before it is accepted, which servers turn into 403."""
    async with Driver(no_route, {"type": "websocket"}) as driver:
        await driver.end()
    assert [each["type"] for each in driver.sent] == ["websocket.close"]


async def test_dispatch() -> None:
    """The app that is chosen for the head gets the very scope; without one it is ``otherwise``."""
    chosen, otherwise = Inner(), Inner()

    def choose(head: RequestHead) -> Serve | None:
        return serving(chosen) if head.path == b"/a%2Fb" else None

    app = Dispatch(choose, otherwise, ingress=lambda head: head)
    first, second = http_scope("/a%2Fb"), http_scope("/a/b")
    await exchange(app, first)
    await exchange(app, second)
    assert chosen.scopes[0] is first
    assert otherwise.scopes[0] is second


@pytest.mark.parametrize("kind", ["lifespan", "a type of the future"])
async def test_other_scopes_go_otherwise(kind: str) -> None:
    """Scopes of other types are never asked about and go to ``otherwise`` untouched."""
    otherwise = Inner()

    def choose(head: RequestHead) -> Serve | None:
        raise AssertionError("asked")

    given = {"type": kind}
    async with Driver(Dispatch(choose, otherwise, ingress=lambda head: head), given) as driver:
        await driver.end()
    assert otherwise.scopes[0] is given


@pytest.mark.parametrize(
    ("prefix", "root", "target", "taken"),
    [
        pytest.param("/v1", "", "/v1", True, id="the prefix itself"),
        pytest.param("/v1", "", "/v1/", True, id="the prefix with a slash"),
        pytest.param("/v1", "", "/v1/models?q=1", True, id="below the prefix"),
        pytest.param("/v1", "", "/v1beta", False, id="only whole segments count"),
        pytest.param("/v1", "", "/V1/models", False, id="case counts"),
        pytest.param("/v1", "", "/v1%2Fmodels", False, id="an encoded slash ends no segment"),
        pytest.param("/v1", "", "/%25761/models", False, id="an escape is never decoded twice"),
        pytest.param("/v1", "", "/v1/../api/keys", False, id="a path that leaves the prefix"),
        pytest.param("/v1", "", "/v1/%2e%2e/api/keys", False, id="a path that leaves it by escapes"),
        pytest.param("/v1", "", "/v1/..%2fapi/keys", False, id="a path without a canonical form"),
        pytest.param("/v1/", "", "/v1", True, id="a trailing slash of the prefix does not count"),
        pytest.param("/", "", "/anything", True, id="the root prefix takes all"),
        pytest.param("/v1", "/gw", "/v1/models", True, id="below --root-path the local path counts"),
        pytest.param("/gw", "/gw", "/v1/models", False, id="the mount point itself is not matched"),
    ],
)
async def test_path_prefix(prefix: str, root: str, target: str, taken: bool) -> None:
    """PathPrefix takes what is under its prefix by whole segments, with the scope untouched."""
    then, app = Inner(), Inner()
    given = http_scope(target, root_path=root)
    await exchange(PathPrefix(app, prefix=prefix, then=then), given)
    assert [each is given for each in then.scopes] == [True] * taken
    assert [each is given for each in app.scopes] == [True] * (not taken)


@pytest.mark.parametrize("prefix", ["", "v1", "/v 1", "/é", "/a?b", "/a#b", "/a\n"])
def test_bad_prefix(prefix: str) -> None:
    """A prefix that no path can have is refused at construction."""
    with pytest.raises(ConfigurationError):
        PathPrefix(Inner(), prefix=prefix, then=Inner())


def draws(count: int) -> Callable[[], float]:
    """A draw that goes through [0, 1) in ``count`` equal steps."""
    numbers = iter([step / count for step in range(count)])
    return lambda: next(numbers)


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        pytest.param((1, 1), (50, 50), id="equal weights, equal shares"),
        pytest.param((9, 1), (90, 10), id="shares follow the weights"),
        pytest.param((70, 25, 5), (70, 25, 5), id="three backends"),
        pytest.param((0, 1), (0, 100), id="weight zero first gets nothing"),
        pytest.param((1, 0), (100, 0), id="weight zero last gets nothing"),
        pytest.param((1, 0, 1), (50, 0, 50), id="weight zero in between gets nothing"),
        pytest.param((1000000, 1000000), (50, 50), id="the greatest weights"),
    ],
)
async def test_weighted_choice(weights: tuple[int, ...], shares: tuple[int, ...]) -> None:
    """Each app gets weight / sum of weights of the requests; weight zero never gets one."""
    apps = [Inner() for _ in weights]
    app = WeightedChoice(list(zip(apps, weights, strict=True)), draw=draws(100))
    for _ in range(100):
        await exchange(app, http_scope())
    assert tuple(len(each.scopes) for each in apps) == shares


@pytest.mark.parametrize("number", [0.0, 0.5, 1 - 2**-53])
async def test_zero_is_never_drawn_at_the_edges(number: float) -> None:
    """At no value of the draw, the outermost ones included, is weight zero chosen."""
    apps = [Inner() for _ in range(4)]
    app = WeightedChoice(list(zip(apps, (0, 3, 0, 0), strict=True)), draw=lambda: number)
    await exchange(app, http_scope())
    assert [len(each.scopes) for each in apps] == [0, 1, 0, 0]


async def test_the_default_draw() -> None:
    """Without a draw of one's own the choice is random."""
    a, b = Inner(), Inner()
    app = WeightedChoice([(a, 1), (b, 1)])
    for _ in range(100):
        await exchange(app, http_scope())
    assert Counter({"a": len(a.scopes), "b": len(b.scopes)}).total() == 100
    assert a.scopes
    assert b.scopes


async def test_what_was_matched_is_what_is_sent() -> None:
    """A path that comes to the prefix by another way is handed on in its canonical form."""
    then, app = Inner(), Inner()
    await exchange(PathPrefix(app, prefix="/v1", then=then), http_scope("/other/..//v1/./models"))
    assert [each["raw_path"] for each in then.scopes] == [b"/v1/models"]


async def test_what_would_be_refused_is_the_apps() -> None:
    """TRACE is no request that the prefix could take, and no failure of the app's either."""
    then, app = Inner(), Inner()
    await exchange(PathPrefix(app, prefix="/v1", then=then), {**http_scope("/v1/models"), "method": "TRACE"})
    assert (len(then.scopes), len(app.scopes)) == (0, 1)
