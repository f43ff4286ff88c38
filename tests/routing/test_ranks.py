"""ranks: which backends share all requests, and which only those that no other accepts a connection for."""

import pytest

from gateway_filters.routing import Backend, Endpoint, Unusable, WeightedBackend, ranks

HERE = (Endpoint("h", 80),)
FIRST = WeightedBackend(Backend("first", HERE))
SECOND = WeightedBackend(Backend("second", HERE), 3)
IDLE = WeightedBackend(Backend("idle", HERE), 0)
EMPTY = WeightedBackend(Backend("empty", ()))
MISSING = WeightedBackend(Unusable("missing", "no such Backend"))
RESERVE = WeightedBackend(Backend("reserve", HERE, fallback=True))
OTHER_RESERVE = WeightedBackend(Backend("other reserve", HERE, fallback=True), 2)
BROKEN_RESERVE = WeightedBackend(Unusable("broken reserve", "no CA", fallback=True))


@pytest.mark.parametrize(
    ("given", "first", "behind"),
    [
        pytest.param((FIRST, SECOND), (FIRST, SECOND), (), id="without a fallback all share"),
        pytest.param((RESERVE, FIRST), (FIRST,), (RESERVE,), id="a fallback stands behind, wherever it is listed"),
        pytest.param(
            (FIRST, RESERVE, SECOND, OTHER_RESERVE),
            (FIRST, SECOND),
            (RESERVE, OTHER_RESERVE),
            id="all fallbacks stand behind all others",
        ),
        pytest.param((RESERVE,), (RESERVE,), (), id="a fallback alone stands for itself"),
        pytest.param((IDLE, RESERVE), (IDLE, RESERVE), (), id="one without weight is nobody to stand behind"),
        pytest.param((MISSING, RESERVE), (MISSING, RESERVE), (), id="one that is missing keeps its share beside it"),
        pytest.param((EMPTY, RESERVE), (EMPTY,), (RESERVE,), id="one without endpoints is one to stand behind"),
        pytest.param((MISSING, FIRST, RESERVE), (MISSING, FIRST), (RESERVE,), id="a missing one has its share"),
        pytest.param((FIRST, BROKEN_RESERVE), (FIRST,), (BROKEN_RESERVE,), id="a broken fallback takes no share"),
        pytest.param((), (), (), id="nobody is nobody"),
    ],
)
def test_ranks(
    given: tuple[WeightedBackend, ...], first: tuple[WeightedBackend, ...], behind: tuple[WeightedBackend, ...]
) -> None:
    """Fallbacks stand behind, as long as there is another backend that could take a request."""
    assert ranks(given) == (first, behind)
