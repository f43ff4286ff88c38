"""Fifty routes and twenty keys at once, with upstreams that poison their connections: to everyone their own."""

import random
from collections import Counter
from pathlib import Path

from canary import KEY
from soak import objects
from soak.caller import Heard, request
from soak.crowd import Crowd
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running

_ROUTES, _KEYS, _ORIGINS = 50, 20, 5
_POISONED = 10  # one of so many answers
_STRAY = b"HTTP/1.1 200 OK\r\nx-number: 0\r\nx-poison: yes\r\ncontent-length: 6\r\n\r\npoison"
_PLAIN = b"HTTP/1.1 200 OK\r\nx-number: %b\r\ncontent-length: %d\r\n\r\n%b"
_CHUNKED = b"HTTP/1.1 200 OK\r\nx-number: %b\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n"


def _poisons(number: bytes, body: bytes) -> list[tuple[bytes, bool]]:
    """What a hostile upstream sends in one go instead of an answer, and whether it ends the connection then."""
    plain = _PLAIN % (number, len(body), body)
    return [
        (plain + _STRAY, False),
        (plain + _STRAY * 3, False),
        (plain + b"\r\n\r\n", False),
        (plain + b"poison", False),
        (b"HTTP/1.1 103 Early Hints\r\nx-poison: yes\r\nlink: </poison>\r\n\r\n" + plain, False),
        (_CHUNKED % (number, len(body), body) + b"x-number: 0\r\nx-poison: yes\r\n\r\n", False),
        (_CHUNKED % (number, len(body), body) + b"\r\n" + _STRAY, False),
        (plain[:-4], True),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: poison\r\nx-poison: yes\r\n\r\n" + plain, True),
        (b"poison\r\n" + plain, True),
        (_PLAIN % (number, len(body) + 4, body), True),
        (plain.replace(b"content-length", b"content-length: 6\r\ncontent-length"), True),
    ]


def _key(number: int) -> str:
    return f"Bearer {KEY}-of-tenant-{number:02}"


_KNOWN = {_key(number).encode(): number for number in range(_KEYS)}


def _answer(draw: random.Random, visit: Visit, asked: Asked) -> None:
    """Tell what has come: the number, the target, which key, the body."""
    number = asked.fields[b"x-number"]
    once = asked.names.count(b"authorization") == 1
    key = _KNOWN.get(asked.fields.get(b"authorization", b""), -1) if once else -2
    body = b"|".join((number, asked.target, b"%d" % key, asked.body))
    if draw.randrange(_POISONED):
        visit.write(_PLAIN % (number, len(body), body))
        return
    sent, ends = draw.choice(_poisons(number, body))
    visit.write(sent)
    if ends:
        visit.transport.close()


def _asked(number: int) -> bytes:
    path = f"/r{number % _ROUTES:02}/item-{number}?n={number}"
    own = ("authorization: Bearer of-the-client", f"x-number: {number}")
    return request("POST", path, *own, body=b"body-%d" % number) if number % 3 else request("GET", path, *own)


def _expected(number: int) -> bytes:
    route = number % _ROUTES
    body = f"body-{number}" if number % 3 else ""
    return f"{number}|/up/{route:02}/item-{number}?n={number}|{route % _KEYS}|{body}".encode()


async def run(size: int, folder: Path) -> Outcome:
    """``size`` requests over all routes in turns, each with a number, a target, a key and a body of its own."""
    kinds, draw = Counter[str](), random.Random(size)

    def judge(number: int, heard: Heard) -> None:
        poison = b"poison" in heard.body or b"x-poison" in heard.fields
        if heard.whole and heard.status == 200:
            own = heard.body == _expected(number) and heard.fields.get(b"x-number") == b"%d" % number
            kinds["right" if own and not poison else "mixed up"] += 1
        else:
            own = _expected(number).startswith(heard.body) or heard.status >= 500
            kinds["broken" if own and not poison else "mixed up"] += 1

    origins = [Origin(lambda visit, asked: _answer(draw, visit, asked)) for _ in range(_ORIGINS)]
    for origin in origins:
        await origin.open()
    keys = range(_KEYS)
    manifests = objects.text(
        objects.entrance(),
        *(objects.backend(f"b{place}", origin.port) for place, origin in enumerate(origins)),
        *(objects.injector(f"key{number}") for number in keys),
        *objects.secrets((f"key{number}", _key(number)) for number in keys),
        *(
            objects.route(f"r{n}", f"/r{n:02}", f"b{n % _ORIGINS}", replacement=f"/up/{n:02}", key=f"key{n % _KEYS}")
            for n in range(_ROUTES)
        ),
    )
    with closing(*origins):
        async with running(folder, manifests) as subject:
            await Crowd(subject.port, _asked, judge, connections=64).ask(range(size))
    # Six of twelve poisons break their own answer; whoever else loses one was hurt by a neighbour.
    most = size / _POISONED
    return Outcome(
        f"{kinds['mixed up']:,} were mixed up; {kinds['right']:,} were right, {kinds['broken']:,} failed upstream",
        faults(
            [
                (not kinds["mixed up"], f"{kinds['mixed up']} were mixed up"),
                (kinds["broken"] < most, f"{kinds['broken']} failed, more than were poisoned"),
            ]
        ),
    )


MIXUPS = Scenario(
    "mixups",
    "no answer, header or key reaches somebody else",
    "requests over 50 routes and 20 keys",
    1_000_000,
    2_000,
    run,
)
