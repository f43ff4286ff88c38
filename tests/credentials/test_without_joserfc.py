"""Without the extra ``jwt`` everything works but key sets, and they say what is missing."""

import sys

import pytest

from gateway_filters.credentials import KeySet
from gateway_filters.errors import ConfigurationError


def test_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence: what needs it, and its name."""
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(ConfigurationError, match=r"^reading the keys of p needs the extra gateway-filters\[jwt\]$"):
        KeySet('{"keys": []}', "the keys of p")
