"""Writes a release's lock, bill of materials and sums beside its sdist and wheel: ``python -m release DIST``.

The lock is installed in an environment of its own, with ``--require-hashes``, and the bill is of what is there then.
What is not in the lock, or not in the bill, ends it.
"""

import json
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from release.bill import bill
from release.lock import lock, of_ours, pinned, sha256
from release.needed import installed, needed

NAME = "gateway-filters"
EXTRAS = ("standard",)
_TOOLS = {"pip", "setuptools"}  # what an environment begins with


def main(dist: Path) -> None:
    """Write all of it into ``dist``, in which there are one sdist and one wheel."""
    (wheel,) = dist.glob("*.whl")
    (source,) = dist.glob("*.tar.gz")
    version = wheel.name.split("-")[1]
    locked = dist / f"{NAME}-{version}.requirements.txt"
    text = lock(Path("pyproject.toml"), EXTRAS) + of_ours(NAME, version, (wheel, source))
    locked.write_text(text)
    with tempfile.TemporaryDirectory() as folder:
        present = _installed(Path(folder), locked, dist)
        (packages,) = Path(folder).glob("lib/*/site-packages")
        materials = needed(NAME, EXTRAS, installed(distributions(path=[str(packages)])))
        text_of_bill = bill(NAME, materials)
    versions = {name: each.version for name, each in materials.items()}
    if versions != present or any(pinned(text).get(name) != number for name, number in versions.items()):
        raise SystemExit(f"installed is {present}, needed is {versions}, locked is {pinned(text)}")
    (dist / f"{NAME}-{version}.cdx.json").write_text(text_of_bill)
    sums = [f"{sha256(each)}  {each.name}\n" for each in sorted(dist.iterdir()) if each.name != "SHA256SUMS"]
    (dist / "SHA256SUMS").write_text("".join(sums))


def _installed(folder: Path, locked: Path, dist: Path) -> dict[str, str]:
    """Versions by name, as pip lists them where the lock was installed and nothing else."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--quiet", "--require-hashes", "--find-links", str(dist), "-r", str(locked)], check=True
    )
    listed = subprocess.run([*pip, "list", "--format", "json"], check=True, capture_output=True, text=True).stdout
    versions = {canonicalize_name(each["name"]): each["version"] for each in json.loads(listed)}
    return {name: version for name, version in versions.items() if name not in _TOOLS}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
