"""Answers that carry a credential back: the gateway's own, which no client may see."""

from collections.abc import AsyncIterator

from gateway_filters.errors import CredentialEchoed
from gateway_filters.message.headers import Headers, first
from gateway_filters.upstream.transport import IncomingResponse

_SHORTEST = 8
_MOST_SEARCHED = 16 * 1024


class Searched(IncomingResponse):
    """An answer of which the beginning was waited for; ``rest`` is what comes after it, None where that is nothing."""

    def __init__(self, answer: IncomingResponse, begun: bytes, rest: AsyncIterator[bytes] | None) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer
        self._begun = begun
        self._rest = rest

    async def chunks(self) -> AsyncIterator[bytes]:
        """The beginning, and the rest as it comes."""
        yield self._begun
        if self._rest is not None:
            async for piece in self._rest:
                yield piece

    def at_hand(self) -> bytes | None:
        """The whole body, where the beginning was all of it."""
        return self._begun if self._rest is None else None

    def trailers(self) -> Headers:
        """Those of the answer."""
        return self._answer.trailers()

    async def aclose(self) -> None:
        """Give up what is left."""
        await self._answer.aclose()


def complains(answer: IncomingResponse) -> bool:
    """Whether an answer is one that may quote a credential: a refusal of the request, and no stream of events."""
    kind = first(answer.headers, b"content-type") or b""
    return 400 <= answer.status < 500 and not kind.startswith(b"text/event-stream")


async def searched(answer: IncomingResponse, injected: tuple[bytes, ...]) -> IncomingResponse:
    """An answer whose body was waited for and looked at, or 16 KiB of it; raises what ``withhold_echo`` raises."""
    begun, rest = b"", answer.chunks()
    async for piece in rest:
        begun += piece
        if len(begun) > _MOST_SEARCHED:
            withhold_echo(injected, [], begun)
            return Searched(answer, begun, rest)
    await answer.aclose()
    return Searched(answer, begun, None)


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
