"""The one door to ``websockets`` (the extra ``gateway-filters[websocket]``): frames, masks, the closing handshake.

Facts
- Its sans-I/O core is what uvicorn's own WebSocket is made of, masks in C, and is kept well; the handshake is ours,
  since only our own client sends exact bytes and knows the upstream's TLS.
- It logs frames, which hold what people say to models; here it has a logger that nothing listens to.
"""

import logging
from typing import TYPE_CHECKING

from gateway_filters.errors import RouteRefused

if TYPE_CHECKING:
    from websockets.protocol import Protocol

_NOBODY = logging.Logger("gateway_filters.websocket", logging.CRITICAL + 1)  # noqa: LOG001 - not one of the tree


def framing(most_bytes: int) -> "Protocol":
    """A client's side after the handshake, which takes messages of at most ``most_bytes``.

    Raises ``RouteRefused`` when the library is not installed.
    """
    try:
        from websockets.protocol import Protocol, Side  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise RouteRefused("WebSocket needs the extra gateway-filters[websocket]") from error
    return Protocol(Side.CLIENT, max_size=most_bytes, logger=_NOBODY)
