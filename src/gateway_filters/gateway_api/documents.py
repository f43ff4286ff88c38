"""YAML files as documents: plain values, and for each of them its place in the file.

Facts
- kubectl reads YAML 1.1, where ``on`` is true; timestamps and sexagesimal numbers are left as text here,
  as there (``22:22`` is not 1342).
- PyYAML keeps the last of two equal keys silently; here they are refused, as kubectl's strict reading does.
- An alias names a value a second time, so a small file can mean a huge one: the values reached through
  aliases are counted. Tags name Python's or other languages' types and are refused.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway_filters.errors import ManifestError

Location = tuple[str | int, ...]
"""Keys and indices from the top of an object to one of its values."""

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

_LARGEST_FILE = 64 * 1024 * 1024
_MOST_ALIASED = 10_000
_DEEPEST = 100
# Indented or listed a hundred levels deep, if each level takes one character.
_MAYBE_DEEP = re.compile(rb"(?m)^ {100}|(?:[-?:] ){50}")
_MARK = re.compile(rb"(?m)^(?=---)")
_PREFIX = "tag:yaml.org,2002:"


class _Loader(yaml.CSafeLoader):
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
_Loader.yaml_implicit_resolvers = resolvers()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its value, and its nodes for the places."""

    chunk: "Chunk"
    # Not shown: they may be a Secret's.
    value: Value = field(repr=False)
    node: Node = field(repr=False)

    def place(self, location: Sequence[str | int] = ()) -> Place:
        """Where the value at ``location`` (keys and indices) stands, or the nearest one above that exists."""
        node = self.node
        for step in location:
            below = _below(node, step)
            if below is None:
                break
            node = below
        return _place(self.chunk, node)

    def key_place(self, location: Sequence[str | int]) -> Place:
        """Where the key of the value at ``location`` stands: for a key that should not be there."""
        parent = self.node
        for step in location[:-1]:
            parent = _below(parent, step) or parent
        if isinstance(parent, MappingNode):
            for key, _ in _pairs(parent):
                if key.value == location[-1]:
                    return _place(self.chunk, key)
        return self.place(location)


def subject(kind: str | None, name: str | None, location: Location) -> str:
    """What an error is about, ready to stand before its sentence: object and field, as far as they are known."""
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")
    thing = " ".join(part for part in (kind, name) if part)
    words = ", ".join(part for part in (thing, field) if part)
    return f"{words}: " if words else ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text of one document of a file, and how many lines stand before it."""

    file: str
    text: bytes = field(repr=False)  # it may be a Secret's
    lines_before: int


def read_chunks(file: Path) -> Iterator[Chunk]:
    """A file cut at its document marks, so that documents can be read one by one, and again only when changed.

    A line that begins with ``---`` is a mark wherever it stands (YAML 1.1, 4.1.2). Raises ``ManifestError`` for
    a file that cannot be read.
    """
    before = 0
    for text in _MARK.split(_text(file)):
        if text.strip():
            yield Chunk(str(file), text, before)
        before += text.count(b"\n")


def read_documents(chunk: Chunk) -> Iterator[Document]:
    """The documents of a chunk, mostly one; empty ones are left out.

    Raises ``ManifestError``, naming file, line and column, for what is not YAML, a key that stands twice,
    a tag, and an alias bomb.
    """
    _refuse_deep(chunk)
    loader = _Loader(chunk.text)
    try:
        while loader.check_node():
            node = cast("Node", loader.get_node())
            value = _Reader(chunk, node).value(node, ())
            if value is not None:
                yield Document(chunk, value, node)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(chunk, error) from None
    except yaml.reader.ReaderError:
        place = Place(chunk.file, chunk.lines_before + 1, 1)
        raise ManifestError(f"{place}: not YAML: a character that YAML does not allow") from None
    finally:
        loader.dispose()


def _refuse_deep(chunk: Chunk) -> None:
    """Composing nests as deep as the text does, and would end the process: its events are counted first.

    Only for a text that could be deep at all, since that is reading it twice.
    """
    if not _MAYBE_DEEP.search(chunk.text) and chunk.text.count(b"[") + chunk.text.count(b"{") < _DEEPEST:
        return
    depth = 0
    try:
        for event in yaml.parse(chunk.text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                where = Place(chunk.file, chunk.lines_before + 1, 1)
                raise ManifestError(f"{where}: nested deeper than {_DEEPEST} levels")
    except yaml.YAMLError:
        return  # composing says what it is, and where


def _text(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise ManifestError(f"{file}:1:1: larger than {_LARGEST_FILE} bytes")
        return file.read_bytes()
    except OSError as error:
        raise ManifestError(f"{file}: cannot be read: {error.strerror}") from error


def _not_yaml(chunk: Chunk, error: yaml.MarkedYAMLError) -> ManifestError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    where = Place(chunk.file, chunk.lines_before + line + 1, column + 1)
    # Only the parser's own words: its context would quote the file, which may hold a Secret.
    return ManifestError(f"{where}: not YAML: {error.problem or error.context}")


class _Reader:
    """Makes values of nodes, keeping count of what aliases repeat."""

    def __init__(self, chunk: Chunk, root: Node) -> None:
        self._chunk = chunk
        self._root = root
        self._seen: set[int] = set()
        self._aliased = 0

    def value(self, node: Node, location: Location) -> Value:
        self._count(node, location)
        if not node.tag.startswith(_PREFIX) or node.tag[len(_PREFIX) :] not in _READERS:
            raise self._error(node, location, f"tag {node.tag} is not allowed")
        if isinstance(node, MappingNode):
            return self._mapping(node, location)
        if isinstance(node, SequenceNode):
            items = cast("list[Node]", node.value)
            return [self.value(item, (*location, index)) for index, item in enumerate(items)]
        return self._scalar(cast("ScalarNode", node), location)

    def _mapping(self, node: MappingNode, location: Location) -> Value:
        value: dict[str, Value] = {}
        for key, item in _pairs(node):
            if not isinstance(key, ScalarNode):
                raise self._error(key, location, "a key must be text")
            name = str(key.value)
            if name in value:
                raise self._error(key, (*location, name), "the key stands twice in one mapping")
            value[name] = self.value(item, (*location, name))
        return value

    def _count(self, node: Node, location: Location) -> None:
        if len(location) > _DEEPEST:
            raise self._error(node, (), f"nested deeper than {_DEEPEST} levels")
        self._aliased += id(node) in self._seen
        self._seen.add(id(node))
        if self._aliased > _MOST_ALIASED:
            raise self._error(node, (), f"more than {_MOST_ALIASED} values through aliases")

    def _scalar(self, node: ScalarNode, location: Location) -> Value:
        try:
            return _READERS[node.tag[len(_PREFIX) :]](str(node.value))
        except ValueError:
            raise self._error(node, location, f"the value does not fit its tag {node.tag}") from None

    def _error(self, node: Node, location: Location, sentence: str) -> ManifestError:
        texts = [_below_all(self._root, *steps) for steps in (("kind",), ("metadata", "name"))]
        kind, name = (str(text.value) if isinstance(text, ScalarNode) else None for text in texts)
        return ManifestError(f"{_place(self._chunk, node)}: {subject(kind, name, location)}{sentence}")


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567"
    return int(text.replace("0", "0o", 1) if octal else text, 0)


def _boolean(text: str) -> bool:
    return text.lower() in ("yes", "true", "on")


def _nothing(text: str) -> None:
    del text


_READERS: dict[str, Callable[[str], Value]] = {
    "str": str,
    "bool": _boolean,
    "int": _integer,
    "float": float,
    "null": _nothing,
    "map": str,
    "seq": str,
}


def _below(node: Node, step: str | int) -> Node | None:
    if isinstance(node, MappingNode):
        return next((item for key, item in _pairs(node) if key.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int):
        items = cast("list[Node]", node.value)
        return items[step] if step < len(items) else None
    return None


def _below_all(node: Node | None, *steps: str | int) -> Node | None:
    for step in steps:
        node = node and _below(node, step)
    return node


def _pairs(node: MappingNode) -> list[tuple[Node, Node]]:
    return cast("list[tuple[Node, Node]]", node.value)


def _place(chunk: Chunk, node: Node) -> Place:
    return Place(chunk.file, chunk.lines_before + node.start_mark.line + 1, node.start_mark.column + 1)
