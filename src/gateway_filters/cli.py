"""The command ``gateway-filters``."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway_filters.asgi.dispatch import no_route
from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.load import translate_files
from gateway_filters.runner import Runner, run
from gateway_filters.secrets import DirectorySecrets
from gateway_filters.serving import Reached, Serving
from gateway_filters.upstream import Clocks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with ``arguments`` (without the program's name); gives the exit code."""
    parser = argparse.ArgumentParser("gateway-filters", description="Gateway API manifests as an ASGI gateway.")
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser("check", help="read manifests and say what is wrong with them")
    check.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder of manifests")
    check.set_defaults(run=_check)
    add(commands)
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


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public name for it
    """Add the command's arguments."""
    parser = commands.add_parser("run", help="serve what the manifests say, and follow their changes")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder of manifests")
    parser.add_argument("--host", default="127.0.0.1", help="the address of Gateways that name none")
    parser.add_argument("--status", type=Path, metavar="FILE", help="write the objects with their status here")
    parser.add_argument("--secrets", metavar="DIR", help="mounted Secrets, DIR/<secret>/<key>")
    parser.set_defaults(run=execute)


def execute(options: argparse.Namespace) -> int:
    """Serve; 0 after SIGTERM, 2 when the manifests cannot be served at all."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpcore", "uvicorn", "watchfiles"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    runner = Runner(
        options.paths,
        Serving(Reached(None, None, Clocks()), no_route),
        host=options.host,
        status=options.status,
        secrets=DirectorySecrets(options.secrets) if options.secrets else None,
    )
    return run(runner)


if __name__ == "__main__":
    sys.exit(main())
