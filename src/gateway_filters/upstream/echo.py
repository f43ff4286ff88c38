"""Answers that carry a credential back: the gateway's own, which no client may see."""

from collections.abc import AsyncIterator

from gateway_filters.errors import CredentialEchoed
from gateway_filters.message.headers import Headers, first

_SHORTEST = 8
_MOST_SEARCHED = 16 * 1024


def complains(status: int, headers: Headers) -> bool:
    """Whether an answer is one that may quote a credential: a refusal of the request, and no stream of events."""
    return 400 <= status < 500 and not (first(headers, b"content-type") or b"").startswith(b"text/event-stream")


async def searchable(pieces: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """A body and True, or of one over 16 KiB a beginning and False; the rest stays in ``pieces``."""
    begun = b""
    async for piece in pieces:
        begun += piece
        if len(begun) > _MOST_SEARCHED:
            return begun, False
    return begun, True


def withhold_echo(injected: tuple[bytes, ...], headers: list[tuple[bytes, bytes]], body: bytes | None) -> None:
    """Raises ``CredentialEchoed`` where an answer carries a credential, with or without its scheme.

    The names of ``headers`` are in lower case, and a credential that came as one is no less told. One of fewer than
    8 bytes could stand anywhere by chance and is not looked for.
    """
    for value in injected:
        bare = value.rpartition(b" ")[2]
        if len(bare) < _SHORTEST:
            continue
        if body and bare in body:
            raise CredentialEchoed("the answer carries the injected credential")
        lowered = bare.lower()
        for name, each in headers:
            if bare in each or lowered in name:
                raise CredentialEchoed("the answer carries the injected credential")
