"""``gateway-filters check``: what became of each object, as a table or as the objects with their status."""

import argparse
import json
import sys
from collections.abc import Iterator

from gateway_filters.cli.arguments import Commands, add_paths, read
from gateway_filters.cli.table import table
from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.objects import Loaded, key_of, namespace_of
from gateway_filters.gateway_api.status import Json
from gateway_filters.gateway_api.status_file import all_shown, as_yaml

_HEAD = ("KIND", "NAME", "ACCEPTED", "RESOLVED", "PROGRAMMED", "ATTACHED", "REASON")
_TOLD = ("Accepted", "ResolvedRefs", "Programmed")
# Conditions that say something bad when they hold.
_NEGATIVE = frozenset(("Conflicted", "PartiallyInvalid"))


def register(commands: Commands) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("check", help="read manifests and say what is wrong with them")
    add_paths(parser)
    parser.add_argument(
        "-o", dest="output", choices=("table", "yaml", "json"), default="table", help="how the objects are shown"
    )
    parser.set_defaults(run=execute)


def execute(options: argparse.Namespace) -> int:
    """0 when all is accepted, 1 when something is not."""
    translation = read(options)
    untold = list(_untold(translation))
    for sentence in untold:
        sys.stderr.write(f"{sentence}\n")
    sys.stdout.write(_output(translation, options.output))
    return 1 if untold or not all(each.advice for each in translation.problems) else 0


def _output(translation: Translation, form: str) -> str:
    if form == "table":
        return table(_HEAD, [_row(each, translation) for each in translation.objects])
    values = list(all_shown(translation))
    if form == "yaml":
        return as_yaml(values)
    listed = {"apiVersion": "v1", "kind": "List", "items": values}
    return json.dumps(listed, indent=2, ensure_ascii=False) + "\n"


def _row(each: Loaded, translation: Translation) -> tuple[str, ...]:
    namespace = namespace_of(each.resource)
    name = each.resource.metadata.name
    status = translation.statuses.get(key_of(each.resource), {})
    conditions = list(_conditions(status))
    reasons = dict.fromkeys(condition["reason"] for condition in conditions if _is_bad(condition))
    return (
        each.resource.kind,
        f"{namespace}/{name}" if namespace else name,
        *(_standing(conditions, kind) for kind in _TOLD),
        ",".join(_attached(status)) or "-",
        ",".join(reasons) or "-",
    )


def _standing(conditions: list[Json], kind: str) -> str:
    """True or False as all of a kind say, how many of them hold where they differ, ``-`` where none says so."""
    held = [condition["status"] == "True" for condition in conditions if condition["type"] == kind]
    if held and any(held) != all(held):
        return f"{sum(held)}/{len(held)}"
    return str(all(held)) if held else "-"


def _conditions(status: Json) -> Iterator[Json]:
    """The conditions of an object and of its listeners, parents or ancestors."""
    yield from status.get("conditions", ())
    for part in ("listeners", "parents", "ancestors"):
        for each in status.get(part, ()):
            yield from each["conditions"]


def _is_bad(condition: Json) -> bool:
    return (condition["status"] == "True") == (condition["type"] in _NEGATIVE)


def _attached(status: Json) -> Iterator[str]:
    """A Gateway's routes by listener; of a route or policy the parents that accept it."""
    for listener in status.get("listeners", ()):
        yield f"{listener['name']}:{listener['attachedRoutes']}"
    for part, reference in (("parents", "parentRef"), ("ancestors", "ancestorRef")):
        for each in status.get(part, ()):
            if not any(_is_bad(condition) for condition in each["conditions"] if condition["type"] == "Accepted"):
                yield each[reference]["name"]


def _untold(translation: Translation) -> Iterator[str]:
    """What a status says against an object and no problem does, as sentences with their places."""
    told = {sentence for problem in translation.problems for sentence in _tails(str(problem))}
    for each in translation.objects:
        for condition in _conditions(translation.statuses.get(key_of(each.resource), {})):
            message = condition["message"] or condition["reason"]
            # The rules that are dropped are problems of their own.
            if _is_bad(condition) and message not in told and condition["type"] != "PartiallyInvalid":
                yield f"{each.document.place(('spec',))}: {each.name}: {condition['type']}: {message}"


def _tails(problem: str) -> Iterator[str]:
    """What comes after each colon: the last words of a problem are a condition's message."""
    parts = problem.split(": ")
    return (": ".join(parts[cut:]) for cut in range(1, len(parts)))
