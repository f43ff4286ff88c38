"""asgi/choice: weighted choice between apps."""

from asgi_driver import Inner
from gateway_filters.asgi.choice import WeightedChoice


async def test_closing() -> None:
    """Closing goes on to all apps, those that are never drawn too; one that cannot be closed is left alone."""
    closed: list[str] = []

    class Closable(Inner):
        async def aclose(self) -> None:
            closed.append("app")

    await WeightedChoice([(Closable(), 1), (Closable(), 0), (Inner(), 1)]).aclose()
    assert closed == ["app", "app"]
