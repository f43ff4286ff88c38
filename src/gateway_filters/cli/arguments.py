"""Arguments that commands have in common, and what they do with them."""

import argparse
import sys
from typing import Any

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.load import Translation, translate_files
from gateway_filters.secrets import DirectorySecrets

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
