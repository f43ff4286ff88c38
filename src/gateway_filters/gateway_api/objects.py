"""The Kubernetes objects of a set of files: read, validated, and found by kind and name.

Kinds of groups that are not ours are ignored, as in a cluster without a controller for them. A kind of
*our* groups that we do not read is refused: a policy that silently does nothing would be a hole.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway_filters.errors import ManifestError
from gateway_filters.gateway_api.documents import Document, Location, Place, shortened, subject
from gateway_filters.gateway_api.nodes import Value
from gateway_filters.gateway_api.resources import ENVOY_GROUP, GATEWAY_GROUP, KINDS, EndpointSlice, Resource

R = TypeVar("R", bound=Resource)

_OUR_GROUPS = frozenset((GATEWAY_GROUP, ENVOY_GROUP, "gateway.networking.x-k8s.io"))
_SERVICE_NAME = "kubernetes.io/service-name"
_CLUSTER_KINDS = frozenset(("GatewayClass", "Namespace"))
DEFAULT_NAMESPACE = "default"
# Of an object that is wrong from end to end nobody reads more.
_MOST_FAULTS = 20

Key = tuple[str, str, str, str]
"""Group, kind, namespace and name of an object."""

Question = tuple[type[Resource]] | tuple[str, str] | Key
"""What may be asked of the objects: all of a kind, the slices of a Service, the one under a key."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An object and the document it was read from."""

    resource: Resource
    document: Document
    key: Key = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", key_of(self.resource))

    @property
    def name(self) -> str:
        """Kind, namespace and name, as errors and logs show them."""
        return f"{self.resource.kind} {namespace_of(self.resource)}/{self.resource.metadata.name}".replace(" /", " ")


class Objects:
    """All objects that were read, by kind and name. Raises ``ManifestError`` for two of one name."""

    def __init__(self, loaded: Iterable[Loaded]) -> None:
        self._loaded: dict[Key, Loaded] = {}
        for each in loaded:
            earlier = self._loaded.setdefault(each.key, each)
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

    def noting(self, asked: set[Question]) -> "Objects":
        """The same objects, which note in ``asked`` what is looked for among them."""
        return _Noting(self, asked)

    def answer(self, question: Question) -> Sequence[Resource]:
        """What there is to a question."""
        match question:
            case (model,):
                return self._by_model.get(model, ())
            case (namespace, service):
                return self._slices.get((namespace, service), ())
            case key:
                each = self._loaded.get(key)
                return () if each is None else (each.resource,)

    def of(self, model: type[R]) -> list[R]:
        """All objects of a kind, in the order they were read."""
        self._note((model,))
        return cast("list[R]", self._by_model.get(model, []))

    def slices_of(self, namespace: str, service: str) -> list[EndpointSlice]:
        """The EndpointSlices of a Service."""
        self._note((namespace, service))
        return self._slices.get((namespace, service), [])

    def find(self, group: str, kind: str, namespace: str, name: str) -> Resource | None:
        """The object of that group, kind, namespace and name, or None."""
        self._note((group, kind, namespace, name))
        each = self._loaded.get((group, kind, namespace, name))
        return None if each is None else each.resource

    def _note(self, question: Question) -> None:
        """Somebody looks for something."""

    def written(self, value: dict[str, Value]) -> Resource | None:
        """The object that was read from the very same value, or None."""
        each = self._loaded.get(_written_key(value))
        # As text too: Python takes 1, 1.0 and true for equal.
        same = each is not None and each.document.value == value and repr(each.document.value) == repr(value)
        return each.resource if each is not None and same else None

    def document(self, resource: Resource) -> Document:
        """The document that an object was read from."""
        return self._loaded[key_of(resource)].document


class _Noting(Objects):
    """Shares the tables of some objects, and notes what is looked for."""

    def __init__(self, objects: Objects, asked: set[Question]) -> None:
        vars(self).update(vars(objects))
        self._asked = asked

    def _note(self, question: Question) -> None:
        self._asked.add(question)


def objects_in(document: Document, before: Objects | None = None) -> Iterator[Loaded]:
    """The objects of a document, those of kinds that nobody here reads left out.

    What ``before`` has as it is written now is not validated again. Raises ``ManifestError`` for what is no object
    or breaks its schema.
    """
    value = document.value
    if not isinstance(value, dict):
        raise ManifestError(f"{document.place()}: a manifest must be a mapping with apiVersion and kind")
    if value.get("kind") == "List" and value.get("apiVersion") == "v1":
        for each in _listed(document, value):
            yield from objects_in(each, before)
        return
    resource = _resource(document, before)
    if resource is not None:
        yield Loaded(resource, document)


def key_of(resource: Resource) -> Key:
    """What tells one object from all others."""
    group = resource.api_version.rpartition("/")[0]
    return (group, resource.kind, namespace_of(resource), resource.metadata.name)


def _written_key(value: dict[str, Value]) -> Key:
    """The key of what is written, as far as it is one; only what validates is known under its key."""
    metadata = value.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    version, kind = str(value.get("apiVersion")), str(value.get("kind"))
    namespace = "" if kind in _CLUSTER_KINDS else str(named.get("namespace") or DEFAULT_NAMESPACE)
    return (version.rpartition("/")[0], kind, namespace, str(named.get("name")))


def namespace_of(resource: Resource) -> str:
    """The object's namespace, where ``kubectl apply`` would put it; none for kinds that have none."""
    if resource.kind in _CLUSTER_KINDS:
        return ""
    return resource.metadata.namespace or DEFAULT_NAMESPACE


def _listed(document: Document, value: dict[str, Value]) -> Iterator[Document]:
    items = value.get("items") or []
    if not isinstance(items, list):
        raise fault(document, ("items",), "the items of a List must be a list")
    for index, item in enumerate(items):
        yield replace(document, value=item, inside=(*document.inside, "items", index))


def _resource(document: Document, before: Objects | None) -> Resource | None:
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
        raise fault(
            document, ("apiVersion",), f"{shortened(version)} is not served, only {_list(group, known.versions)}"
        )
    same = before and before.written(value)
    if same:
        return same
    try:
        return known.model.model_validate(value)
    except ValidationError as error:
        raise _invalid(document, error) from None


def _refuse_ours(document: Document, group: str, kind: str) -> None:
    if group in _OUR_GROUPS:
        raise fault(
            document, ("kind",), f"{group} {shortened(kind)} is not supported, and it would be wrong to ignore it"
        )


def _invalid(document: Document, error: ValidationError) -> ManifestError:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    # A name that is not known comes first: it is mostly the one that another complaint misses.
    found.sort(key=lambda each: each["type"] != "extra_forbidden")
    # What is said of a list with a fault in an item follows from that.
    above = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
    lines = [each for each in found if each["loc"] not in above]
    first, *others = (_told(document, each) for each in lines[:_MOST_FAULTS])
    first.others = tuple(dict.fromkeys(str(each) for each in others if str(each) != str(first)))
    return first


def _told(document: Document, line: ErrorDetails) -> ManifestError:
    location = line["loc"]
    if line["type"] == "extra_forbidden":
        return fault(document, location, "the field is not known", document.key_place(location))
    return fault(document, location, line["msg"])


def fault(document: Document, location: Location, sentence: str, place: Place | None = None) -> ManifestError:
    """The error about one value of an object, with its place."""
    value = document.value if isinstance(document.value, dict) else {}
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    about = subject(str(value.get("kind")), str(name) if name else None, location)
    return ManifestError(f"{place or document.place(location)}: {about}{sentence}")


def _list(group: str, versions: Iterable[str]) -> str:
    return " and ".join(f"{group}/{version}" if group else version for version in sorted(versions))
