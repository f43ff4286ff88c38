"""Reloads and rotations under load: every request is answered, by the old or the new, with the old key or the new."""

import asyncio
from collections import Counter
from pathlib import Path

from canary import KEY
from soak import objects
from soak.caller import Caller, Heard, request
from soak.crowd import Crowd
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running

_RATE = 500
_PERIOD = 1.0  # seconds for a reload and a rotation
_SOON = 1.0
_STREAMS = 5
_SCHEME = f"Bearer {KEY}-"
_EVENT = b"a\r\ndata: {}\n\n\r\n"


class _Versions:
    """What was put in place when, by the clock of the event loop: an answer may be a second behind."""

    def __init__(self) -> None:
        self._since = [asyncio.get_running_loop().time()]

    def next(self) -> int:
        """The number of the version that is put in place now."""
        self._since.append(asyncio.get_running_loop().time())
        return len(self._since) - 1

    def allows(self, version: int, asked: float) -> bool:
        """Whether a request of that time may have met ``version``: none from the future, none that is long gone."""
        known = 0 <= version < len(self._since)
        return known and (version + 1 == len(self._since) or asked < self._since[version + 1] + _SOON)


class _Stage:
    def __init__(self, folder: Path) -> None:
        self.origin = Origin(self._answer)
        self.routes, self.keys = _Versions(), _Versions()
        self.wrong, self.late = Counter[str](), 0
        self.mount = folder / "secrets" / "one"
        self._file = folder / "manifests" / "all.yaml"

    def manifests(self, version: int) -> str:
        """A route that tells its version in the path."""
        return objects.text(
            objects.entrance(),
            objects.backend("b", self.origin.port),
            objects.route(f"r{version}", "/", "b", replacement=f"/v{version}", key="one"),
            objects.injector("one"),
        )

    def rotate(self, version: int) -> None:
        """Swap the mounted key as Kubernetes does."""
        aside = self.mount / f"..{version}"
        aside.mkdir(parents=True)
        (aside / "credential").write_text(f"{_SCHEME}{version}\n")
        (self.mount / "..next").symlink_to(aside.name)
        (self.mount / "..next").rename(self.mount / "..data")
        if version == 0:
            (self.mount / "credential").symlink_to("..data/credential")

    def reload(self, port: int) -> None:
        """Replace the manifests as a whole."""
        aside = self._file.with_suffix(".aside")
        aside.write_text(self.manifests(self.routes.next()).replace("PORT", str(port)))
        aside.replace(self._file)

    def _answer(self, visit: Visit, asked: Asked) -> None:
        if asked.target.endswith(b"/stream"):
            visit.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            self._event(visit, 30)
        else:
            # Not the key itself: an answer that carries it is withheld.
            version = asked.fields.get(b"authorization", b"none").removeprefix(_SCHEME.encode())
            visit.answer(asked.target.split(b"/")[1] + b" " + version)

    def _event(self, visit: Visit, left: int) -> None:
        visit.write(_EVENT if left else b"0\r\n\r\n")
        if left:
            asyncio.get_running_loop().call_later(0.1, self._event, visit, left - 1)

    def judge(self, _: int, heard: Heard) -> None:
        """Right is one version of the route and one of the key, each of its time."""
        asked = asyncio.get_running_loop().time() - heard.seconds
        if not (heard.whole and heard.status == 200):
            self.wrong[f"{heard.status}, whole: {heard.whole}"] += 1
            return
        route, number = heard.body.decode().split(" ", 1)
        if not (route[1:].isdigit() and number.isdigit()):
            self.wrong["no version, or a part of one"] += 1
        elif not (self.routes.allows(int(route[1:]), asked) and self.keys.allows(int(number), asked)):
            self.late += 1


async def run(size: int, folder: Path) -> Outcome:
    """``size`` reloads and as many rotations, one of each a second, at 500 requests a second, with streams open."""
    stage = _Stage(folder)
    await stage.origin.open()
    stage.rotate(0)
    stop, cut = asyncio.Event(), 0

    async def listen(port: int) -> int:
        nonlocal cut
        count = 0
        while not stop.is_set():
            caller = await Caller.to(port)
            answer = await caller.ask(request("GET", "/stream"))
            cut += not (answer.whole and answer.body.count(b"data: {}") == 30)
            count += 1
            caller.leave()
        return count

    with closing(stage.origin):
        async with running(folder, stage.manifests(0), "--secrets", str(folder / "secrets")) as subject:
            crowd = Crowd(subject.port, lambda _: request("GET", "/x"), stage.judge)
            asking = asyncio.create_task(crowd.keep_asking(_RATE, stop))
            listening = [asyncio.create_task(listen(subject.port)) for _ in range(_STREAMS)]
            for _ in range(size):
                await asyncio.sleep(_PERIOD / 2)
                stage.reload(subject.port)
                await asyncio.sleep(_PERIOD / 2)
                stage.rotate(stage.keys.next())
            await asyncio.sleep(_SOON)
            stop.set()
            asked, streams = await asking, sum(await asyncio.gather(*listening))
    failed = sum(stage.wrong.values())
    return Outcome(
        f"{failed:,} of {asked:,} requests failed, {stage.late:,} met what had been replaced a second before; "
        f"{cut:,} of {streams:,} streams were cut",
        faults(
            [
                (not failed, f"{dict(stage.wrong)}"),
                (not stage.late, f"{stage.late} met what was old"),
                (not cut, f"{cut} streams were cut"),
            ]
        ),
    )


CHANGES = Scenario(
    "changes",
    "no request fails at 500 requests/s, and what is new counts within 1 s",
    "reloads and rotations",
    100,
    2,
    run,
)
