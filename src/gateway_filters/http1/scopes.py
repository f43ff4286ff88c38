"""ASGI scopes for the requests of one connection."""

from typing import Any
from urllib.parse import unquote

from starlette.types import Scope

from gateway_filters.asgi.scope import TRIMMED
from gateway_filters.http1.whole_request import WholeRequest
from gateway_filters.message.query import path_and_query

_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Scopes:
    """Makes scopes; what all requests of a connection have in common is told once.

    ``server`` and ``client`` are (address, port) or None, ``root_path`` is where the app is mounted.
    """

    def __init__(self, server: object, client: object, scheme: str, root_path: str, state: dict[str, Any]) -> None:
        self._common: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1",
            "server": server,
            "client": client,
            "scheme": scheme,
            "root_path": root_path,
            TRIMMED: True,
        }
        self._root = root_path
        self._raw_root = root_path.encode()
        self._state = state

    def of_whole(self, request: WholeRequest) -> Scope:
        """The scope of a request that came whole."""
        return {
            **self._common,
            "method": request.method,
            "path": self._root + request.path if self._root else request.path,
            "raw_path": self._raw_root + request.raw_path if self._root else request.raw_path,
            "query_string": request.query,
            "headers": request.headers,
            "state": self._state.copy(),
        }

    def of_parsed(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> Scope:
        """The scope of a head that the parser has told; ``target`` is in origin form."""
        raw_path, query = path_and_query(target)
        return {
            **self._common,
            "method": method,
            "path": self._root + unquote(raw_path.decode("ascii")),
            "raw_path": self._raw_root + raw_path,
            "query_string": query,
            "headers": headers,
            "state": self._state.copy(),
        }
