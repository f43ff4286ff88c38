"""SIGHUP reads everything anew, as servers do, and never ends the process."""

import os
import signal
from pathlib import Path

from run.gateway_run import NamedServer, backend, documents, eventually, free_port, gateway, get, route, running


def test_a_hang_up_reads_all_files_anew(folder: Path, one: NamedServer, two: NamedServer) -> None:
    """What came of it is told each time: nothing new, or a broken file that was told before."""
    port, file = free_port(), folder / "all.yaml"
    good = documents(gateway(port), route("r", "/", "b"), backend("b", one))
    file.write_text(good)
    with running(folder) as process:
        process.process.send_signal(signal.SIGHUP)
        process.wait_for("reloaded")
        assert get(port, "/") == (200, "one")
        file.write_text(good.replace("parentRefs", "parents"))
        process.wait_for("the last good state stays in use")
        process.process.send_signal(signal.SIGHUP)
        process.wait_for("the last good state stays in use")
        assert get(port, "/") == (200, "one")
        file.write_text(documents(gateway(port), route("r", "/", "b"), backend("b", two)))
        process.process.send_signal(signal.SIGHUP)
        eventually(lambda: get(port, "/") == (200, "two"), 3)
        code, log = process.stop()
    assert code == 0
    assert "Traceback" not in log


def test_a_hang_up_of_many_is_one(folder: Path, one: NamedServer) -> None:
    """However often it comes, also before anything is served."""
    port = free_port()
    (folder / "all.yaml").write_text(documents(gateway(port), route("r", "/", "b"), backend("b", one)))
    with running(folder) as process:
        for _ in range(50):
            os.kill(process.process.pid, signal.SIGHUP)
        process.wait_for("reloaded")
        assert get(port, "/") == (200, "one")
        assert process.stop()[0] == 0
