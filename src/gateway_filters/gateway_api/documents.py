"""YAML files as documents: plain values, and for each of them its place in the file.

Facts
- PyYAML keeps the last of two equal keys silently; here they are refused, as kubectl's strict reading does.
- An alias names a value a second time, so a small file can mean a huge one: the values reached through
  aliases are counted. Tags name Python's or other languages' types and are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from sys import intern
from typing import cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.nodes import READERS, Loader, Value, below, below_all, nodes_of, pairs

Location = tuple[str | int, ...]
"""Keys and indices from the top of an object to one of its values."""

_MOST_ALIASED = 10_000
_DEEPEST = 100
_LONGEST_SAID = 253
# Indented or listed a hundred levels deep, if each level takes one character.
_MAYBE_DEEP = re.compile(rb"(?m)^ {100}|(?:[-?:] ){50}")
_STRANGE = "found character that cannot start any token"
_MARK = re.compile(rb"(?m)^(?=---)")


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
    """One YAML document, or an object inside one: its value, and the way back to its places.

    Nodes are not kept: they are many times as large as what they say, and only errors need them.
    """

    chunk: "Chunk"
    # Not shown: it may be a Secret's.
    value: Value = field(repr=False)
    index: int = 0
    inside: Location = ()

    def place(self, location: Location = ()) -> Place:
        """Where the value at ``location`` (keys and indices) stands, or the nearest one above that exists."""
        node = self._root
        for step in (*self.inside, *location):
            found = below(node, step)
            if found is None:
                break
            node = found
        return _place(self.chunk, node)

    def key_place(self, location: Location) -> Place:
        """Where the key of the value at ``location`` stands: for a key that should not be there."""
        parent = self._root
        for step in (*self.inside, *location[:-1]):
            parent = below(parent, step) or parent
        if isinstance(parent, MappingNode):
            for key, _ in pairs(parent):
                if key.value == location[-1]:
                    return _place(self.chunk, key)
        return self.place(location)

    @property
    def _root(self) -> Node:
        return _composed(self.chunk.text, self.index)


def subject(kind: str | None, name: str | None, location: Location) -> str:
    """What an error is about, ready to stand before its sentence: object and field, as far as they are known."""
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")
    thing = " ".join(shortened(part) for part in (kind, name) if part)
    words = ", ".join(part for part in (thing, shortened(field)) if part)
    return f"{words}: " if words else ""


def shortened(text: str) -> str:
    """A text out of a file as a sentence can hold it: no object may have a name that long."""
    return text if len(text) <= _LONGEST_SAID else f"{text[:_LONGEST_SAID]}..."


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text of one document of a file, and how many lines stand before it."""

    file: str
    text: bytes = field(repr=False)  # it may be a Secret's
    lines_before: int


def cut(file: str, text: bytes) -> Iterator[Chunk]:
    """A file's text cut at its document marks, so that documents can be read one by one, and again only when changed.

    A line that begins with ``---`` is a mark wherever it stands (YAML 1.1, 4.1.2).
    """
    before = 0
    for part in _MARK.split(text):
        if part.strip():
            yield Chunk(file, part, before)
        before += part.count(b"\n")


def read_documents(chunk: Chunk) -> Iterator[Document]:
    """The documents of a chunk, mostly one; empty ones are left out.

    Raises ``ManifestError``, naming file, line and column, for what is not YAML, a key that stands twice,
    a tag, and an alias bomb.
    """
    _refuse_deep(chunk)
    try:
        for index, node in enumerate(nodes_of(chunk.text)):
            value = _Reader(chunk, node).value()
            if value is not None:
                yield Document(chunk, value, index)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(chunk, error) from None
    except yaml.reader.ReaderError:
        place = Place(chunk.file, chunk.lines_before + 1, 1)
        raise ManifestError(f"{place}: not YAML: a character that YAML does not allow") from None


@lru_cache(maxsize=1)
def _composed(text: bytes, index: int) -> Node:
    """The node of a document that has been read; several places of one are asked for in a row.

    What stands behind it may not be YAML, and is not looked at.
    """
    return next(islice(nodes_of(text), index, None))


def _refuse_deep(chunk: Chunk) -> None:
    """Composing nests as deep as the text does, and would end the process: its events are counted first.

    Only for a text that could be deep at all, since that is reading it twice.
    """
    if not _MAYBE_DEEP.search(chunk.text) and chunk.text.count(b"[") + chunk.text.count(b"{") < _DEEPEST:
        return
    depth = 0
    try:
        for event in yaml.parse(chunk.text, Loader=Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                where = Place(chunk.file, chunk.lines_before + 1, 1)
                raise ManifestError(f"{where}: nested deeper than {_DEEPEST} levels")
    except yaml.YAMLError:
        return  # composing says what it is, and where


def _not_yaml(chunk: Chunk, error: yaml.MarkedYAMLError) -> ManifestError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    where = Place(chunk.file, chunk.lines_before + line + 1, column + 1)
    # Only the parser's own words: its context would quote the file, which may hold a Secret.
    why = error.problem or error.context
    if why == _STRANGE and _at(chunk.text, line, column) == b"\t":
        why = "a tab, where only blanks may indent"
    return ManifestError(f"{where}: not YAML: {why}")


def _at(text: bytes, line: int, column: int) -> bytes:
    """The byte at a place counted from 0, nothing where there is none; what stands before it on its line is ASCII."""
    lines = text.split(b"\n")
    return lines[line][column : column + 1] if line < len(lines) else b""


class _Reader:
    """Makes values of nodes, keeping count of what aliases repeat, and of where it is."""

    def __init__(self, chunk: Chunk, root: Node) -> None:
        self._chunk = chunk
        self._root = root
        self._path: list[str | int] = []
        self._seen: set[int] = set()
        self._aliased = 0

    def value(self) -> Value:
        """The value of the root."""
        return self._value(self._root)

    def _value(self, node: Node) -> Value:
        self._count(node)
        read = READERS.get(node.tag)
        if read is None:
            raise self._error(node, f"tag {node.tag} is not allowed")
        if isinstance(node, MappingNode):
            return self._mapping(node)
        if isinstance(node, SequenceNode):
            return [self._below(index, item) for index, item in enumerate(cast("list[Node]", node.value))]
        try:
            return read(cast("str", node.value))
        except ValueError:
            raise self._error(node, f"the value does not fit its tag {node.tag}") from None

    def _below(self, step: str | int, node: Node) -> Value:
        self._path.append(step)
        value = self._value(node)
        self._path.pop()
        return value

    def _mapping(self, node: MappingNode) -> Value:
        value: dict[str, Value] = {}
        for key, item in pairs(node):
            if not isinstance(key, ScalarNode):
                raise self._error(key, "a key must be text")
            # The same few keys stand in all manifests.
            name = intern(str(key.value))
            if name in value:
                self._path.append(name)
                raise self._error(key, "the key stands twice in one mapping")
            value[name] = self._below(name, item)
        return value

    def _count(self, node: Node) -> None:
        if len(self._path) > _DEEPEST:
            self._path.clear()
            raise self._error(node, f"nested deeper than {_DEEPEST} levels")
        self._aliased += id(node) in self._seen
        self._seen.add(id(node))
        if self._aliased > _MOST_ALIASED:
            self._path.clear()
            raise self._error(node, f"more than {_MOST_ALIASED} values through aliases")

    def _error(self, node: Node, sentence: str) -> ManifestError:
        texts = [below_all(self._root, *steps) for steps in (("kind",), ("metadata", "name"))]
        kind, name = (str(text.value) if isinstance(text, ScalarNode) else None for text in texts)
        return ManifestError(f"{_place(self._chunk, node)}: {subject(kind, name, tuple(self._path))}{sentence}")


def _place(chunk: Chunk, node: Node) -> Place:
    return Place(chunk.file, chunk.lines_before + node.start_mark.line + 1, node.start_mark.column + 1)
