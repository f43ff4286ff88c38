"""The garbage collector while manifests are read and translated.

Nearly everything that is made then stays, so looking for garbage among it only takes time: half of it, with
ten thousand routes.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Generator[None]:
    """Pause the process's collector, if it is on, inside ``with``."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
