"""New connections: resolve, race the addresses, TLS. Nothing of HTTP.

Facts
- RFC 8305 (happy eyeballs): families alternate, the next address is tried after 250 ms or when one fails, the
  first that connects wins. uvloop's ``create_connection`` cannot do it, so plain sockets race here.
- The system resolves names anew for each connection; idle ones expire, so a change is seen within that time.
- Where private addresses are denied, those that a name leads to are looked at here, and what was looked at is connected
  to: nobody asks again in between. An origin that is an address was written down as such, and is none of these names.
- TLS that fails fails: there is no way from here to plain text.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from itertools import chain
from typing import cast

from gateway_filters.errors import ConfigurationError, ConnectTimeout, NotConnected
from gateway_filters.message.client import is_address
from gateway_filters.upstream.addresses import is_public
from gateway_filters.upstream.clocks import NEVER
from gateway_filters.upstream.names import Address, alternating, look_up
from gateway_filters.upstream.origin import Origin
from gateway_filters.upstream.resumption import ResumingContext

_log = logging.getLogger("gateway_filters")

_HEAD_START = 0.25
_GOODBYE = 2.0  # seconds that a TLS peer has to answer our close_notify

Places = tuple[tuple[str, int], ...]
"""Hosts and ports that a resolver has named; none where the system resolves."""


class Disagreement(NotConnected):
    """In TLS another protocol was chosen than the one that is spoken here (ALPN)."""


class Dialler:
    """Makes connections to ``origin``, or to the socket ``unix`` of this machine; ``tls`` is for https.

    ``http2`` says what will be spoken. Raises ``ConfigurationError`` for https without a context.
    """

    def __init__(
        self, origin: Origin, tls: ssl.SSLContext | None, unix: str | None = None, *, http2: bool = False
    ) -> None:
        if origin.scheme == "https" and tls is None:
            raise ConfigurationError(f"{origin} needs a TLS context")
        self._origin = origin
        self._http2 = http2
        self._unix = unix
        self._tls = ResumingContext.of(tls) if tls is not None and origin.scheme == "https" else None
        self._host = origin.host.strip("[]")  # a name or an address, as sockets and TLS write it
        self._public_only = origin.deny_private and not is_address(self._host)
        self._told = False

    async def places(self) -> Places:
        """What the origin's own resolver says now; raises ``NotConnected`` when it fails or names nothing."""
        origin = self._origin
        if origin.resolve is None or self._unix is not None:
            return ()
        try:
            named = tuple(await origin.resolve(origin.host, origin.port))
        except OSError as error:
            raise NotConnected(f"{origin} could not be resolved: {error}") from error
        if not named:
            raise NotConnected(f"{origin} has no address")
        return named

    async def dial(self, connection: asyncio.Protocol, patience: float, places: Places = ()) -> None:
        """Connect, TLS included, within ``patience`` seconds, to the first of ``places`` that accepts.

        Raises ``NotConnected`` (a ``Disagreement`` among others) or ``ConnectTimeout``.
        """
        try:
            async with asyncio.timeout(patience if patience < NEVER else None):
                await self._dial(connection, places)
        except TimeoutError as error:
            raise ConnectTimeout(f"{self._origin} accepted no connection in time") from error
        except OSError as error:  # refused, no such name, a failed or refused handshake
            raise NotConnected(f"{self._origin} accepted no connection: {error}") from error

    async def _dial(self, connection: asyncio.Protocol, places: Places) -> None:
        if self._tls is None:
            await self._connect(connection, places)
            return
        name = self._origin.server_hostname or self._host
        try:
            transport = await self._connect(connection, places, tls=self._tls, name=name)
        except BaseException:
            self._tls.forget()
            raise
        shaken: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self._tls.keep(shaken)
        if (shaken.selected_alpn_protocol() == "h2") is not self._http2:
            cast("asyncio.Transport", transport).abort()
            raise Disagreement(f"{self._origin} chose {'HTTP/1.1' if self._http2 else 'HTTP/2'}, which was not meant")

    async def _connect(
        self,
        connection: asyncio.Protocol,
        places: Places,
        *,
        tls: ssl.SSLContext | None = None,
        name: str | None = None,
    ) -> asyncio.BaseTransport:
        loop = asyncio.get_running_loop()
        goodbye = None if tls is None else _GOODBYE
        if self._unix is not None:
            transport, _ = await loop.create_unix_connection(
                lambda: connection, self._unix, ssl=tls, server_hostname=name, ssl_shutdown_timeout=goodbye
            )
        else:
            sock = await self._tcp_socket(places)
            transport, _ = await loop.create_connection(
                lambda: connection, sock=sock, ssl=tls, server_hostname=name, ssl_shutdown_timeout=goodbye
            )
        return transport

    async def _tcp_socket(self, places: Places) -> socket.socket:
        if places:
            found = [await look_up(host, port) for host, port in places]
            addresses = list(chain.from_iterable(found))
        else:
            addresses = alternating(await look_up(self._host, self._origin.port))
        sock = await _race(self._permitted(addresses) if self._public_only else addresses)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _permitted(self, addresses: Sequence[Address]) -> Sequence[Address]:
        """Those that are not private; raises ``OSError`` where all are."""
        private = [each for each in addresses if not is_public(str(each[1][0]))]
        if not private:
            return addresses
        named = ", ".join(str(place[0]) for _, place in private)
        if not self._told:
            self._told = True
            _log.warning("%s leads to %s, which is private: nothing is sent there", self._origin, named)
        if len(private) == len(addresses):
            raise OSError(f"{named} is private, which is denied")
        return [each for each in addresses if each not in private]


async def _race(addresses: Sequence[Address]) -> socket.socket:
    if len(addresses) == 1:
        return await _connected(addresses[0])
    running: set[asyncio.Task[socket.socket]] = set()
    refusals: list[str] = []  # and not the errors, which know this frame once they are raised here
    try:
        for number, address in enumerate(addresses, 1):
            running.add(asyncio.create_task(_connected(address)))
            last = number == len(addresses)
            while running:
                done, _ = await asyncio.wait(
                    running, timeout=None if last else _HEAD_START, return_when=asyncio.FIRST_COMPLETED
                )
                winner = _winner(done, refusals)
                running -= done
                if winner is not None:
                    return winner
                if not last:
                    break
    finally:
        for each in running:
            each.add_done_callback(_discard)
            each.cancel()
    raise OSError("; ".join(refusals))


def _winner(done: set[asyncio.Task[socket.socket]], refusals: list[str]) -> socket.socket | None:
    winner = None
    for each in done:
        error = each.exception()
        if error is not None:
            refusals.append(str(error))
        elif winner is None:
            winner = each.result()
        else:
            each.result().close()
    return winner


def _discard(late: asyncio.Task[socket.socket]) -> None:
    if not late.cancelled() and late.exception() is None:
        late.result().close()


async def _connected(address: Address) -> socket.socket:
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)  # noqa: FBT003 - the socket module's own form
    try:
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock
