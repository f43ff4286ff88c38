"""``gateway-filters routes``: all matches in the order in which they win."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from gateway_filters.cli.arguments import Commands, add_paths, read
from gateway_filters.cli.table import table
from gateway_filters.explanation.door import asked_in_all
from gateway_filters.explanation.redaction import Redaction
from gateway_filters.explanation.words import filter_words, hostname_words, match_words, percent
from gateway_filters.matching.hostname import precedence
from gateway_filters.routing import Listener, Route, RouteTable, ranks
from gateway_filters.steps import Stage, credentials, steps

_HEAD = ("HOST", "MATCH", "ROUTE", "FILTERS", "BACKENDS")


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend of a route, its weight among those of its rank, and the filters that only its requests meet."""

    name: str
    weight: int
    filters: tuple[str, ...]
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A match with what happens to the requests that it takes."""

    hostname: str | None
    match: str
    route: str
    filters: tuple[str, ...]
    backends: tuple[Backend, ...]


def register(commands: Commands) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("routes", help="list all matches in the order in which they win")
    add_paths(parser)
    parser.add_argument("-o", dest="output", choices=("table", "json"), default="table")
    parser.set_defaults(run=execute)


def execute(options: argparse.Namespace) -> int:
    """0: all matches are listed that there are."""
    listeners = sorted(read(options).listeners, key=lambda each: (each.port, precedence(each.hostname), each.name))
    sys.stdout.write(_as_json(listeners) if options.output == "json" else "\n".join(map(_as_table, listeners)))
    return 0


def rows(listener: Listener) -> Iterator[Row]:
    """The matches of a listener by precedence."""
    redaction = Redaction.of([listener])
    for route in RouteTable(listener.routes).routes:
        filters = tuple(_steps(route, redaction))
        backends = tuple(_backends(route, redaction))
        yield Row(route.hostname, match_words(route.match, redaction), route.name, filters, backends)


def _backends(route: Route, redaction: Redaction) -> Iterator[Backend]:
    first, fallbacks = ranks(route.backends)
    for each in (*first, *fallbacks):
        injected = (filter_words(step, redaction) for step in credentials(route, each))
        filters = (*_steps(each, redaction), *injected)
        yield Backend(each.backend.name, each.weight, filters, fallback=each in fallbacks)


def _steps(stage: Stage, redaction: Redaction) -> Iterator[str]:
    before, after = steps(stage)
    yield from (filter_words(each, redaction) for each in before)
    if isinstance(stage, Route) and stage.security is not None:
        yield f"SecurityPolicy({', '.join((stage.security.name, *asked_in_all(stage.security)))})"
    yield from (f"ExternalAuth({each.backend.name})" for each in stage.auth)
    yield from (filter_words(each, redaction) for each in after)
    yield from (f"RequestMirror({each.backend.name}, {percent(each.share)})" for each in stage.mirrors)


def _as_json(listeners: Sequence[Listener]) -> str:
    listed = [
        {
            "listener": each.name,
            "protocol": each.protocol,
            "port": each.port,
            "hostname": each.hostname,
            "matches": [asdict(row) for row in rows(each)],
        }
        for each in listeners
    ]
    return json.dumps(listed, indent=2, ensure_ascii=False) + "\n"


def _as_table(listener: Listener) -> str:
    title = f"{listener.name} ({listener.protocol}, port {listener.port}, host {hostname_words(listener.hostname)})\n"
    return title + table(_HEAD, [_cells(row) for row in rows(listener)])


def _cells(row: Row) -> tuple[str, ...]:
    own = (step for backend in row.backends for step in backend.filters)
    names = dict.fromkeys(step.partition("(")[0] for step in (*row.filters, *own))
    weighted = len(row.backends) > 1
    backends = (f"{each.name} ({_share(each)})" if weighted else each.name for each in row.backends)
    return (hostname_words(row.hostname), row.match, row.route, ", ".join(names) or "-", ", ".join(backends) or "-")


def _share(backend: Backend) -> str:
    return f"fallback {backend.weight}" if backend.fallback else str(backend.weight)
