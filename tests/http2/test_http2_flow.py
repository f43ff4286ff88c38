"""http2: flow control, both ways, and clients that leave."""

# pyright: reportPrivateUsage=false

import asyncio
import gc
import weakref

import pytest
from h2_peer import GET, POST, Field, echo, hello, serving
from hyperframe.frame import DataFrame, SettingsFrame, WindowUpdateFrame
from starlette.types import Receive, Scope, Send

from gateway_filters.http2.faults import ErrorCode

WINDOW, FRAME = 65_535, 16_384
TINY = {SettingsFrame.INITIAL_WINDOW_SIZE: 1}


class Sending:
    """An app that sends ``pieces`` and counts how many the server has taken."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self.taken += 1
        await send({"type": "http.response.body", "body": b""})


class Waiting:
    """An app that waits for its client to leave; ``left`` counts those that have."""

    def __init__(self, *, reads: bool = True, begins: bool = False) -> None:
        self.left = 0
        self.running = 0
        self._reads = reads
        self._begins = begins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self.running += 1
        if self._begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left += 1
        # Nobody is there: this does nothing, and raises nothing.
        await hello(scope, receive, send)


async def test_a_body_waits_for_the_stream_s_window() -> None:
    """What fits is sent, the app waits with the rest, and each opening lets so much through."""
    app = Sending(b"a" * WINDOW, b"b" * 10)
    async with serving(app) as server, server.connected() as peer:
        peer.ask(1)
        await peer.settle()
        assert (len(peer.answers[1].body), app.taken) == (WINDOW, 1)
        peer.widen(0, 100)
        await peer.settle()
        assert len(peer.answers[1].body) == WINDOW
        peer.widen(1, 4)
        await peer.settle()
        assert (len(peer.answers[1].body), app.taken) == (WINDOW + 4, 1)
        peer.widen(1, 100)
        assert (await peer.answer(1)).body == b"a" * WINDOW + b"b" * 10


async def test_a_body_waits_for_the_connection_s_window() -> None:
    """However wide the stream's is."""
    app = Sending(b"a" * 2 * WINDOW)
    async with serving(app) as server, server.connected({SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1}) as peer:
        peer.ask(1)
        await peer.settle()
        assert len(peer.answers[1].body) == WINDOW
        peer.widen(0, WINDOW)
        assert len((await peer.answer(1)).body) == 2 * WINDOW


async def test_windows_of_one_byte() -> None:
    """Slow, and right."""
    async with serving(Sending(b"hello")) as server, server.connected(TINY) as peer:
        peer.ask(1)
        for _ in range(4):
            await peer.until(DataFrame)
            peer.widen(1, 1)
        assert (await peer.answer(1)).body == b"hello"
        assert [len(frame.data) for frame in peer.frames if isinstance(frame, DataFrame)] == [1, 1, 1, 1, 1, 0]


async def test_settings_move_the_windows_of_open_streams() -> None:
    """Below nothing, too; then it takes more to open them (6.9.2)."""
    async with (
        serving(Sending(b"a" * 100)) as server,
        server.connected({SettingsFrame.INITIAL_WINDOW_SIZE: 50}) as peer,
    ):
        peer.ask(1)
        await peer.settle()
        assert len(peer.answers[1].body) == 50
        peer.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 10}))
        peer.widen(1, 40)
        await peer.settle()
        assert len(peer.answers[1].body) == 50
        peer.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 70}))
        await peer.settle()
        assert len(peer.answers[1].body) == 100
        await peer.answer(1)


async def test_settings_that_let_several_answers_end() -> None:
    """All of them, at once."""
    closed = {SettingsFrame.INITIAL_WINDOW_SIZE: 0}
    async with serving(hello) as server, server.connected(closed) as peer:
        for stream in (1, 3, 5):
            peer.ask(stream)
        await peer.settle()
        peer.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 100}))
        assert [(await peer.answer(stream)).body for stream in (1, 3, 5)] == [b"hello"] * 3


async def test_streams_take_turns() -> None:
    """A frame each: a large answer does not keep a later one from being sent."""
    wide = {SettingsFrame.INITIAL_WINDOW_SIZE: 1_000_000}
    async with serving(Sending(b"x" * 4 * FRAME)) as server, server.connected(wide) as peer:
        # The window of the connection is used up first, so that both answers wait.
        for stream in (1, 3, 5):
            peer.ask(stream)
        await peer.settle()
        peer.widen(0, 1_000_000)
        first = len(peer.frames)
        await peer.answer(3)
        await peer.answer(5)
        turns = [frame.stream_id for frame in peer.frames[first:] if isinstance(frame, DataFrame) and frame.data]
        assert turns == [1, *[3, 5] * 4]
        assert len((await peer.answer(1)).body) == 4 * FRAME


async def test_the_window_opens_as_the_app_reads() -> None:
    """A client may send so much, and no more until somebody has read it."""
    may_read = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await may_read.wait()
        await echo(scope, receive, send)

    async with serving(app, window=1000, connection_window=100_000) as server, server.connected() as peer:
        settings = await peer.until(SettingsFrame)
        assert settings.settings[SettingsFrame.INITIAL_WINDOW_SIZE] == 1000
        peer.ask(1, POST, end=False)
        peer.data(1, b"x" * 1000)
        await peer.settle()
        assert not [frame for frame in peer.frames if isinstance(frame, WindowUpdateFrame) and frame.stream_id]
        may_read.set()
        update = await peer.until(WindowUpdateFrame)
        assert (update.stream_id, update.window_increment) == (1, 1000)
        peer.data(1, b"x" * 1000, end=True)
        assert len((await peer.answer(1)).body) == 2000


OVERRUNS = [
    pytest.param({"window": 1000}, ErrorCode.FLOW_CONTROL_ERROR, None, id="of a stream: that stream ends"),
    pytest.param({"connection_window": 1000}, None, ErrorCode.FLOW_CONTROL_ERROR, id="of all: the connection ends"),
]


@pytest.mark.parametrize(("limits", "reset", "goaway"), OVERRUNS)
async def test_more_than_the_window(
    limits: dict[str, float], reset: ErrorCode | None, goaway: ErrorCode | None
) -> None:
    """Bytes that nobody has room for are refused."""
    app = Waiting()
    async with serving(app, **limits) as server, server.connected() as peer:
        peer.ask(1, POST, end=False)
        for _ in range(5):
            peer.data(1, b"x" * FRAME)
        if goaway is None:
            assert (await peer.answer(1)).reset == reset
        else:
            assert await peer.goaway() == goaway


async def test_what_nobody_reads_does_not_close_the_connection_s_window() -> None:
    """Bodies that are refused, reset or padded count as read."""
    async with serving(hello, window=FRAME, connection_window=4 * FRAME) as server, server.connected() as peer:
        for stream in range(1, 41, 2):
            peer.ask(stream, POST, end=False)
            peer.send(DataFrame(stream, b"x" * 8000, pad_length=255, flags=["PADDED"]))
            await peer.answer(stream)
        updates = [frame for frame in peer.frames if isinstance(frame, WindowUpdateFrame) and not frame.stream_id]
        assert sum(frame.window_increment for frame in updates) > 20 * 8000 - 4 * FRAME


async def test_a_client_that_does_not_read() -> None:
    """The app waits: what is held for it is a window and a socket's buffer, not the answer."""
    piece = b"x" * 100_000
    app = Sending(*[piece] * 1000)
    wide = {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31 - 1}
    async with serving(app) as server, server.silent() as peer:
        peer.deaf()
        peer.greet(wide)
        peer.widen(0, 2**31 - 1 - WINDOW)
        peer.ask(1)
        taken = -1
        while taken != app.taken:
            taken = app.taken
            await asyncio.sleep(0.1)
        assert app.taken < 200
        connection = await server.connection()
        assert connection._transport.get_write_buffer_size() < 500_000


LEAVING = [
    pytest.param(Waiting(), POST, id="before the body has come"),
    pytest.param(Waiting(), GET, id="before the answer"),
    pytest.param(Waiting(begins=True), GET, id="after the answer began"),
]


@pytest.mark.parametrize(("app", "fields"), LEAVING)
@pytest.mark.parametrize("way", ["reset", "close"])
async def test_a_client_that_leaves(app: Waiting, fields: tuple[Field, ...], way: str) -> None:
    """Reset or gone: the app is told at once (T49)."""
    before = app.left
    async with serving(app) as server, server.connected() as peer:
        peer.ask(1, fields, end=fields is GET)
        await peer.settle()
        if way == "reset":
            peer.reset(1)
        else:
            peer.writer.close()
        await server.apps_ended()
        assert app.left == before + 1


@pytest.mark.parametrize("way", ["reset", "close"])
async def test_a_client_that_leaves_while_an_answer_waits_for_its_window(way: str) -> None:
    """The waiting ``send`` returns."""
    app = Sending(b"x" * 10, b"y" * 10)
    async with serving(app) as server, server.connected(TINY) as peer:
        peer.ask(1)
        await peer.settle()
        assert app.taken == 0
        if way == "reset":
            peer.reset(1)
        else:
            peer.writer.close()
        await server.apps_ended()
        assert app.taken == 2


async def test_requests_leave_nothing_behind() -> None:
    """No cycle: what a request held is gone with it, without the collector."""
    marks: list[weakref.ref[object]] = []

    class Mark:
        pass

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        mark = Mark()
        marks.append(weakref.ref(mark))
        scope["state"]["mark"] = mark
        await echo(scope, receive, send)

    async with serving(app) as server, server.connected() as peer:
        gc.disable()
        try:
            for stream in range(1, 101, 2):
                peer.ask(stream, POST, end=False)
                if stream % 4 == 1:
                    peer.data(stream, b"x", end=True)
                    await peer.answer(stream)
                else:
                    peer.reset(stream)
            await peer.settle()
            await server.apps_ended()
            await asyncio.sleep(0)
            assert [mark for mark in marks if mark() is not None] == []
        finally:
            gc.enable()
