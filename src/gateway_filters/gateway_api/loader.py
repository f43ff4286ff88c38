"""Files into objects, again and again: what has not changed since is not read again."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.documents import Chunk, cut, read_documents
from gateway_filters.gateway_api.files import Content, read_files
from gateway_filters.gateway_api.objects import Loaded, Objects, objects_in


def load(paths: Iterable[str | os.PathLike[str]]) -> Objects:
    """The objects in ``paths``: files, and folders with their YAML and JSON files (not those further down).

    Raises ``ManifestError`` at the first thing that cannot be read or breaks its schema.
    """
    return Loader(paths, once=True).load()


class Loader:
    """Reads a set of files again and again, of those that have changed only the documents that have.

    A state that looks like an edit under way is refused, so that whoever serves the last one goes on: a file that
    held objects and is empty now, and paths in which nothing is left. To take away what a file says, delete it.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]], *, once: bool = False) -> None:
        self._paths = tuple(os.fspath(path) for path in paths)
        self._once = once
        self._contents: dict[str, Content] = {}
        self._files: dict[str, _File] = {}
        self._objects: Objects | None = None

    def load(self) -> Objects:
        """All objects as the files are now, the very same ones while nothing has changed.

        Raises ``ManifestError`` as ``load`` does, and for what looks like an edit under way.
        """
        self._contents = dict(read_files(self._paths, self._contents, once=self._once))
        files = {file: self._read(file, content.text) for file, content in self._contents.items()}
        if self._objects is None or not _same(files, self._files):
            self._refuse_nothing(files)
            self._objects = Objects(each for file in files.values() for each in file.objects())
            self._files = files
        return self._objects

    def forget(self) -> None:
        """Read all files at the next load, also those that look as they did."""
        self._contents = {}

    def _read(self, file: str, text: bytes) -> "_File":
        known = self._files.get(file)
        if known is not None and known.text == text:
            return known
        before = {chunk.text: (chunk, loaded) for chunk, loaded in known.chunks} if known else {}
        chunks = tuple((chunk, self._loaded(chunk, before.get(chunk.text))) for chunk in cut(file, text))
        if known and _holds(known) and _says_nothing(text):
            raise ManifestError(f"{file}: it is empty, as an edit under way is; to take its objects away, delete it")
        return _File(text, chunks)

    def _loaded(self, chunk: Chunk, known: tuple[Chunk, tuple[Loaded, ...]] | None) -> tuple[Loaded, ...]:
        if known is None:
            documents = read_documents(chunk)
            return tuple(each for document in documents for each in objects_in(document, self._objects))
        before, loaded = known
        if before.lines_before == chunk.lines_before:
            return loaded
        # The objects stay what they are; only their places have moved.
        return tuple(replace(each, document=replace(each.document, chunk=chunk)) for each in loaded)

    def _refuse_nothing(self, files: "dict[str, _File]") -> None:
        if any(map(_holds, self._files.values())) and not any(map(_holds, files.values())):
            raise ManifestError(f"{', '.join(self._paths)}: no manifest is left, as while a folder is being replaced")


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was read."""

    text: bytes = field(repr=False)  # it may be a Secret's
    chunks: tuple[tuple[Chunk, tuple[Loaded, ...]], ...]

    def objects(self) -> Iterator[Loaded]:
        return (each for _, loaded in self.chunks for each in loaded)


def _holds(file: _File) -> bool:
    return any(file.objects())


def _says_nothing(text: bytes) -> bool:
    return all(not line.strip() or line.startswith((b"#", b"---")) for line in text.splitlines())


def _same(one: dict[str, _File], other: dict[str, _File]) -> bool:
    # By identity: comparing contents would compare everything that was read from them.
    return list(one) == list(other) and all(one[file] is other[file] for file in one)
