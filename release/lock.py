"""The lock: versions and hashes of all that is installed with a release, as pip reads it with ``--require-hashes``."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_PINNED = re.compile(r"^([a-z0-9-]+)==([^ ;\\]+)", re.MULTILINE)

_OLDEST = "3.11"


def lock(project: Path, extras: Iterable[str]) -> str:
    """What ``project`` needs with ``extras``, on every system and Python from the oldest on, as uv resolves it now."""
    asked = [part for each in extras for part in ("--extra", each)]
    command = [sys.executable, "-m", "uv", "pip", "compile", str(project), *asked, "--universal", "--generate-hashes"]
    told = ["--python-version", _OLDEST, "--no-header", "--no-annotate", "--quiet"]
    return subprocess.run([*command, *told], check=True, capture_output=True, text=True).stdout


def of_ours(name: str, version: str, files: Iterable[Path]) -> str:
    """The line for the release itself, which must have hashes, too."""
    hashes = [f"    --hash=sha256:{sha256(each)}" for each in files]
    return " \\\n".join([f"{name}=={version}", *hashes]) + "\n"


def sha256(file: Path) -> str:
    """What a file's contents are told by."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def pinned(text: str) -> dict[str, str]:
    """The versions of a lock by name."""
    return dict(_PINNED.findall(text))
