"""The garbage collector while manifests are read and translated.

Nearly everything that is made then stays, so looking for garbage among it only takes time: half of it, with
ten thousand routes.
"""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def collector_paused(*, keep: bool = False) -> Generator[None]:
    """Pause the process's collector, if it is on, inside ``with``.

    With ``keep`` it never again looks at what there is in the end: a look at ten thousand routes stops everything for
    half a second. What nobody refers to any more goes in any case, unless it refers to itself.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if keep:
                gc.freeze()
            gc.enable()
