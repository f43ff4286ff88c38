"""``python -m fuzz TARGET RUNS``: bytes that are found by what code they reach (atheris); ``all`` for any target."""

import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import atheris

_FUZZER = cast("Any", atheris)
_PARTS = {
    "path": ["gateway_filters.message.canonical"],
    "hygiene": [
        "gateway_filters.asgi.ingress",
        "gateway_filters.asgi.scope",
        "gateway_filters.message",
        "gateway_filters.filters.credential_injection",
        "gateway_filters.upstream.app",
    ],
    "answer": ["gateway_filters.upstream.connection", "gateway_filters.upstream.response_head"],
    "manifests": ["gateway_filters.gateway_api.documents", "gateway_filters.gateway_api.nodes", "yaml.scanner"],
}
_ALL = [name for names in _PARTS.values() for name in names]

# Only what a target is about is looked into: to instrument the whole package takes seconds.
with _FUZZER.instrument_imports(include=_PARTS.get(sys.argv[1], _ALL)):
    from fuzz.targets import SEEDS, TARGETS, everything


def main(name: str, runs: str) -> None:
    """Search; the process ends with libFuzzer's exit code, which is not 0 once something does not hold."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    seeds = SEEDS.get(name) or [bytes([at]) + seed for at, each in enumerate(TARGETS) for seed in SEEDS[each]]
    for number, seed in enumerate(seeds):
        (folder / str(number)).write_bytes(seed)
    options = (f"-runs={runs}", "-max_len=1024", "-timeout=20", "-seed=1", f"-artifact_prefix={folder}/")
    _FUZZER.Setup([sys.argv[0], *options, str(folder)], TARGETS.get(name, everything))
    _FUZZER.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
