"""From a request of HTTP/2 to the scope that an ASGI app sees; it says what a scope of HTTP/1.1 would say."""

import asyncio
from typing import Any

from starlette.types import Scope

from gateway_filters.http2.request import Asked
from gateway_filters.http2.static_table import Field
from gateway_filters.message.trailers import REQUEST_TRAILERS

_STRONG = ("GCM", "CCM", "POLY1305")


def connection_scope(transport: asyncio.BaseTransport) -> Scope:
    """What is the same for all requests of a connection; the scheme is what it is, not what a client says."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "server": _address(transport.get_extra_info("sockname")),
        "client": _address(transport.get_extra_info("peername")),
        "scheme": "http" if transport.get_extra_info("sslcontext") is None else "https",
        "root_path": "",
    }


def request_scope(connection: Scope, request: Asked, state: dict[str, Any], trailers: list[Field]) -> Scope:
    """The scope of one request; nothing that an app may change is shared with another.

    ``trailers`` is where those of the request will be.
    """
    return {
        **connection,
        "method": request.method,
        "path": request.path,
        "raw_path": request.raw_path,
        "query_string": request.query,
        "headers": request.headers.copy(),
        "state": state.copy(),
        "extensions": {"http.response.trailers": {}, REQUEST_TRAILERS: {"headers": trailers}},
    }


def secure(transport: asyncio.BaseTransport) -> bool:
    """Whether the cipher is one that HTTP/2 may be spoken over: ephemeral keys and an AEAD (9.2.2), or no TLS."""
    cipher = transport.get_extra_info("cipher")
    if cipher is None:
        return True
    name: str = cipher[0]
    return name.startswith("TLS_") or (name.startswith(("ECDHE-", "DHE-")) and any(each in name for each in _STRONG))


def _address(address: tuple[str, int, int, int] | tuple[str, int] | str | None) -> tuple[str, int] | None:
    return (address[0], address[1]) if isinstance(address, tuple) else None
