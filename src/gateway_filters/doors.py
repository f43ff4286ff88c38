"""The doors of a process: open where Gateways ask for them, closed where they no longer do."""

import asyncio
import socket
from collections.abc import Iterable

from gateway_filters.errors import ConfigurationError
from gateway_filters.frontend_tls import FrontendTLS
from gateway_filters.routing import Listener, Socket, by_socket
from gateway_filters.serving import Serving
from gateway_filters.sockets import Door, ServerLimits, TakenError, bind, open_door


class Doors:
    """Opens and closes the sockets that ``serving`` is reached at.

    ``limits`` are those of connections, ``drain`` is how many seconds requests that are being
    answered have when their door is closed.
    """

    def __init__(self, serving: Serving, limits: ServerLimits, *, drain: int) -> None:
        self._serving = serving
        self._limits = limits
        self._drain = drain
        self._open: dict[Socket, Door] = {}
        self._shown: dict[Socket, list[Listener]] = {}
        self._kept: dict[Socket, socket.socket] = {}
        self._closing: set[asyncio.Task[bool]] = set()
        self._ending = self._full = False

    @property
    def busy(self) -> int:
        """How many requests are being answered."""
        return sum(door.busy for door in self._open.values())

    @property
    def urls(self) -> list[str]:
        """Where it is served, in the order in which it was opened."""
        return [door.url for door in self._open.values()]

    async def show(self, listeners: Iterable[Listener]) -> tuple[dict[Socket, str], list[ConfigurationError]]:
        """Have the doors open that ``listeners`` ask for.

        Gives the sockets that cannot be had, with the reasons, and why listeners cannot be served at those that can.
        """
        wanted, refused, faults = by_socket(listeners), dict[Socket, str](), list[ConfigurationError]()
        # Closed before others are opened: a new address may take in the one that an old socket has.
        for place in [each for each, door in self._open.items() if not _fits(door, wanted.get(each))]:
            self._close(self._open.pop(place))
        for place, here in sorted(wanted.items()):
            try:
                await self._show(place, here)
            except TakenError as error:
                refused[place] = str(error)
            except ConfigurationError as error:
                faults.append(error)
        while self._kept:
            self._kept.popitem()[1].close()
        return refused, faults

    def freed(self, places: Iterable[Socket]) -> set[Socket]:
        """Which of ``places`` can be had now; they are kept until what is shown next."""
        for place in set(places) - self._kept.keys():
            try:
                self._kept[place] = bind(place)
            except TakenError:
                continue
        return set(self._kept)

    def admit(self, *, nobody: bool) -> None:
        """Have ``nobody`` else come in anywhere, or everybody again whom the limits let in."""
        self._full = nobody
        for door in self._open.values():
            door.admit(nobody=nobody)

    def announce_end(self) -> None:
        """Go on as before, but let clients know that it will not be for long."""
        self._ending = True
        for door in self._open.values():
            door.announce_end()

    async def close(self) -> bool:
        """Close all doors once their requests have been answered; gives whether all have been."""
        for door in self._open.values():
            self._close(door)
        return all(await asyncio.gather(*self._closing))

    async def _show(self, place: Socket, listeners: list[Listener]) -> None:
        door = self._open.get(place)
        if door is None:
            tls = FrontendTLS(listeners) if listeners[0].protocol == "HTTPS" else None
            bound = self._kept.pop(place, None) or bind(place)
            door = await open_door(bound, self._serving.at(place), tls, self._limits, drain=self._drain)
            self._open[place] = door
            door.admit(nobody=self._full)
            if self._ending:
                door.announce_end()
        elif door.tls is not None and not _same(listeners, self._shown[place]):
            door.show(listeners)
        self._shown[place] = listeners

    def _close(self, door: Door) -> None:
        door.stop()
        task = asyncio.create_task(door.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _fits(door: Door, listeners: list[Listener] | None) -> bool:
    return listeners is not None and (door.tls is not None) == (listeners[0].protocol == "HTTPS")


def _same(listeners: list[Listener], others: list[Listener]) -> bool:
    """Whether TLS is the same for both: reading certificates takes longer than comparing them."""
    return [(each.hostname, each.tls) for each in listeners] == [(each.hostname, each.tls) for each in others]
