"""``gateway-filters run``: serve what the manifests say, and follow their changes."""

import argparse
from pathlib import Path

from gateway_filters.asgi.dispatch import no_route
from gateway_filters.cli import log
from gateway_filters.cli.arguments import Commands, add_paths, place, seconds, secrets_of
from gateway_filters.cli.limits import add_limits, limits_of, upstream_limits_of
from gateway_filters.doors import Doors
from gateway_filters.gateway_api.controller import Controller
from gateway_filters.gateway_api.status_file import StatusFile
from gateway_filters.readiness import Readiness
from gateway_filters.reporter import Reporter
from gateway_filters.runner import Runner, run
from gateway_filters.serving import Reached, Serving


def register(commands: Commands) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("run", help="serve what the manifests say, and follow their changes")
    add_paths(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address of Gateways that name none")
    parser.add_argument(
        "--allow-unauthenticated",
        action="store_true",
        help="serve routes that inject a credential to whoever reaches them, also beyond this machine",
    )
    parser.add_argument(
        "--deny-private",
        action=argparse.BooleanOptionalAction,
        help="connect to public addresses alone where a name leads to others, too; without a word from you that holds"
        " for the names that clients choose under a wildcard of --allow-host",
    )
    parser.add_argument("--status", type=Path, metavar="FILE", help="write the objects with their status here")
    add_limits(parser)
    _add_ends(parser)
    parser.set_defaults(run=execute)


def execute(options: argparse.Namespace) -> int:
    """Serve; 0 after SIGTERM, 1 when requests had to be cut then, 2 when the manifests cannot be served at all."""
    log.begin()
    _leave_no_core()
    controller = Controller(
        options.paths,
        secrets=secrets_of(options),
        host=options.host,
        dynamic_hosts=options.allow_host,
        forwarded=options.forward_header,
        allow_unauthenticated=options.allow_unauthenticated,
        needs_secrets=options.missing_secrets == "refuse",
    )
    limits = upstream_limits_of(options)
    serving = Serving(Reached(None, None, limits, limits.connections, deny_private=options.deny_private), no_route)
    status = StatusFile(options.status, options.paths) if options.status else None
    reporter = Reporter(status, options.ready, Readiness(complete=options.missing_secrets == "ready"))
    doors = Doors(serving, limits_of(options), drain=options.drain)
    return run(Runner(options.paths, controller, serving, doors, reporter, pre_drain=options.pre_drain))


def _add_ends(parser: argparse.ArgumentParser) -> None:
    """Add what concerns the beginning and the end, and who is told of them."""
    parser.add_argument("--ready", type=place, metavar="HOST:PORT", help="tell at /ready there whether it is ready")
    parser.add_argument(
        "--missing-secrets",
        choices=("unready", "ready", "refuse"),
        default="unready",
        help="what to be at the start while credentials are missing: not ready, ready all the same, or not to start",
    )
    parser.add_argument(
        "--pre-drain", type=seconds, default=5.0, metavar="SECONDS", help="how long to serve on after SIGTERM"
    )
    parser.add_argument(
        "--drain", type=int, default=60, metavar="SECONDS", help="how long requests under way have at the end"
    )


def _leave_no_core() -> None:
    """A core file would hold every key."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
