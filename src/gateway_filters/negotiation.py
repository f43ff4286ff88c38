"""Which protocol a connection speaks: over TLS as was agreed in the handshake, else as its first bytes show.

Facts
- Over TLS the client offers, and ALPN decides (RFC 9113 3.2); without an answer it is HTTP/1.1.
- In plain text HTTP/2 is spoken by clients that know it beforehand (3.3): its preface is no request of HTTP/1.1.
- The chosen protocol takes the transport over, so that a connection pays for the choice once. Until then it counts as
  one of its peer's, or silent ones could be all that there may be.
"""

import asyncio
from collections.abc import Callable, MutableSet
from typing import Any, Protocol, cast

from starlette.types import ASGIApp

from gateway_filters.frontend_tls import CHOSEN
from gateway_filters.http1.refusal import refusal, refusal_body
from gateway_filters.http1.watch import Watch
from gateway_filters.http2 import PREFACE, Http2Connection, Http2Limits, Service
from gateway_filters.serving import LISTENER


class _Config(Protocol):
    @property
    def loaded_app(self) -> ASGIApp: ...


class _ServerState(Protocol):
    @property
    def connections(self) -> MutableSet[Any]: ...
    @property
    def tasks(self) -> MutableSet[asyncio.Task[None]]: ...


class Negotiation(asyncio.Protocol):
    """The beginning of a connection, made as uvicorn makes its protocols.

    ``http1`` makes the protocol for HTTP/1.1, of the same arguments. Nothing needs to come for as long as a connection
    may be idle; from the first byte on there is as much time as for a head.
    """

    def __init__(
        self,
        http1: Callable[..., asyncio.Protocol],
        limits: Http2Limits,
        watch: Watch,
        *,
        config: _Config,
        server_state: _ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._http1 = http1
        self._limits = limits
        self._watch = watch
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Choose at once, over TLS, or wait for the first bytes."""
        self._transport = cast("asyncio.Transport", transport)
        peer = cast("tuple[str, int] | str | None", transport.get_extra_info("peername"))
        self._client = peer[:2] if isinstance(peer, tuple) else None
        secured, connections = transport.get_extra_info("ssl_object"), self._server_state.connections
        if secured is not None:
            self._hand_over(http2=secured.selected_alpn_protocol() == "h2")
        elif not self._watch.admit(self._client, len(connections) + 1):
            self._refuse()
        else:
            connections.add(self)
            self._wait(min(self._limits.idle_seconds, self._watch.limits.keep_alive))

    def data_received(self, data: bytes) -> None:
        """Choose, as soon as the bytes leave one choice."""
        first, self._seen = not self._seen, self._seen + data
        if len(self._seen) >= len(PREFACE) or not PREFACE.startswith(self._seen):
            self.connection_lost(None)
            self._hand_over(http2=self._seen.startswith(PREFACE)).data_received(self._seen)
        elif first:
            self._timer.cancel()
            self._wait(min(self._limits.head_seconds, self._watch.limits.head_seconds))

    def connection_lost(self, exc: Exception | None) -> None:
        """It waits no longer."""
        del exc
        self._timer.cancel()
        self._watch.forget(self._client)
        self._server_state.connections.discard(self)

    def shutdown(self) -> None:
        """Nothing was asked yet, so nothing is owed."""
        self._transport.close()

    def _refuse(self) -> None:
        self._watch.forget(self._client)  # at once: those that are being refused take nobody's place
        self._transport.set_protocol(asyncio.Protocol())
        self._transport.write(refusal(503, "too many connections"))  # in words that more clients know
        self._transport.close()

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _hand_over(self, *, http2: bool) -> asyncio.Protocol:
        protocol = self._speaking_http2() if http2 else self._speaking_http1()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        return protocol

    def _speaking_http1(self) -> asyncio.Protocol:
        return self._http1(config=self._config, server_state=self._server_state, app_state=self._app_state)

    def _speaking_http2(self) -> asyncio.Protocol:
        secured = self._transport.get_extra_info("ssl_object")
        told = {} if secured is None else {LISTENER: getattr(secured, CHOSEN, None)}
        state = {**self._app_state, **told}
        server = self._server_state
        app, words = self._config.loaded_app, refusal_body
        service = Service(app, self._limits, server.connections, server.tasks, self._watch, words)
        return Http2Connection(service, state)
