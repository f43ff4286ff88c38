"""The proxy that everybody copies: Starlette, one ``httpx.AsyncClient``, a streaming answer.

``BENCHMARK_CLIENT=aiohttp`` puts httpx-aiohttp's transport under the same client.
"""

import os
from importlib import import_module

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from benchmarks.traffic import AUTHORIZATION, REWRITTEN

_TIMEOUT = 60.0


def _client() -> httpx.AsyncClient:
    origin = os.environ["BENCHMARK_UPSTREAM"]
    if os.environ.get("BENCHMARK_CLIENT") != "aiohttp":
        return httpx.AsyncClient(base_url=origin, timeout=_TIMEOUT)
    # Only where it is installed.
    return import_module("httpx_aiohttp").HttpxAiohttpClient(base_url=origin, timeout=_TIMEOUT)


_clients: list[httpx.AsyncClient] = []


async def proxy(request: Request) -> StreamingResponse:
    """Forward a request with the key and stream the answer back."""
    if not _clients:
        # Made in the event loop: aiohttp insists on one.
        _clients.append(_client())
    client = _clients[0]
    headers = [(name, value) for name, value in request.headers.items() if name not in ("host", "authorization")]
    sent = client.build_request(
        request.method,
        f"{REWRITTEN}/{request.path_params['path']}",
        headers=[*headers, ("authorization", AUTHORIZATION)],
        content=request.stream(),
    )
    response = await client.send(sent, stream=True)
    return StreamingResponse(
        response.aiter_raw(),
        status_code=response.status_code,
        headers=dict(response.headers),
        background=BackgroundTask(response.aclose),
    )


app = Starlette(routes=[Route("/v1/{path:path}", proxy, methods=["GET", "POST"])])
