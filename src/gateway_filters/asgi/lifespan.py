"""Lifespan: opens nothing, closes what an app has made. Mounted apps get none, so it is never relied on."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from starlette.types import Receive, Send


async def close(app: object) -> None:
    """Close ``app`` if it is something that can be closed (has an async ``aclose``)."""
    aclose = getattr(app, "aclose", None)
    if aclose is not None:
        await aclose()


def gateway_lifespan(*apps: object) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """A lifespan for Starlette and FastAPI that closes the connections of ``apps`` at shutdown."""

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncGenerator[None]:
        del app
        async with AsyncExitStack() as stack:
            for each in apps:
                stack.push_async_callback(close, each)
            yield

    return lifespan


async def serve_lifespan(receive: Receive, send: Send, shutdown: Callable[[], Awaitable[None]]) -> None:
    """Answer the server's lifespan messages; await ``shutdown`` before the last one."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return
