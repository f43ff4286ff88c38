"""The Kubernetes objects of a set of files: read, validated, and found by kind and name.

Kinds of groups that are not ours are ignored, as in a cluster without a controller for them. A kind of
*our* groups that we do not read is refused: a policy that silently does nothing would be a hole.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from pydantic import ValidationError

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.collector import collector_paused
from gateway_filters.gateway_api.documents import (
    Chunk,
    Document,
    Location,
    Place,
    Value,
    read_chunks,
    read_documents,
    subject,
)
from gateway_filters.gateway_api.resources import ENVOY_GROUP, GATEWAY_GROUP, KINDS, EndpointSlice, Resource

R = TypeVar("R", bound=Resource)

_OUR_GROUPS = frozenset((GATEWAY_GROUP, ENVOY_GROUP, "gateway.networking.x-k8s.io"))
_SERVICE_NAME = "kubernetes.io/service-name"
_ENDINGS = (".yaml", ".yml", ".json")
_CLUSTER_KINDS = frozenset(("GatewayClass", "Namespace"))
DEFAULT_NAMESPACE = "default"

Key = tuple[str, str, str, str]
"""Group, kind, namespace and name of an object."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An object and the document it was read from."""

    resource: Resource
    document: Document

    @property
    def name(self) -> str:
        """Kind, namespace and name, as errors and logs show them."""
        return f"{self.resource.kind} {namespace_of(self.resource)}/{self.resource.metadata.name}".replace(" /", " ")


class Objects:
    """All objects that were read, by kind and name. Raises ``ManifestError`` for two of one name."""

    def __init__(self, loaded: Iterable[Loaded]) -> None:
        self._loaded: dict[Key, Loaded] = {}
        for each in loaded:
            earlier = self._loaded.setdefault(key_of(each.resource), each)
            if earlier is not each:
                raise ManifestError(
                    f"{each.document.place()}: {each.name} is defined twice, first at {earlier.document.place()}"
                )

        self._by_model: dict[type[Resource], list[Resource]] = {}
        for each in self._loaded.values():
            self._by_model.setdefault(type(each.resource), []).append(each.resource)
        self._slices: dict[tuple[str, str], list[EndpointSlice]] = {}
        for each in self.of(EndpointSlice):
            service = each.metadata.labels.get(_SERVICE_NAME, "")
            self._slices.setdefault((namespace_of(each), service), []).append(each)

    def __iter__(self) -> Iterator[Loaded]:
        """All objects with their documents, in the order they were read."""
        return iter(self._loaded.values())

    def of(self, model: type[R]) -> list[R]:
        """All objects of a kind, in the order they were read."""
        return cast("list[R]", self._by_model.get(model, []))

    def slices_of(self, namespace: str, service: str) -> list[EndpointSlice]:
        """The EndpointSlices of a Service."""
        return self._slices.get((namespace, service), [])

    def find(self, group: str, kind: str, namespace: str, name: str) -> Resource | None:
        """The object of that group, kind, namespace and name, or None."""
        each = self._loaded.get((group, kind, namespace, name))
        return None if each is None else each.resource

    def place(self, resource: Resource, *location: str | int) -> Place:
        """Where a value of an object stands in its file."""
        return self._loaded[key_of(resource)].document.place(location)

    def error(self, resource: Resource, location: Location, sentence: str) -> ManifestError:
        """An error about one value of an object, with its place."""
        return _error(self._loaded[key_of(resource)].document, location, sentence)


def load(paths: Iterable[str | os.PathLike[str]]) -> Objects:
    """The objects in ``paths``: files, and folders with their YAML and JSON files (not those further down).

    Raises ``ManifestError`` at the first thing that cannot be read or breaks its schema.
    """
    return Loader(paths).load()


class Loader:
    """Reads a set of files again and again; what has not changed since is not parsed again."""

    def __init__(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        self._paths = tuple(paths)
        self._chunks: dict[Chunk, tuple[Loaded, ...]] = {}
        self._objects: Objects | None = None

    def load(self) -> Objects:
        """All objects as the files are now, the very same ones while nothing has changed.

        Raises ``ManifestError`` as ``load`` does.
        """
        chunks: dict[Chunk, tuple[Loaded, ...]] = {}
        with collector_paused():
            for file in _files(self._paths):
                for chunk in read_chunks(file):
                    known = self._chunks.get(chunk)
                    chunks[chunk] = tuple(_loaded(chunk)) if known is None else known
        if self._objects is None or chunks.keys() != self._chunks.keys():
            self._objects = Objects(each for loaded in chunks.values() for each in loaded)
            self._chunks = chunks
        return self._objects


def _loaded(chunk: Chunk) -> Iterator[Loaded]:
    for document in read_documents(chunk):
        yield from _objects(document)


def key_of(resource: Resource) -> Key:
    """What tells one object from all others."""
    group = resource.api_version.rpartition("/")[0]
    return (group, resource.kind, namespace_of(resource), resource.metadata.name)


def namespace_of(resource: Resource) -> str:
    """The object's namespace, where ``kubectl apply`` would put it; none for kinds that have none."""
    if resource.kind in _CLUSTER_KINDS:
        return ""
    return resource.metadata.namespace or DEFAULT_NAMESPACE


def _files(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            # A mounted ConfigMap's folder holds hidden links to its versions beside the files.
            yield from sorted(each for each in path.iterdir() if each.suffix in _ENDINGS and each.name[0] != ".")
        else:
            yield path


def _objects(document: Document) -> Iterator[Loaded]:
    value = document.value
    if not isinstance(value, dict):
        raise ManifestError(f"{document.place()}: a manifest must be a mapping with apiVersion and kind")
    if value.get("kind") == "List" and value.get("apiVersion") == "v1":
        yield from _listed(document, value)
        return
    resource = _resource(document)
    if resource is not None:
        yield Loaded(resource, document)


def _listed(document: Document, value: dict[str, Value]) -> Iterator[Loaded]:
    items = value.get("items") or []
    if not isinstance(items, list):
        raise _error(document, ("items",), "the items of a List must be a list")
    nodes = cast("list[tuple[object, object]]", document.node.value)
    node = next((item for key, item in nodes if getattr(key, "value", None) == "items"), None)
    for item, item_node in zip(items, getattr(node, "value", []), strict=True):
        yield from _objects(Document(document.chunk, item, item_node))


def _resource(document: Document) -> Resource | None:
    value = cast("dict[str, Value]", document.value)
    version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        raise ManifestError(f"{document.place()}: a manifest must have apiVersion and kind, both text")
    group, _, served = version.rpartition("/")
    known = KINDS.get((group, kind))
    if known is None:
        _refuse_ours(document, group, kind)
        return None
    if served not in known.versions:
        raise _error(document, ("apiVersion",), f"{version} is not served, only {_list(group, known.versions)}")
    try:
        return known.model.model_validate(value)
    except ValidationError as error:
        raise _invalid(document, error) from None


def _refuse_ours(document: Document, group: str, kind: str) -> None:
    if group in _OUR_GROUPS:
        raise _error(document, ("kind",), f"{group} {kind} is not supported, and it would be wrong to ignore it")


def _invalid(document: Document, error: ValidationError) -> ManifestError:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    # A name that is not known comes first: it is mostly the one that another complaint misses.
    first = min(found, key=lambda each: each["type"] != "extra_forbidden")
    location = first["loc"]
    if first["type"] == "extra_forbidden":
        return _error(document, location, "the field is not known", document.key_place(location))
    return _error(document, location, first["msg"])


def _error(document: Document, location: Location, sentence: str, place: Place | None = None) -> ManifestError:
    value = document.value if isinstance(document.value, dict) else {}
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    about = subject(str(value.get("kind")), str(name) if name else None, location)
    return ManifestError(f"{place or document.place(location)}: {about}{sentence}")


def _list(group: str, versions: Iterable[str]) -> str:
    return " and ".join(f"{group}/{version}" if group else version for version in sorted(versions))
