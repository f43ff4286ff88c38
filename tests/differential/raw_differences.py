"""Where raw bytes become something else here than in Envoy, on purpose: one named row each.

The names are rows of a table in ``docs/differences-from-envoy.md``. Those of ``REFUSED`` allow us to refuse, never to
let pass: what the upstream gets then is a part of what it gets from Envoy.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from raw_outcomes import Raw


@dataclass(frozen=True)
class Refused:
    """Bytes that hold ``pattern`` may be refused with one of ``statuses``."""

    pattern: bytes
    statuses: tuple[int, ...] = (400,)

    def explains(self, request: bytes, envoy: Raw, ours: Raw) -> bool:
        """Whether we have refused such bytes, and nothing else has come of them."""
        refused = not {*self.statuses}.isdisjoint(ours.statuses) or _is_silent(envoy, ours)
        return refused and _is_part(ours.received, envoy.received) and self.fits(request)

    def fits(self, request: bytes) -> bool:
        """Whether the bytes are such."""
        return re.search(self.pattern, request, re.IGNORECASE | re.DOTALL) is not None


def _is_part(some: Sequence[object], all_of_them: Sequence[object]) -> bool:
    """Whether ``some`` are among the others, in the same order."""
    left = iter(all_of_them)
    return all(each in left for each in some)


def _is_silent(envoy: Raw, ours: Raw) -> bool:
    """Whether our answers are the first of Envoy's, and then the connection has ended."""
    count = len(ours.statuses)
    return 0 < count < len(envoy.statuses) and ours.statuses == envoy.statuses[:count]


REFUSED = {
    "TRACE": Refused(rb"TRACE\s", (405,)),
    "escaped slash": Refused(rb"%(?:2f|5c)"),
    "line end": Refused(rb"(?<!\r)\n|\r(?!\n)"),
    "blanks in a request line": Refused(rb"(?:\A|\n|hello)[A-Z]+(?:\t|  )|HTTP/1\.[0-9][ \t]+\r\n|[ \t]{2,}HTTP/"),
    "folded line": Refused(rb"\r\n[ \t]"),
    "coding": Refused(rb"transfer-encoding:[^\r\n]*[,\t;\x00-\x1f]|transfer-encoding: *\r\n", (400, 501)),
    "two codings": Refused(rb"transfer-encoding[^\r\n]*\r\n(?:[^\r\n]+\r\n)*transfer-encoding", (400, 501)),
    "chunk": Refused(rb"transfer-encoding: *chunked *\r\n.*\r\n\r\n"),
    "expectation": Refused(rb"expect: other", (417,)),
    "Host": Refused(
        rb"host:(?![ \t]*(?:[a-z.]+(?::[0-9]+)?|\[::1\])[ \t]*\r\n)|host:[^\r\n]*\r\n(?:[^\r\n]+\r\n)*host:",
    ),
    "CONNECT": Refused(rb"CONNECT\s"),
    "long line": Refused(rb"a{16385}", (414, 431)),
    "target": Refused(rb" (?:\*|https:|ftp:|http:/?[^/]|http://[^/ ]*@)"),
    "HTTP version": Refused(rb"HTTP/(?!1\.1[ \t\r\n])", (400, 426, 505)),
}


_UNFRAMED = re.compile(rb"%00|\x20\*\x20|\r\nhost:", re.IGNORECASE)


def _goes_on(request: bytes, envoy: Raw, ours: Raw) -> bool:
    del request
    count = len(envoy.statuses)
    return _goes_on_after(404, envoy, ours) or (
        envoy.statuses[-1:] == (307,) and ours.statuses[:count] == (*envoy.statuses[:-1], 400)
    )


def _goes_on_after(status: int, envoy: Raw, ours: Raw) -> bool:
    """Whether Envoy ends the connection after a last answer of its own, and we do not."""
    count = len(envoy.statuses)
    same = envoy.statuses[-1:] == (status,) and ours.statuses[:count] == envoy.statuses
    return same and ours.received[: len(envoy.received)] == envoy.received


def _goes_on_after_refusal(request: bytes, envoy: Raw, ours: Raw) -> bool:
    """Only where what is refused says nothing of where the request ends."""
    return _UNFRAMED.search(request) is not None and _goes_on_after(400, envoy, ours)


def _drops_trailers(request: bytes, envoy: Raw, ours: Raw) -> bool:
    return re.search(rb"\nX-L: a{60000}", request) is not None and 431 in envoy.statuses and 431 not in ours.statuses


def _takes_hyphens(request: bytes, envoy: Raw, ours: Raw) -> bool:
    del ours
    return b"M-SEARCH " in request and envoy.statuses[-1:] == (400,)


def _takes_a_nominated_host(request: bytes, envoy: Raw, ours: Raw) -> bool:
    del ours
    return re.search(rb"connection: host", request, re.IGNORECASE) is not None and envoy.statuses[-1:] == (400,)


def _takes_two_offers(request: bytes, envoy: Raw, ours: Raw) -> bool:
    del ours
    return (
        re.search(rb"upgrade: h2c.*upgrade: h2c", request, re.DOTALL | re.IGNORECASE) is not None
        and 403 in envoy.statuses
    )


EXPLAINED: dict[str, Callable[[bytes, Raw, Raw], bool]] = {
    **{name: refused.explains for name, refused in REFUSED.items()},
    "after a 404": _goes_on,
    "after a bad Host or path": _goes_on_after_refusal,
    "long trailers": _drops_trailers,
    "M-SEARCH": _takes_hyphens,
    "Connection: host": _takes_a_nominated_host,
    "h2c twice": _takes_two_offers,
}


def explanation(request: bytes, envoy: Raw, ours: Raw) -> str | None:
    """The name of the row that explains the difference; of several the first."""
    return _explanation(request, envoy, ours) or _explanation(request, envoy, _ended_as_there(envoy, ours))


def _explanation(request: bytes, envoy: Raw, ours: Raw) -> str | None:
    for name in ("escaped slash", "target", "Host"):
        refused = _refused_as_here(envoy, ours)
        if REFUSED[name].fits(request) and (refused.told == ours.told or _goes_on_after(400, refused, ours)):
            return name
    return next((name for name, explains in EXPLAINED.items() if explains(request, envoy, ours)), None)


def _ended_as_there(envoy: Raw, ours: Raw) -> Raw:
    """What we would have done if the connection had ended where Envoy ends it, after a 404 of its own."""
    beyond = len(ours.statuses) - len(envoy.statuses)
    if envoy.statuses[-1:] != (404,) or beyond <= 0:
        return ours
    sent_on = sum(status == 200 for status in ours.statuses[-beyond:])
    return replace(ours, statuses=ours.statuses[:-beyond], received=ours.received[: len(ours.received) - sent_on])


def _refused_as_here(envoy: Raw, ours: Raw) -> Raw:
    """What Envoy would have answered if it refused what we refuse instead of redirecting it or finding nothing."""
    beside = (*ours.statuses, *envoy.statuses[len(ours.statuses) :])
    pairs = zip(envoy.statuses, beside, strict=False)
    return replace(
        envoy, statuses=tuple(400 if theirs in (307, 404) and own == 400 else theirs for theirs, own in pairs)
    )
