"""Asking another app something on the gateway's own behalf: an answer collected as a whole, and a GET of a text."""

import asyncio

from starlette.types import Message, Scope

from gateway_filters.asgi.shell import Serve
from gateway_filters.errors import UpstreamMalformed
from gateway_filters.message.head import RequestHead
from gateway_filters.message.headers import Headers


class Answer:
    """What an app answers, collected up to ``most`` bytes of its body."""

    def __init__(self, most: int) -> None:
        self.status = 0
        self.headers: Headers = ()
        self.body = b""
        self.complete = False
        self._most = most

    async def send(self, message: Message) -> None:
        """The app's ``send``; raises ``UpstreamMalformed`` for a body that is too long."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = tuple((name, value) for name, value in message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if len(self.body) > self._most:
                raise UpstreamMalformed(f"its answer is longer than {self._most} bytes")
            self.complete = not message.get("more_body", False)


async def fetched_text(serve: Serve, authority: str, target: str, most: int) -> str:
    """The body of the answer to a GET of ``target`` from ``serve``.

    Raises ``UpstreamMalformed`` for an answer that is not a whole one with status 200, is longer than ``most`` bytes
    or no UTF-8; redirects are not followed.
    """
    answer = Answer(most)
    path, _, query = target.partition("?")
    head = RequestHead(
        b"GET",
        path.encode(),
        authority=authority.encode(),
        query=query.encode(),
        headers=((b"accept", b"application/json"),),
    )
    await serve(head, _scope(path, query), _Request().receive, answer.send)
    if answer.status != 200 or not answer.complete:
        raise UpstreamMalformed(f"it answered {answer.status}")
    try:
        return answer.body.decode()
    except UnicodeDecodeError:
        raise UpstreamMalformed("its answer is no text") from None


def _scope(path: str, query: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [],
        "client": None,
        "server": None,
        "extensions": {},
        "state": {},
    }


class _Request:
    """A request without a body, of a client that never leaves."""

    def __init__(self) -> None:
        self._asked = False

    async def receive(self) -> Message:
        if self._asked:
            await asyncio.get_running_loop().create_future()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}
