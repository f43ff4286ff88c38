"""``gateway-filters run --http1|--http2|--upstream LIMIT=NUMBER`` with what is no limit."""

from pathlib import Path

import pytest

from run.gateway_run import running

WRONG = [
    pytest.param(
        "--http1", "field=7", "--http1 field=7: the limits are head_seconds, head_bytes,", id="an unknown limit"
    ),
    pytest.param("--http1", "fields=many", "--http1 fields=many: 'many' is no number for fields", id="no number"),
    pytest.param("--http1", "fields=0.5", "--http1 fields=0.5: '0.5' is no number for fields", id="no whole number"),
    pytest.param(
        "--http1", "fields=0", "the HTTP/1.1 limit fields of 0 must be above 0", id="a limit that cannot work"
    ),
    pytest.param(
        "--http1",
        "keep_alive=nan",
        "the HTTP/1.1 limit keep_alive of nan must be above 0",
        id="nothing that is a number",
    ),
    pytest.param("--http2", "stream=7", "--http2 stream=7: the limits are streams, window,", id="an unknown limit"),
    pytest.param("--http2", "streams=many", "--http2 streams=many: 'many' is no number for streams", id="no number"),
    pytest.param(
        "--http2", "streams=0", "the HTTP/2 limit streams of 0 must be above 0", id="a limit that cannot work"
    ),
    pytest.param(
        "--upstream",
        "first=7",
        "--upstream first=7: the limits are connect, first_byte, idle, connections",
        id="no limit",
    ),
    pytest.param(
        "--upstream",
        "connections=1.5",
        "--upstream connections=1.5: '1.5' is no number for connections",
        id="half of one",
    ),
    pytest.param(
        "--upstream", "idle=0", "the upstream limit idle of 0.0 must be above 0", id="a limit that cannot work"
    ),
]


@pytest.mark.parametrize(("option", "limit", "message"), WRONG)
def test_what_is_no_limit(tmp_path: Path, option: str, limit: str, message: str) -> None:
    """One sentence, and nothing is served."""
    with running(tmp_path, option, limit) as process:
        code, said = process.ended()
    assert code == 2
    assert said.startswith(message), said
