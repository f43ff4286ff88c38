"""The manifests under test are the user's own, byte for byte."""

from pathlib import Path

import pytest
from gateway_process import SEED

_ORIGINAL = Path(__file__).parents[3] / "shared" / "seed"


@pytest.mark.skipif(not _ORIGINAL.is_dir(), reason="the user's manifests are not beside this checkout")
def test_the_seed_is_a_verbatim_copy() -> None:
    """The three files here equal the user's, and there is no fourth on either side."""
    ours = {file.name: file.read_bytes() for file in SEED.iterdir()}
    theirs = {file.name: file.read_bytes() for file in _ORIGINAL.glob("*.yaml")}
    assert ours == theirs
    assert len(ours) == 3
