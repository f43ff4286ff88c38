"""What of an upstream's answer is passed on to the client, and how: as it comes, one piece in hand at a time."""

from starlette.types import Message, Send

from gateway_filters.message.headers import HOP_BY_HOP, named
from gateway_filters.upstream.body import ClientSide
from gateway_filters.upstream.both_ends import TRAILERS
from gateway_filters.upstream.echo import complains, searched, withhold_echo
from gateway_filters.upstream.transport import IncomingResponse

_LENGTH = frozenset((b"content-length",))


async def relay(
    response: IncomingResponse,
    send: Send,
    client: ClientSide,
    injected: tuple[bytes, ...] = (),
    *,
    trailers: bool = False,
) -> None:
    """Send the head of ``response`` and its body, whole where it is here, else piece by piece as they come.

    ``trailers`` are sent behind it, and announced unless it is known that there are none. Raises ``CredentialEchoed``
    for an answer that carries one of ``injected`` in its head, its trailers, or a body that is whole; that of a refusal
    is waited for, up to 16 KiB.
    """
    whole = response.at_hand()
    try:
        if whole is None and injected and complains(response):
            response = await searched(response, injected)
            whole = response.at_hand()
        announced = trailers and (whole is None or bool(response.trailers()))
        if whole is not None:
            client.finish()
        headers = passed_on(response)
        if injected:
            withhold_echo(injected, headers, whole)
        start: Message = {"type": "http.response.start", "status": response.status, "headers": headers}
        await send({**start, "trailers": True} if announced else start)
        if whole is None:
            await response.pour(lambda chunk: send({"type": "http.response.body", "body": chunk, "more_body": True}))
            await response.aclose()
    except BaseException:
        await response.aclose()
        raise
    client.finish()
    await send({"type": "http.response.body", "body": whole or b"", "more_body": False})
    if announced:
        behind = list(response.trailers())
        withhold_echo(injected, behind, None)
        await send({"type": TRAILERS, "headers": behind, "more_trailers": False})


def passed_on(response: IncomingResponse) -> list[tuple[bytes, bytes]]:
    """The headers to pass on, found in one pass: hop-by-hop ones and what ``Connection`` nominates are off."""
    headers: list[tuple[bytes, bytes]] = []
    dropped: frozenset[bytes] = frozenset()
    # Servers take the length for that of the body to come: there is none.
    lengthless = response.status in (204, 304)
    for pair in response.headers:
        name = pair[0]
        if name not in HOP_BY_HOP:
            headers.append(pair)
        elif name == b"connection":
            dropped |= named(pair[1])
        elif name == b"transfer-encoding":
            # It overrides a Content-Length, which is then not the body's (RFC 9112 6.3).
            lengthless = True
    if lengthless:
        dropped |= _LENGTH
    return [pair for pair in headers if pair[0] not in dropped] if dropped else headers
