"""The command ``gateway-filters``."""

import argparse
import sys
from collections.abc import Sequence

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.load import translate_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with ``arguments`` (without the program's name); gives the exit code."""
    parser = argparse.ArgumentParser("gateway-filters", description="Gateway API manifests as an ASGI gateway.")
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser("check", help="read manifests and say what is wrong with them")
    check.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder of manifests")
    check.set_defaults(run=_check)
    options = parser.parse_args(arguments)
    return options.run(options)


def _check(options: argparse.Namespace) -> int:
    """0 when all is well, 1 when something cannot be served as written, 2 when a file cannot be read."""
    try:
        translation = translate_files(options.paths)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for problem in translation.problems:
        sys.stderr.write(f"{problem}\n")
    count = sum(len(listener.routes) for listener in translation.listeners)
    sys.stdout.write(f"{count} routes, {len(translation.problems)} problems\n")
    return 1 if translation.problems else 0


if __name__ == "__main__":
    sys.exit(main())
