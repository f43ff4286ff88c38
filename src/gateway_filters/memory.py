"""What a process has of memory, and the most that it may have, where Linux tells.

Facts
- ``ulimit -v`` bounds the address space (RLIMIT_AS); what goes beyond it fails. A container's limit is that of its
  cgroup (version 2) or of one above; who goes beyond it is killed.
- A cgroup is charged for pages of files, too, which the kernel takes back before it kills anybody (``inactive_file``).
- Either limit can change while the process runs, as when Kubernetes resizes a container in place.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROCESS = Path("/proc/self")
_CGROUPS = Path("/sys/fs/cgroup")
# From where on it is worth knowing what the kernel could take back: reading that takes it a while.
_CLOSE = 0.75


@dataclass(frozen=True, slots=True)
class Share:
    """``used`` bytes of at most ``limit``, which is infinite where there is none."""

    used: int
    limit: float


Shares = dict[str, Share]
"""By what is limited."""


class Memory:
    """The memory of the process that ``process`` shows, in the tree of ``cgroups``.

    Gives nothing where a system shows neither.
    """

    def __init__(self, process: Path = _PROCESS, cgroups: Path = _CGROUPS) -> None:
        self._statm = process / "statm"
        self._groups = [each for each in _lineage(process / "cgroup", cgroups) if (each / "memory.max").is_file()]

    def shares(self) -> Shares:
        """How it stands now."""
        found = {str(group): share for group in self._groups if (share := _of_group(group)) is not None}
        try:
            pages = int(self._statm.read_text().split()[0])
        except OSError:
            return found
        return {**found, "address space": Share(pages * os.sysconf("SC_PAGE_SIZE"), _most_addresses())}


def _most_addresses() -> float:
    import resource  # noqa: PLC0415 - not on every system, but where there is /proc

    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    return math.inf if most == resource.RLIM_INFINITY else most


def _lineage(listed: Path, mount: Path) -> Iterator[Path]:
    """The process's cgroup and those above it, as far as ``mount`` shows them."""
    try:
        lines = listed.read_text().splitlines()
    except OSError:
        return
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    group = mount / os.path.normpath(own).lstrip("/")
    while group.is_relative_to(mount):
        yield group
        group = group.parent


def _of_group(group: Path) -> Share | None:
    try:
        most = (group / "memory.max").read_text().strip()
        limit = math.inf if most == "max" else int(most)
        used = int((group / "memory.current").read_text())
        if used > _CLOSE * limit:
            used -= _reclaimable(group)
    except (OSError, ValueError):
        return None  # it is being taken away, or is not what we know
    return Share(used, limit)


def _reclaimable(group: Path) -> int:
    lines = (group / "memory.stat").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
