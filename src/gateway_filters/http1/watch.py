"""What the connections of one server share: limits, clocks, and how many there are of each peer."""

import asyncio

from gateway_filters.http1.limits import Limits
from gateway_filters.http1.sips import SIP
from gateway_filters.upstream.clocks import Sweep

_PERIOD = 0.5


class Watch:
    """Counts the connections of one server, which have ``limits`` and share a ``buffer``, and looks at their clocks.

    ``ending``: the server is about to end, so none that is new is kept beyond its first answer. ``full``: nobody else
    may come, whatever the limits say.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.buffer = bytearray(SIP)
        self.ending = False
        self.full = False
        self._peers: dict[str, int] = {}
        self._sweep: Sweep | None = None

    @property
    def sweep(self) -> Sweep:
        """The clock of the running loop."""
        if self._sweep is None:
            self._sweep = Sweep(asyncio.get_running_loop(), _PERIOD)
        return self._sweep

    def admit(self, client: tuple[str, int] | None, connections: int) -> bool:
        """Count one more of a peer, the last of so many connections; whether it may stay."""
        peer = client[0] if client else ""
        count = self._peers[peer] = self._peers.get(peer, 0) + 1
        most = self.limits.connections_of_peer
        return not self.full and connections <= self.limits.connections and (most is None or count <= most)

    def forget(self, client: tuple[str, int] | None) -> None:
        """One of a peer is gone."""
        peer = client[0] if client else ""
        left = self._peers.pop(peer, 1) - 1
        if left > 0:
            self._peers[peer] = left
