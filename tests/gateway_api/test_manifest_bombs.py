"""Manifests made to explode are refused, soon and in little memory, by name and without being quoted."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.loader import load

LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 20)
)
HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
NUMBER = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: %s}]}\n"
MEGA = 1024 * 1024


def _larger(file: Path) -> None:
    # Nothing of it is written, and nothing is to be read.
    with file.open("wb") as opened:
        opened.truncate(1024 * MEGA)


def _of(text: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(text)


BOMBS = {
    "laughter without end": (_of(LAUGHS), "through aliases"),
    "one long text a million times": (_of(f"a: &a {'x' * MEGA}\nb: [{', '.join(['*a'] * 100_000)}]\n"), "aliases"),
    "a field of a megabyte": (_of(HEAD % "a" + f"{'x' * MEGA}: 1\n"), "not known|not YAML"),
    "an alias in itself": (_of("a: &a {b: *a}\n"), "nested deeper than 100 levels"),
    "merges of merges": (_of("a: &a {x: 1}\nb: {<<: *a, <<: *a}\n"), "stands twice|not allowed|must be"),
    "brackets in brackets": (_of("a: " + "[" * 100_000 + "]" * 100_000), "nested deeper than 100 levels"),
    "braces in braces": (_of("a: " + "{a: " * 100_000), "nested deeper than 100 levels|not YAML"),
    "blocks in blocks": (_of("".join(" " * depth + "a:\n" for depth in range(2_000))), "nested deeper than 100 levels"),
    "a file of a gigabyte": (_larger, "larger than 67108864 bytes"),
    "a name of a megabyte": (_of(HEAD % ("x" * MEGA)), "metadata.name"),
    "a kind of a megabyte": (_of(f"apiVersion: gateway.networking.k8s.io/v1\nkind: {'x' * MEGA}\n"), "not supported"),
    "a number of a megabyte": (_of(NUMBER % ("9" * MEGA)), "port"),
}


@pytest.mark.parametrize(("write", "why"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused(tmp_path: Path, write: Callable[[Path], object], why: str) -> None:
    """A second or two, some tens of megabytes, and one short sentence."""
    file = tmp_path / "bomb.yaml"
    write(file)
    began = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(ManifestError, match=why) as caught:
            load([file])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < 20
    assert peak < 64 * MEGA
    assert str(caught.value).startswith(f"{file}:")
    assert len(str(caught.value)) < 1000


def test_what_is_merely_long_is_read(tmp_path: Path) -> None:
    """A ConfigMap may hold a megabyte (Kubernetes), and a bundle of authorities is long."""
    file = tmp_path / "long.yaml"
    file.write_text(HEAD % "long" + f"data: {{ca.crt: {'x' * MEGA}}}\n")
    (each,) = load([file])
    assert each.name == "ConfigMap default/long"
