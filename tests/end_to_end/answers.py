"""What the provider does with a request: scripts, each saying one way to answer, or to fail."""

import asyncio
import hashlib
import json
from collections.abc import Iterator

from provider import Exchange, Gate, Script

MEBIBYTE = 1024 * 1024
_BLOCK = hashlib.shake_256(b"a block that does not compress").digest(MEBIBYTE)
ANSWER = "A gateway is a door."


async def openai(exchange: Exchange) -> None:
    """Answers a chat completion as the OpenAI API does: one JSON, or events when ``stream`` is asked for."""
    asked = json.loads(await exchange.read_body())
    if asked.get("stream"):
        await _stream(exchange, asked["model"])
        return
    usage = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
    message = {"role": "assistant", "content": ANSWER}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"]}
    await _send(exchange, json.dumps({**body, "choices": [choice], "usage": usage}).encode())


async def _stream(exchange: Exchange, model: str) -> None:
    await exchange.send(stream_head())
    for word in ANSWER.split(" "):
        await exchange.send(chunk(event(_delta(model, {"content": word + " "}, None))))
    await exchange.send(chunk(event(_delta(model, {}, "stop"))))
    await exchange.send(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def answer(status: int, body: bytes = b"", *headers: tuple[str, str]) -> Script:
    """Reads the whole request and gives exactly this answer, with a content-length."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await _send(exchange, body, *headers, status=status)

    return script


def raw(answer: bytes, *, close: bool = False) -> Script:
    """Reads the whole request and sends these bytes, whatever they are."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(answer)
        if close:
            await exchange.wire.say_goodbye()

    return script


def events(count: int, gate: Gate) -> Script:
    """Sends numbered events; each but the first waits for the gate, and so does the end."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(stream_head())
        for number in range(count):
            await exchange.send(chunk(event({"number": number})))
            await gate.passed()
        await exchange.send(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    return script


def download(mebibytes: int) -> Script:
    """Sends ``mebibytes`` of content as fast as it is taken."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(f"HTTP/1.1 200 OK\r\ncontent-length: {mebibytes * MEBIBYTE}\r\n\r\n".encode())
        for block in blocks(mebibytes):
            await exchange.send(block)

    return script


async def sink(exchange: Exchange) -> None:
    """Counts and hashes an upload without keeping it."""
    size, digest = 0, hashlib.sha256()
    async for piece in exchange.pieces():
        size += len(piece)
        digest.update(piece)
    await _send(exchange, json.dumps({"size": size, "sha256": digest.hexdigest()}).encode())


async def stall(exchange: Exchange) -> None:
    """Takes everything and never says a word."""
    await exchange.until_gone()


def begin_and_stall(begin: bytes) -> Script:
    """Sends the beginning of an answer, then nothing more; waits for the other side to leave."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(begin)
        await exchange.until_gone()

    return script


def die(begin: bytes, gate: Gate, *, by: str) -> Script:
    """Sends the beginning of an answer, and once the gate opens ends by ``FIN``, ``close_notify`` or ``RST``."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await exchange.send(begin)
        await gate.passed()
        await _end(exchange, by)

    return script


def hang_up(*, by: str) -> Script:
    """Reads the request and ends without a byte of an answer."""

    async def script(exchange: Exchange) -> None:
        await exchange.read_body()
        await _end(exchange, by)

    return script


async def refuse_early(exchange: Exchange) -> None:
    """Answers 413 before it has read the body, reads what is still sent, and closes."""
    await exchange.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig")
    await exchange.read_body()
    await exchange.wire.say_goodbye()


def after(seconds: float, script: Script) -> Script:
    """The same, later."""

    async def later(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await script(exchange)

    return later


def blocks(count: int) -> Iterator[bytes]:
    """The content of uploads and downloads, a MiB each, every one different."""
    for number in range(count):
        yield number.to_bytes(8, "big") + _BLOCK[8:]


def digest(count: int) -> str:
    """The SHA-256 of that content."""
    total = hashlib.sha256()
    for block in blocks(count):
        total.update(block)
    return total.hexdigest()


def stream_head() -> bytes:
    """The head of an answer made of events."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(value: object) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _send(exchange: Exchange, body: bytes, *headers: tuple[str, str], status: int = 200) -> None:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers)]
    if status not in (204, 304):
        lines.append(f"content-length: {len(body)}")
    await exchange.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


async def _end(exchange: Exchange, by: str) -> None:
    if by == "RST":
        exchange.wire.reset()
    elif by == "close_notify":
        await exchange.wire.say_goodbye()
    else:
        exchange.wire.close()


def _delta(model: str, delta: dict[str, str], reason: str | None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
