"""An upstream that answers nothing, or half of it, until it is told to, and knows who is still there."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

_EVENT = b"6\r\nevent\n\r\n"


class PatientUpstream:
    """``/events`` gets an event at once and its end after ``release``, all else its answer after ``release``.

    ``busy``: the requests whose client is still there; ``seen``: all that came.
    """

    def __init__(self) -> None:
        self.busy = 0
        self.seen = 0
        self.port = 0
        self._loop: asyncio.AbstractEventLoop
        self._released = asyncio.Event()
        self._stopped = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def release(self) -> None:
        """Answer everybody."""
        self._loop.call_soon_threadsafe(self._released.set)

    def until_abandoned(self, seconds: float = 50) -> None:
        """Wait until nobody waits for an answer."""
        end = time.monotonic() + seconds
        while self.busy:
            assert time.monotonic() < end, f"{self.busy} requests are still waited for"
            time.sleep(0.01)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._started.wait(50)

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopped.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; whether its client may ask for more."""
        events = b" /events " in await reader.readuntil(b"\r\n\r\n")
        self.seen += 1
        self.busy += 1
        if events:
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + _EVENT)
        gone = asyncio.ensure_future(reader.read())
        released = asyncio.ensure_future(self._released.wait())
        await asyncio.wait({gone, released}, return_when="FIRST_COMPLETED")
        released.cancel()
        stays = gone.cancel()
        self.busy -= 1
        if stays:
            with contextlib.suppress(asyncio.CancelledError):
                await gone
            writer.write(b"0\r\n\r\n" if events else b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        return stays


@contextmanager
def patient() -> Generator[PatientUpstream]:
    """One that is closed in any case."""
    made = PatientUpstream()
    made.start()
    try:
        yield made
    finally:
        made.stop()
