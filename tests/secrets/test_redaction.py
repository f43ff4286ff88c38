"""Everything public that holds a secret: no text, copy, pickle, JSON or traceback of it shows the value."""

import base64
import copy
import dataclasses
import json
import os
import pickle
import pprint
import traceback
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from gateway_filters import (
    APIKeyAuth,
    Backend,
    CachedSecret,
    CredentialInjection,
    DirectorySecret,
    DirectorySecrets,
    Endpoint,
    EnvSecret,
    Gateway,
    GatewayFiltersError,
    ManifestSecrets,
    MemorySecret,
    MemorySecrets,
    Route,
    Secret,
    VerifiedSecret,
    chain,
)
from gateway_filters.asgi.dispatch import no_route
from gateway_filters.routing import WeightedBackend
from gateway_filters.secrets.last_good import LastGood
from tracebacks import told_by

VALUE = "sk-live-not-a-real-key"
BAD = f"{VALUE}\nx: y"


async def _fetch() -> Secret:
    return Secret(VALUE)


async def _probe(secret: Secret) -> bool:
    return bool(secret)


def _file(folder: Path, value: str = VALUE) -> Path:
    (folder / "key").mkdir(exist_ok=True)
    (folder / "key" / "credential").write_text(value)
    return folder / "key"


def _manifest(folder: Path, value: str = VALUE) -> Path:
    file = folder / "secret.yaml"
    held = json.dumps(value)
    file.write_text(f"{{apiVersion: v1, kind: Secret, metadata: {{name: key}}, stringData: {{credential: {held}}}}}")
    return file


def _used(source: "MemorySecret | DirectorySecret | EnvSecret") -> object:
    source.current()
    return source


def _directory(folder: Path) -> object:
    return _used(DirectorySecret(_file(folder)))


def _environment(folder: Path) -> object:
    del folder
    os.environ["GATEWAY_FILTERS_TEST_KEY"] = VALUE
    return _used(EnvSecret("GATEWAY_FILTERS_TEST_KEY"))


def _last_good(folder: Path) -> object:
    del folder
    last = LastGood()
    last.renew(Secret(VALUE), 0)
    return last


def _verified(folder: Path) -> object:
    del folder
    source = VerifiedSecret(MemorySecret(VALUE), _probe)
    source.current()
    return source


def _gateway(folder: Path) -> object:
    del folder
    backend = Backend("b", (Endpoint("one.example", 80),))
    injecting = CredentialInjection(MemorySecret(VALUE))
    return Gateway([Route("r", filters=(injecting,), backends=(WeightedBackend(backend, 1),))])


HOLDERS: dict[str, Callable[[Path], object]] = {
    "Secret": lambda _: Secret(VALUE),
    "SecretState": lambda _: MemorySecret(VALUE).state(),
    "MemorySecret": lambda _: MemorySecret(VALUE),
    "MemorySecrets": lambda _: MemorySecrets({"key": VALUE}),
    "DirectorySecret": _directory,
    "DirectorySecrets": lambda folder: DirectorySecrets(_file(folder).parent),
    "EnvSecret": _environment,
    "LastGood": _last_good,
    "CachedSecret": lambda _: CachedSecret(_fetch),
    "VerifiedSecret": _verified,
    "ManifestSecrets": lambda folder: ManifestSecrets.from_files(_manifest(folder)),
    "CredentialInjection": lambda _: CredentialInjection(MemorySecret(VALUE)),
    "APIKeyAuth": lambda _: APIKeyAuth({"team": VALUE}),
    "FilteredApp": lambda _: chain(no_route, CredentialInjection(MemorySecret(VALUE))),
    "Gateway": _gateway,
}


def _variables(holder: object) -> str:
    return str(vars(holder))


EXITS: dict[str, Callable[[object], object]] = {
    "repr": repr,
    "str": str,
    "format": format,
    "in a container": lambda holder: repr([{"key": (holder,)}]),
    "pretty printing": pprint.pformat,
    "JSON": json.dumps,
    "JSON that falls back to str": lambda holder: json.dumps(holder, default=str),
    "JSON that falls back to variables": lambda holder: json.dumps(holder, default=_variables),
    "pickle": pickle.dumps,
    "copy": lambda holder: repr(copy.copy(holder)),
    "deep copy": lambda holder: repr(copy.deepcopy(holder)),
    "its fields": lambda holder: str(dataclasses.asdict(cast("Any", holder))),
    "its variables": lambda holder: repr(vars(holder)),
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setenv("GATEWAY_FILTERS_TEST_KEY", "")


def _shows(what: object) -> bool:
    """Whether eight characters of the value are in it, as they are, in base64 or percent-encoded."""
    text = what.decode("latin-1") if isinstance(what, bytes) else str(what)
    runs = {VALUE[at : at + 8] for at in range(len(VALUE) - 7)}
    coded = {base64.b64encode(VALUE[at:].encode()).decode()[:8] for at in range(3)} | {urllib.parse.quote(VALUE)}
    return any(each in text for each in runs | coded)


@pytest.mark.parametrize("leave", EXITS.values(), ids=EXITS)
@pytest.mark.parametrize("make", HOLDERS.values(), ids=HOLDERS)
def test_no_way_out_shows_the_value(
    make: Callable[[Path], object], leave: Callable[[object], object], tmp_path: Path
) -> None:
    """Each way either gives something without the value, or refuses without it."""
    holder = make(tmp_path)
    try:
        out = leave(holder)
    except (TypeError, ValueError, AttributeError) as error:
        # Without variables, since those of a copy half made cannot be printed.
        out = "".join(traceback.format_exception(error))
    assert not _shows(out)


def test_a_secret_is_stars() -> None:
    """What stands for the value wherever it is printed."""
    assert "***" in f"{Secret(VALUE)}" and "***" in repr(MemorySecret(VALUE)) and "***" in f"{Secret(VALUE):>40}"


def _bad_manifest(folder: Path) -> object:
    source = ManifestSecrets.from_files(_manifest(folder, BAD)).find("default", "key", "credential")
    assert source is not None
    return source.current()


REFUSALS: dict[str, Callable[[Path], object]] = {
    "Secret": lambda _: Secret(BAD),
    "MemorySecret": lambda _: MemorySecret(BAD),
    "MemorySecrets": lambda _: MemorySecrets({"good": VALUE, "key": BAD}),
    "DirectorySecret": lambda folder: DirectorySecret(_file(folder, BAD)).current(),
    "ManifestSecrets": _bad_manifest,
}


@pytest.mark.parametrize("make", REFUSALS.values(), ids=REFUSALS)
def test_no_frame_of_a_refusal_shows_the_value(make: Callable[[Path], object], tmp_path: Path) -> None:
    """A bad value is in no text of its error or of what led to it, and in no variable of a frame of ours."""
    with pytest.raises(GatewayFiltersError) as caught:
        make(tmp_path)
    assert not _shows(told_by(caught.value))
