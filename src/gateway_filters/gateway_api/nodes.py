"""YAML as nodes: what a plain scalar is taken for, how it is read, and the way from a node to those below.

Facts
- kubectl reads YAML 1.1, where ``on`` is true; timestamps and sexagesimal numbers are left as text here,
  as there (``22:22`` is not 1342).
- Tags name Python's or other languages' types: only those of JSON have a reader.
"""

import re
from collections.abc import Callable, Iterator
from typing import cast

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

_PREFIX = "tag:yaml.org,2002:"


class Loader(yaml.CSafeLoader):
    """Composes with the plain types of JSON only."""


def resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """By first character: which tag a plain scalar of that shape has."""
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for tag, pattern, beginnings in _PLAIN:
        for character in (*beginnings, *([""] if tag == "null" else [])):
            table.setdefault(character, []).append((_PREFIX + tag, re.compile(rf"(?:{pattern})\Z")))
    return table


# Shapes of YAML 1.1, without timestamps and sexagesimal numbers.
_PLAIN = (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o?[0-7]+", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
    ("null", r"~|null|Null|NULL|", "~nN"),
)
Loader.yaml_implicit_resolvers = resolvers()


def nodes_of(text: bytes) -> Iterator[Node]:
    """The root of each document; raises ``yaml.YAMLError``."""
    loader = Loader(text)
    try:
        while loader.check_node():
            yield cast("Node", loader.get_node())
    finally:
        loader.dispose()


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567"
    return int(text.replace("0", "0o", 1) if octal else text, 0)


def _boolean(text: str) -> bool:
    return text.lower() in ("yes", "true", "on")


def _nothing(text: str) -> None:
    del text


READERS: dict[str, Callable[[str], Value]] = {
    _PREFIX + name: read
    for name, read in {
        "str": str,
        "bool": _boolean,
        "int": _integer,
        "float": float,
        "null": _nothing,
        "map": str,
        "seq": str,
    }.items()
}
"""By tag: from the text of a scalar to its value, ``ValueError`` where it has none."""


def below(node: Node, step: str | int) -> Node | None:
    """The node under a key or index, or None."""
    if isinstance(node, MappingNode):
        return next((item for key, item in pairs(node) if key.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int):
        items = cast("list[Node]", node.value)
        return items[step] if step < len(items) else None
    return None


def below_all(node: Node | None, *steps: str | int) -> Node | None:
    """The node at the end of all steps, or None."""
    for step in steps:
        node = node and below(node, step)
    return node


def pairs(node: MappingNode) -> list[tuple[Node, Node]]:
    """Keys and values of a mapping."""
    return cast("list[tuple[Node, Node]]", node.value)
