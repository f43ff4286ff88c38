"""The border where httpx's exceptions become ours, once, with the cause kept.

Who could not read or write a message quotes it: an upstream that sends the credential back in a line that is no field
would have it in the log. So what errors about protocols say is said in our words, and they are no cause that is shown.
"""

import httpx

from gateway_filters.errors import (
    BadRequest,
    ConnectTimeout,
    GatewayFiltersError,
    NotConnected,
    UpstreamAborted,
    UpstreamBusy,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamUnreachable,
)


def before_answer(error: httpx.TransportError, origin: str) -> GatewayFiltersError:
    """What a failure before the answer means; ``origin`` is named for the log."""
    if isinstance(error, httpx.PoolTimeout):
        return UpstreamBusy(f"no connection to {origin} became free in time")
    if isinstance(error, httpx.ConnectTimeout):
        return ConnectTimeout(f"{origin} accepted no connection in time")
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeout(f"{origin} did not answer in time ({type(error).__name__})")
    if isinstance(error, httpx.ConnectError):
        return NotConnected(f"{origin} accepted no connection: {error}")
    if isinstance(error, httpx.LocalProtocolError):
        return BadRequest(f"the request cannot be written for {origin}")
    if isinstance(error, httpx.RemoteProtocolError) and _was_parsed(error):
        return UpstreamMalformed(f"{origin} answered with something that is not HTTP")
    return UpstreamUnreachable(f"{origin} could not be reached: {_words(error)}")


def after_answer_began(error: httpx.TransportError, origin: str) -> UpstreamAborted:
    """What a failure in the middle of the body means: the client must see it break off."""
    return UpstreamAborted(f"the answer of {origin} broke off: {_words(error)}")


def shown_cause(error: httpx.TransportError) -> httpx.TransportError | None:
    """What may be printed as the cause of our error."""
    return None if isinstance(error, httpx.ProtocolError) else error


def _words(error: httpx.TransportError) -> str:
    kind = type(error).__name__
    return kind if isinstance(error, httpx.ProtocolError) else f"{kind}: {error}"


def _was_parsed(error: httpx.RemoteProtocolError) -> bool:
    # httpcore raises the same type for bad bytes and for a connection closed without any; only the first
    # comes from its parser, h11. Its pool raises "from None", which leaves that to be seen in the context alone.
    parsing = error.__cause__ and error.__cause__.__context__
    return type(parsing).__module__.partition(".")[0] == "h11"
