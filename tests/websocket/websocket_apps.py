"""The apps that the tests' uvicorn serves: the gateway alone, and in a FastAPI app."""

import os

from fastapi import FastAPI, WebSocket

from gateway_filters import Gateway, GatewayMiddleware, PathPrefix, gateway_lifespan

plain = Gateway.from_manifests(os.environ["WEBSOCKET_MANIFESTS"])


def _fastapi() -> FastAPI:
    app = FastAPI(lifespan=gateway_lifespan(plain))

    @app.websocket("/own")
    async def own(websocket: WebSocket) -> None:  # pyright: ignore[reportUnusedFunction]
        await websocket.accept()
        await websocket.send_text(f"own {await websocket.receive_text()}")
        await websocket.close(4001, "done")

    return app


middleware = _fastapi()
middleware.add_middleware(GatewayMiddleware, gateway=plain)

prefix = _fastapi()
for each in ("/v1", "/bare", "/injected", "/nowhere", "/refused", "/secretless", "/moved", "/upgrade", "/gone"):
    prefix.add_middleware(PathPrefix, prefix=each, then=plain)
