"""How credentials stand, as a condition of their routes: fingerprint, age, and what is odd; never the value."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_api.manifests import ALL, ROUTE, SECRET, changed
from gateway_filters.gateway_api.controller import Controller
from gateway_filters.gateway_api.credential_status import CredentialStatus, Remembered
from gateway_filters.gateway_api.load import translate_files
from gateway_filters.gateway_api.status_file import StatusFile, all_shown
from gateway_filters.message.secret import Secret, rfc3339
from gateway_filters.secrets import DirectorySecrets


def secret(value: str) -> str:
    """The route's manifests with this credential."""
    head = SECRET.rpartition("data:\n")[0]
    return f"{ROUTE}\n---{head}stringData: {{credential: {json.dumps(value)}}}"


def condition(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The route's last condition."""
    (route,) = (each for each in objects if each["kind"] == "HTTPRoute")
    last: dict[str, Any] = route["status"]["parents"][0]["conditions"][-1]
    assert last["type"] == "gateway-filters/CredentialsReady"
    return last


LOOKS = {
    "a key with its scheme": ("Bearer sk-0123456789ab", "True", "Ready", ""),
    "a blank in front": (" Bearer sk-0123456789ab", "True", "SecretDoubtful", "blanks or line ends round it"),
    "a line end behind": ("Bearer sk-0123456789ab\r\n\r\n", "True", "SecretDoubtful", "blanks or line ends round it"),
    "no scheme": ("sk-0123456789ab", "True", "SecretDoubtful", "no scheme in front"),
    "a placeholder": ("Bearer changeme", "True", "SecretDoubtful", "looks like a placeholder"),
    "a line end inside": ("Bearer sk-0123\r\n456789ab", "False", "SecretUnavailable", "holds a line end"),
    "beyond ASCII": ("Bearer sk-0123456789äb", "False", "SecretUnavailable", "holds a character beyond ASCII"),
    "a byte order mark": ("\ufeffBearer sk-0123456789ab", "False", "SecretUnavailable", "byte order mark"),
    "empty": ("", "False", "SecretUnavailable", "is empty"),
    "blanks alone": (" \n", "False", "SecretUnavailable", "is empty"),
}


@pytest.mark.parametrize(("value", "status", "reason", "words"), LOOKS.values(), ids=LOOKS)
def test_each_defect_is_named(tmp_path: Path, value: str, status: str, reason: str, words: str) -> None:
    """What is usable has its fingerprint, what is not says why; nothing shows a piece of the value."""
    (tmp_path / "all.yaml").write_text(secret(value))
    said = condition(list(all_shown(translate_files([tmp_path]))))
    assert (said["status"], said["reason"]) == (status, reason)
    assert words in said["message"]
    assert said["message"].startswith("Authorization: fingerprint" if status == "True" else "Authorization: no cred")
    if status == "True":
        assert Secret(value).fingerprint in said["message"]
    assert not any(value[at : at + 8] in str(said) for at in range(len(value) - 7))


def test_a_missing_secret_is_told_by_name(tmp_path: Path) -> None:
    """The condition says what the route waits for."""
    (tmp_path / "all.yaml").write_text(ROUTE)
    said = condition(list(all_shown(translate_files([tmp_path]))))
    assert said["reason"] == "SecretUnavailable"
    assert said["message"] == "Authorization: no credential, Secret default/bailian-credential does not exist"


def test_a_route_that_injects_nothing_has_no_such_condition(tmp_path: Path) -> None:
    """Nothing is said where there is nothing to say."""
    step = ROUTE[ROUTE.index("        - type: ExtensionRef") : ROUTE.index("      matches:")]
    (tmp_path / "all.yaml").write_text(changed(step, ""))
    (route,) = (each for each in all_shown(translate_files([tmp_path])) if each["kind"] == "HTTPRoute")
    assert "CredentialsReady" not in str(route["status"])


def test_a_mounted_secret_has_the_age_of_its_file(tmp_path: Path) -> None:
    """Since when it is in use comes from the file, and a file that is gone is told without any new manifest."""
    folder, mounted = tmp_path / "m", tmp_path / "s" / "bailian-credential" / "credential"
    folder.mkdir()
    mounted.parent.mkdir(parents=True)
    (folder / "all.yaml").write_text(ROUTE)
    mounted.write_text("Bearer sk-one")
    os.utime(mounted, (1_700_000_000, 1_700_000_000))
    translation = translate_files([folder], DirectorySecrets(tmp_path / "s"))
    status, credentials = StatusFile(tmp_path / "status.yaml"), CredentialStatus(translation.listeners, Remembered())

    def said() -> dict[str, Any]:
        credentials.look()
        assert status.write(translation, credentials) is None
        return condition(list(yaml.safe_load_all((tmp_path / "status.yaml").read_text())))

    first = said()
    shown = Secret("Bearer sk-one").fingerprint
    assert first["message"] == f"Authorization: fingerprint {shown}, since 2023-11-14T22:13:20Z"
    assert first["lastTransitionTime"] == "2023-11-14T22:13:20Z"
    stand = credentials.look()
    assert stand == ((shown, ""),)
    mounted.write_text("Bearer sk-two")
    os.utime(mounted, (1_700_000_100, 1_700_000_100))
    assert credentials.look() != stand
    second = said()
    assert second["message"].endswith(f"{Secret('Bearer sk-two').fingerprint}, since 2023-11-14T22:15:00Z")
    # The condition is as it was, so the time of its last change is (Kubernetes, Condition).
    assert second["lastTransitionTime"] == first["lastTransitionTime"]
    assert list(credentials.troubles()) == []
    mounted.unlink()
    assert said()["status"] == "False"
    assert list(credentials.troubles()) == [("default/bailian-route", "SecretUnavailable")]
    (sentence,) = credentials.missing()
    gone = f"secret file {mounted} cannot be read: No such file or directory"
    assert sentence == f"HTTPRoute default/bailian-route has no credential: {gone}"


def test_a_secret_among_the_manifests_is_as_old_as_it_is_known(tmp_path: Path) -> None:
    """Whoever looks again and again knows since when; a later load with the same key does not make it younger."""
    folder, file = tmp_path / "m", tmp_path / "status.yaml"
    folder.mkdir()
    controller, status, remembered = Controller([folder]), StatusFile(file), Remembered()

    def said(text: str) -> str:
        (folder / "all.yaml").write_text(text)
        translation = controller.look({})
        assert translation is not None
        credentials = CredentialStatus(translation.listeners, remembered)
        credentials.look()
        status.write(translation, credentials)
        message: str = condition(list(yaml.safe_load_all(file.read_text())))["message"]
        return message

    first = said(ALL)
    assert ", since " in first
    assert rfc3339(time.time())[:16] in first or rfc3339(time.time() - 60)[:16] in first
    assert said(changed("value: /v1", "value: /v2")) == first
    assert said(secret("Bearer sk-another")) != first
