"""A stand-in for the provider: OpenAI-compatible chat completions without a model, clearly marked as such.

It answers on ``/compatible-mode/v1`` and shows what arrived: path, Host, and the credential's fingerprint.
"""

import json
import time
from collections.abc import AsyncIterator

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway_filters import Backend
from gateway_filters.message.secret import fingerprint

MARK = {"x-stand-in-provider": "gateway-filters"}
"""The header on each of its answers."""

Json = dict[str, object]


class StreamOptions(BaseModel):
    """What a client may ask of a streamed answer."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """What the stand-in reads of a request for chat completions; everything else is ignored."""

    model: str
    messages: list[Json] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()


async def chat_completions(request: Request) -> Response:
    """``POST /compatible-mode/v1/chat/completions``, whole or streamed."""
    asked = await _asked(request)
    arrived = _arrived(request)
    words = f"This is the built-in stand-in provider, not a model. Your request arrived at {arrived['path']}."
    usage = _usage(asked, words)
    head: Json = {"id": "chatcmpl-stand-in", "created": int(time.time()), "model": asked.model, "stand_in": arrived}
    if asked.stream:
        events = _events(head, words, usage if asked.stream_options.include_usage else None)
        return StreamingResponse(events, media_type="text/event-stream", headers=MARK)
    message = {"role": "assistant", "content": words}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage}, headers=MARK)


async def models(request: Request) -> Response:
    """``GET /compatible-mode/v1/models``."""
    listed = {"id": "stand-in", "object": "model", "created": 0, "owned_by": "gateway-filters"}
    return JSONResponse({"object": "list", "data": [listed], "stand_in": _arrived(request)}, headers=MARK)


async def refused(request: Request, error: Exception) -> Response:
    """Errors in the shape that OpenAI clients understand."""
    assert isinstance(error, HTTPException)
    body = {"message": error.detail, "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": body, "stand_in": _arrived(request)}, error.status_code, headers=MARK)


async def _asked(request: Request) -> ChatRequest:
    try:
        return ChatRequest.model_validate_json(await request.body())
    except ValidationError:
        raise HTTPException(400, "The body must be JSON with model and messages.") from None


def _arrived(request: Request) -> Json:
    credential = request.headers.get("authorization")
    return {
        "path": request.scope["raw_path"].decode("latin-1"),
        "host": request.headers.get("host"),
        "credential_fingerprint": credential and fingerprint(credential.encode("latin-1")),
    }


def _usage(asked: ChatRequest, words: str) -> Json:
    prompt, completion = len(json.dumps(asked.messages).split()), len(words.split())
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


async def _events(head: Json, words: str, usage: Json | None) -> AsyncIterator[str]:
    def event(choices: list[Json], **more: object) -> str:
        return f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', 'choices': choices, **more})}\n\n"

    yield event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
    for word in words.split(" "):
        yield event([{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}])
    yield event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    if usage is not None:
        yield event([], usage=usage)
    yield "data: [DONE]\n\n"


stand_in = Starlette(
    routes=[
        Route("/compatible-mode/v1/chat/completions", chat_completions, methods=["POST"]),
        Route("/compatible-mode/v1/models", models, methods=["GET"]),
    ],
    exception_handlers={HTTPException: refused},
)


def stand_in_for(backend: Backend) -> ASGIApp:
    """The stand-in, whatever the backend."""
    del backend
    return stand_in
