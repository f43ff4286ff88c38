"""How a WebSocket ends, and what each side is told of the other's end.

Facts
- 1005 and 1006 are never sent: they say that no code came, and that nothing came at all (RFC 6455 7.4.1).
- ASGI cannot send a close without a code; 1000 is what most libraries send then.
- To a client the upstream's failure is the server's own (1011): 1002, 1007 and 1009 would blame the client, and
  1014, which means just this, is refused by some libraries as a code they do not know.
- A server that shuts down says 1012 to its apps although the client has not spoken, and uvicorn says 1005 of a
  connection that was lost; only a close of the client comes with a reason, an empty one at least.
"""

from dataclasses import dataclass

NORMAL = 1000
GOING_AWAY = 1001
NO_CODE = 1005
LOST = 1006
INTERNAL_ERROR = 1011
_RESTART = 1012


@dataclass(frozen=True, slots=True)
class Ending:
    """How the upstream's side ended: ``code`` and ``reason`` as it said them; ``broken`` says what went wrong."""

    code: int
    reason: str = ""
    broken: str = ""


def told_to_client(ending: Ending) -> tuple[int, str]:
    """Code and reason for the client."""
    if ending.broken or ending.code == LOST:
        return INTERNAL_ERROR, "the upstream's connection broke off"
    return (NORMAL, "") if ending.code == NO_CODE else (ending.code, ending.reason)


def told_to_upstream(code: int | None, reason: str | None) -> tuple[int | None, str]:
    """Code (None for a close without one) and reason for the upstream, from what ``websocket.disconnect`` says."""
    if code == NO_CODE and reason is not None:
        return None, ""
    if code in (None, NO_CODE, LOST, _RESTART):
        return GOING_AWAY, ""
    return code, reason or ""
