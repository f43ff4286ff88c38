"""The command, with a window in it: on SIGUSR1 it writes what the process holds to the file in ``SOAK_WINDOW``.

``SOAK_POOLS`` limits connections to endpoints and the queues for them, for which the command has no option.
"""

import asyncio
import json
import os
import signal
import sys
import weakref
from pathlib import Path

from gateway_filters.cli import main
from gateway_filters.upstream.pool import Pool

_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()
_made = Pool.__init__
_pair = json.loads(os.environ.get("SOAK_POOLS", "null"))
_limits: dict[str, object] = {} if _pair is None else {"limit": _pair[0], "queue": _pair[1]}


def _noted(pool: Pool, *arguments: object, **named: object) -> None:
    named |= _limits
    _made(pool, *arguments, **named)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    _pools.add(pool)


def _tell(*_: object) -> None:
    told = {
        "tasks": len(asyncio.all_tasks()),
        "active": sum(pool.active for pool in _pools),
        "idle": sum(pool.idle for pool in _pools),
    }
    window = Path(os.environ["SOAK_WINDOW"])
    aside = window.with_suffix(".aside")
    aside.write_text(json.dumps(told))
    aside.replace(window)


if __name__ == "__main__":
    Pool.__init__ = _noted  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, _tell)
    sys.exit(main(sys.argv[1:]))
