"""``gateway-filters run`` in a network of its own, which is lost, or in which there are too few ports (F24, F59)."""

from pathlib import Path

import pytest

from run.lost_network import in_a_network


@pytest.mark.parametrize("scenario", ["clients_are_gone", "ports_are_used_up"])
def test_in_a_network_that_fails(folder: Path, scenario: str) -> None:
    """Peers that are gone without a word are found out; without ports some get 503, and all are served afterwards."""
    ended = in_a_network(scenario, folder)
    if ended is None:
        pytest.skip("no network of its own can be made here")
    assert ended.returncode == 0, ended.stderr
