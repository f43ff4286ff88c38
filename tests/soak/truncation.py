"""Answers that break off, in every way in which an upstream can die, must look broken to clients."""

import socket
import struct
from pathlib import Path

from soak import objects
from soak.caller import Heard, request
from soak.crowd import Crowd
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"transfer-encoding: chunked\r\n"
_EVENT = b"data: {}\n\n"
_GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
_RESET = struct.pack("ii", 1, 0)

# What comes before the end, and whether that is a reset: a length, chunks, events, something compressed.
BREAKS = (
    (_OK + b"content-length: 100\r\n\r\n" + b"x" * 60, False),
    (_OK + b"content-length: 100\r\n\r\n" + b"x" * 60, True),
    (_OK + b"content-length: 100\r\n\r\n", False),
    (_OK + b"content-length: 100000\r\n\r\n" + b"x" * 99_999, False),
    (_CHUNKED + b"\r\n5\r\nhello\r\n", False),
    (_CHUNKED + b"\r\n5\r\nhello\r\n", True),
    (_CHUNKED + b"\r\n5\r\nhel", False),
    (_CHUNKED + b"\r\n5\r\nhello\r\n0\r\n", False),
    (_CHUNKED + b"\r\nff", False),
    (_CHUNKED + b"content-type: text/event-stream\r\n\r\na\r\n" + _EVENT + b"\r\n", False),
    (_CHUNKED + b"content-type: text/event-stream\r\n\r\na\r\n" + _EVENT + b"\r\n", True),
    (_CHUNKED + b"content-encoding: gzip\r\n\r\na\r\n" + _GZIP + b"\r\n", False),
    (_OK + b"content-encoding: gzip\r\ncontent-length: 64\r\n\r\n" + _GZIP, True),
)


async def run(size: int, folder: Path) -> Outcome:
    """``size`` answers that break off, in turns, with a whole one after each of the turns."""
    seen = hidden = whole = lost = 0

    def judge(number: int, heard: Heard) -> None:
        nonlocal seen, hidden, whole, lost
        if number % (len(BREAKS) + 1) == len(BREAKS):
            whole += 1
            lost += not (heard.whole and heard.body == b"whole")
        else:
            seen += 1
            # An answer that never began may be told with a status: that shows, too.
            hidden += heard.whole and heard.status < 500

    origin = Origin(_break_off)
    await origin.open()
    manifests = objects.text(objects.entrance(), objects.backend("b", origin.port), objects.route("r", "/", "b"))
    with closing(origin):
        async with running(folder, manifests) as subject:
            turns = -(-size // len(BREAKS)) * (len(BREAKS) + 1)
            crowd = Crowd(subject.port, lambda n: request("GET", f"/{n % (len(BREAKS) + 1)}"), judge, connections=20)
            await crowd.ask(range(turns))
    return Outcome(
        f"{seen - hidden:,} of {seen:,} were visible; {lost:,} of {whole:,} whole ones between them failed",
        faults([(not hidden, f"{hidden} looked whole"), (not lost, f"{lost} that were whole failed")]),
    )


def _break_off(visit: Visit, asked: Asked) -> None:
    way = int(asked.target[1:])
    if way == len(BREAKS):
        visit.answer(b"whole")
        return
    begun, reset = BREAKS[way]
    visit.write(begun)
    if reset:
        visit.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        visit.transport.abort()
    else:
        visit.transport.close()


TRUNCATION = Scenario("truncation", "every answer that breaks off is seen to be broken", "answers", 10_000, 130, run)
