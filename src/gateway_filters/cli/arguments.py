"""Arguments that commands have in common, and what they do with them."""

import argparse
import sys
from math import inf
from typing import Any

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.load import Translation, translate_files
from gateway_filters.message.client import is_address
from gateway_filters.routing import Socket
from gateway_filters.secrets import DirectorySecrets

_HIGHEST_PORT = 65535

Commands = Any
"""What subparsers are added to; argparse has no public name for it."""


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Add the manifests."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder of manifests")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="a host (or *.wildcard) that Backends of type DynamicResolver may reach; may be given again",
    )
    parser.add_argument(
        "--forward-header",
        action="append",
        metavar="NAME",
        help="of clients' headers only this goes where a credential is injected; may be given again",
    )
    parser.add_argument("--secrets", metavar="DIR", help="mounted Secrets, DIR/<secret>/<key>")


def secrets_of(options: argparse.Namespace) -> DirectorySecrets | None:
    """The store of mounted Secrets, where one is named."""
    return DirectorySecrets(options.secrets) if options.secrets else None


def place(text: str) -> Socket:
    """An argument ``HOST:PORT``, or a port of this machine alone; the host is an address or ``localhost``."""
    host, _, port = text.rpartition(":")
    address = "127.0.0.1" if host in ("", "localhost") else host.removeprefix("[").removesuffix("]")
    if not is_address(address) or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT of an address and a port")
    return address, int(port)


def seconds(text: str) -> float:
    """An argument that is a time; none is below 0 or endless."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return number


def read(options: argparse.Namespace) -> Translation:
    """The manifests' meaning, their problems told on stderr.

    Raises ``ManifestError`` for what cannot be read, and where there is nothing to read: the path will be wrong.
    """
    translation = translate_files(
        options.paths, secrets_of(options), dynamic_hosts=options.allow_host, forwarded=options.forward_header
    )
    if not any(translation.objects):
        raise ManifestError(f"{', '.join(options.paths)}: there is no manifest of a kind that is read here")
    for problem in translation.problems:
        sys.stderr.write(f"{problem}\n")
    return translation
