"""asgi/choice: weighted choice between apps."""

from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_driver import Inner
from gateway_filters.asgi.choice import WeightedChoice, shuffled


async def test_closing() -> None:
    """Closing goes on to all apps, those that are never drawn too; one that cannot be closed is left alone."""
    closed: list[str] = []

    class Closable(Inner):
        async def aclose(self) -> None:
            closed.append("app")

    await WeightedChoice([(Closable(), 1), (Closable(), 0), (Inner(), 1)]).aclose()
    assert closed == ["app", "app"]


@settings(derandomize=True, max_examples=50)
@given(weights=st.lists(st.integers(0, 5), max_size=6), draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=6))
def test_shuffling_gives_each_that_has_a_weight_once(weights: list[int], draws: list[float]) -> None:
    """Nobody is missed, and nobody comes twice, whatever is drawn."""
    numbers = iter(draws)
    found = list(shuffled(list(enumerate(weights)), lambda: next(numbers)))
    assert sorted(found) == [place for place, weight in enumerate(weights) if weight]
