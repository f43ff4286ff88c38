"""An edit that cannot be served: told with its place and without a value, and what was said before stays said."""

from pathlib import Path

import pytest

from gateway_api.manifests import ALL, ROUTE, SECRET, changed
from gateway_filters import ManifestError
from gateway_filters.gateway_api.controller import Controller

KEY = "QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5"
# The end of what an editor had written when it was looked at.
HALF = SECRET[: SECRET.index("credential: Qm") + 22]

BROKEN = {
    "YAML that does not end": (changed("  rules:", "  rules: ["), "not YAML"),
    "a tab in front": (changed("  rules:", "\trules:"), "not YAML"),
    "a field that nobody knows": (changed("  rules:", "  rulez:"), "spec.rulez: the field is not known"),
    "a field of another type": (changed("port: 8080", "port: '8080'"), "spec.listeners[0].port"),
    "an object that is there twice": (f"{ALL}\n---{SECRET}", "Secret default/bailian-credential is defined twice"),
    "a value that is no base64": (changed(KEY, f"{KEY}!"), "data.credential"),
    "a file that is half written": (f"{ROUTE}\n---{HALF}", "data.credential"),
    "nothing yet": ("", "it is empty"),
}


@pytest.mark.parametrize(("text", "sentence"), BROKEN.values(), ids=BROKEN)
def test_a_broken_edit_is_told_and_changes_nothing(tmp_path: Path, text: str, sentence: str) -> None:
    """Each time it is looked at; the edit that takes it back is no change."""
    file = tmp_path / "all.yaml"
    file.write_text(ALL)
    controller = Controller([tmp_path])
    before = controller.look({})
    assert before is not None
    file.write_text(text)
    for _ in range(2):
        with pytest.raises(ManifestError) as refused:
            controller.look({})
        assert sentence in str(refused.value)
        assert str(refused.value).startswith(f"{file}")
        told = "".join(map(str, (refused.value, *refused.value.others)))
        assert not any(KEY[at : at + 8] in told for at in range(len(KEY) - 7))
    file.write_text(ALL)
    after = controller.look({})
    assert after is None or after.listeners == before.listeners


def test_what_needs_its_secrets_does_not_begin_without(tmp_path: Path) -> None:
    """It begins with them, and goes on when one is taken away."""
    file = tmp_path / "all.yaml"
    file.write_text(ROUTE)
    controller = Controller([tmp_path], needs_secrets=True)
    sentence = "HTTPRoute default/bailian-route has no credential: Secret default/bailian-credential does not exist"
    with pytest.raises(ManifestError, match=sentence):
        controller.look({})
    file.write_text(ALL)
    assert controller.look({}) is not None
    file.write_text(ROUTE)
    assert controller.look({}) is not None
