"""The command ``gateway-filters``: one file for each of its commands."""

import argparse
import sys
from collections.abc import Sequence

from gateway_filters.cli import check, explain, routes, run
from gateway_filters.errors import ConfigurationError, ManifestError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with ``arguments`` (without the program's name); gives the exit code.

    2 is for what cannot be read or understood at all, with a sentence on stderr, and one more for each other fault of
    the same object.
    """
    parser = argparse.ArgumentParser("gateway-filters", description="Gateway API manifests as an ASGI gateway.")
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (run, check, explain, routes):
        command.register(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except ConfigurationError as error:
        others = error.others if isinstance(error, ManifestError) else ()
        sys.stderr.writelines(f"{each}\n" for each in (error, *others))
        return 2
