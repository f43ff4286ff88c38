"""The garbage collector: while manifests are read and translated, and while requests are served.

Nearly everything that is made of manifests stays, so looking for garbage among it only takes time: half of it, with
ten thousand routes. And while it looks, everything stands still.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager

_LITTLE = (5_000, 4, 1_000_000)
_RARELY = (50_000, 20, 20)


@contextmanager
def collector_paused(*, keep: bool = False) -> Generator[None]:
    """Pause the process's collector, if it is on, inside ``with``.

    With ``keep`` it never looks at what there is in the end: what nobody refers to any more goes in any case, unless
    it refers to itself. So it is for the beginning, when there are no connections yet.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if keep:
            gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def collector_brief() -> Generator[None]:
    """Have the process's collector look at little at once inside ``with``, so that nobody else waits for long."""
    before = gc.get_threshold()
    gc.set_threshold(*_LITTLE)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def collector_rare() -> None:
    """Have the process's collector look rarely from now on; for a process that is a gateway and nothing else.

    A request leaves nothing to it, but Python's defaults have it look after every 700 objects: every thirty requests,
    which costs a sixth of all their time.
    """
    gc.set_threshold(*_RARELY)
