"""``gateway-filters explain``: what would happen to a request, without sending it."""

import argparse
import sys

from gateway_filters.cli.arguments import Commands, add_paths, read
from gateway_filters.explanation import asked, explain
from gateway_filters.explanation.text import as_json, as_text


def register(commands: Commands) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("explain", help="say what would happen to a request; nothing is sent")
    add_paths(parser)
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("url", metavar="URL", help="http://host[:port]/path or ws://…, as a client calls it")
    parser.add_argument("-H", dest="headers", metavar="'NAME: VALUE'", action="append", default=[], help="a header")
    parser.add_argument("--client", default="127.0.0.1", metavar="ADDRESS", help="the address that it comes from")
    parser.add_argument("-o", dest="output", choices=("text", "json"), default="text")
    parser.set_defaults(run=execute)


def execute(options: argparse.Namespace) -> int:
    """0: whatever would happen, it is explained."""
    request = asked(options.method, options.url, options.headers, options.client)
    explanation = explain(read(options).listeners, request)
    render = as_json if options.output == "json" else as_text
    sys.stdout.write(f"{render(explanation)}\n")
    return 0
