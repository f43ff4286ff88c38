"""The command, with everything that its loggers have to say in the file that ``TALKATIVE`` names, beside stderr."""

import logging
import os
import sys
from typing import Any

from gateway_filters.cli import main

_configure = logging.basicConfig


def _talk(**named: Any) -> None:
    _configure(**named)
    root = logging.getLogger()
    for handler in root.handlers:
        handler.setLevel(named["level"])
    root.addHandler(logging.FileHandler(os.environ["TALKATIVE"]))
    root.setLevel(logging.DEBUG)


def run() -> int:
    """The command, with the arguments of this process."""
    logging.basicConfig = _talk
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
