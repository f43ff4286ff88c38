"""The memory that a million requests leave behind."""

from collections import Counter
from pathlib import Path

from canary import KEY
from soak import objects
from soak.caller import Heard, request
from soak.crowd import Crowd
from soak.origin import Asked, Origin, Visit, closing
from soak.scenario import Outcome, Scenario, faults
from soak.subject import running

_QUESTION = b'{"model": "qwen-plus", "messages": [{"role": "user", "content": "Hello, who are you?"}]}'
_ANSWER = b'{"choices": [{"message": {"role": "assistant", "content": "%b"}}]}' % (b"x" * 430)
_MOST = 5_000_000


async def run(size: int, folder: Path) -> Outcome:
    """``size`` requests behind a twentieth of as many that warm it up."""
    wrong = Counter[str]()

    def judge(_: int, heard: Heard) -> None:
        if not (heard.whole and heard.status == 200 and heard.body == _ANSWER):
            wrong[f"{heard.status} after {heard.seconds:.0f} s, whole: {heard.whole}"] += 1

    origin = Origin(_answer)
    await origin.open()
    manifests = objects.text(
        objects.entrance(),
        objects.backend("b", origin.port),
        objects.route("r", "/v1", "b", replacement="/compatible-mode/v1", key="one"),
        objects.injector("one"),
        *objects.secrets([("one", f"Bearer {KEY}")]),
    )
    asked = request("POST", "/v1/chat/completions", "content-type: application/json", body=_QUESTION)
    with closing(origin):
        async with running(folder, manifests) as subject:
            crowd = Crowd(subject.port, lambda _: asked, judge)
            await crowd.ask(range(max(1000, size // 20)))
            before = subject.memory
            await crowd.ask(range(size))
            grown = subject.memory - before
    return Outcome(
        f"{grown / 1e6:+.2f} MB on {before / 1e6:.0f} MB; {wrong.total():,} requests failed",
        faults([(grown < _MOST, f"it grew by {grown:,} bytes"), (not wrong, f"{dict(wrong)}")]),
    )


def _answer(visit: Visit, _: Asked) -> None:
    visit.answer(_ANSWER, b"content-type: application/json\r\n")


MEMORY = Scenario("memory", "resident memory grows by less than 5 MB", "requests", 1_000_000, 2_000, run)
