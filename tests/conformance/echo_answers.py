"""What an echo backend answers: the contract of the suite's own image, apart from any socket."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .http1 import Answer, Line, Seen

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_TEXT = ("Content-Type", "text/plain; charset=utf-8")


@dataclass
class Echo:
    """The answers of one pod; ``targets`` remembers every request that was echoed."""

    name: str
    namespace: str
    targets: Counter[str] = field(default_factory=Counter[str])
    attempts: Counter[str] = field(default_factory=Counter[str])
    # The suite's image sleeps with a mutex held; its timings follow from that.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, seen: Seen, tls: Mapping[str, Any] | None) -> Answer | None:
        """The answer; none means that the connection is to be reset."""
        url = urlsplit(seen.target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if url.path == "/health":
            return Answer(200, [_TEXT], b"OK")
        if found := re.fullmatch(r"/status/(\d{3})", url.path):
            return Answer(int(found[1]), [_TEXT])
        if url.path.startswith("/retry/") and await self._fails(query):
            return Answer(int(query["responseCode"]), [_TEXT]) if "responseCode" in query else None
        await asyncio.sleep(seconds(query.get("delay", "0s")))
        return self._echo(seen, tls)

    async def _fails(self, query: Mapping[str, str]) -> bool:
        async with self.lock:
            self.attempts[query["uuid"]] += 1
            failing = self.attempts[query["uuid"]] <= int(query["succeedAfter"])
            if failing and "delayRetry" in query:
                await asyncio.sleep(seconds(query["delayRetry"]))
            return failing

    def _echo(self, seen: Seen, tls: Mapping[str, Any] | None) -> Answer:
        self.targets[seen.target] += 1
        content: dict[str, Any] = {
            "path": seen.target,
            "host": seen.header("host") or "",
            "method": seen.method,
            "proto": seen.proto,
            "headers": _collected(seen.lines),
            "namespace": self.namespace,
            "pod": self.name + "-0",
        }
        body = json.dumps(content | ({"tls": tls} if tls else {})).encode()
        return Answer(200, [("Content-Type", "application/json"), *_asked_for(seen)], body)


def seconds(duration: str) -> float:
    """A duration such as ``1m30s`` in seconds; raises ``ValueError`` for anything else."""
    parts = _PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"no duration: {duration!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _collected(lines: tuple[Line, ...]) -> dict[str, list[str]]:
    """Values by the name as Go writes it, without Host."""
    found: dict[str, list[str]] = {}
    for name, value in lines:
        if name.lower() != "host":
            found.setdefault("-".join(part.capitalize() for part in name.split("-")), []).append(value)
    return found


def _asked_for(seen: Seen) -> list[Line]:
    wanted = ",".join(value for name, value in seen.lines if name.lower() == "x-echo-set-header")
    pairs = (each.partition(":") for each in wanted.split(",") if each.strip())
    return [(name.strip(), value.strip()) for name, _, value in pairs]
