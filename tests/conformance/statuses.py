"""What ``--status`` wrote: reading it, and whether it says what an assertion wants."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .cases import Condition, StatusAssertion, split_name

CONTROLLER = "gateway-filters/controller"
Manifest = dict[str, Any]
Key = tuple[str, str, str]
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Statuses:
    """The objects that the gateway has written, with their status."""

    def __init__(self, objects: Iterable[Manifest]) -> None:
        self._objects = {_key(each): each for each in objects}

    @classmethod
    def read(cls, file: Path) -> "Statuses":
        """The file's objects; none while there is no file, or only half of one."""
        try:
            return cls(load_manifests(file.read_text()))
        except (FileNotFoundError, yaml.YAMLError):
            return cls(())

    def get(self, kind: str, name: str) -> Manifest:
        """The object ``namespace/name``; empty while it has not been written."""
        return self._objects.get((kind, *split_name(name)), {})

    def wrong_conditions(self, kind: str, name: str, wanted: Iterable[Condition]) -> list[str]:
        """What is wrong with conditions of the object itself."""
        found = self.get(kind, name)
        holder: Manifest = found.get("status") or {}
        return [problem for each in wanted for problem in condition_complaints(holder, each, _generation(found))]

    def complaints(self, assertion: StatusAssertion) -> Iterator[str]:
        """What is not as asserted; nothing when some entry of the status is right in every part."""
        found = self.get(assertion.kind, assertion.name)
        entries = [entry for entry in _entries(found, assertion) if entry]
        problems = [list(_wrong(entry, assertion, _generation(found))) for entry in entries]
        if not problems:
            yield "has no such entry" if found else "has no status"
        else:
            yield from min(problems, key=len)


def load_manifests(text: str) -> list[Manifest]:
    """The objects of a text of several documents, or of Lists."""
    documents: list[Manifest] = [each for each in yaml.load_all(text, _LOADER) if each]
    return [each for document in documents for each in (document["items"] if _is_list(document) else [document])]


def condition_complaints(holder: Manifest, wanted: Condition, generation: int | None) -> Iterator[str]:
    """What is wrong with one condition of a status, a stale generation included."""
    conditions: list[Manifest] = holder.get("conditions") or []
    found = next((each for each in conditions if each["type"] == wanted.type), None)
    if found is None:
        yield f"no condition {wanted.type}"
    elif found["status"] != wanted.status or (wanted.reason and found.get("reason") != wanted.reason):
        reason = f"/{wanted.reason}" if wanted.reason else ""
        yield f"{wanted.type} is {found['status']}/{found.get('reason')} instead of {wanted.status}{reason}"
    elif found.get("observedGeneration") != generation:
        yield f"{wanted.type} is of generation {found.get('observedGeneration')} instead of {generation}"


def _is_list(document: Manifest) -> bool:
    return document.get("kind") == "List"


def _key(manifest: Manifest) -> Key:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def _generation(manifest: Manifest) -> int | None:
    return manifest.get("metadata", {}).get("generation")


def _entries(found: Manifest, assertion: StatusAssertion) -> list[Manifest]:
    status: Manifest = found.get("status") or {}
    if assertion.parent:
        return [each for each in status.get("parents") or () if _is_parent(each, assertion.parent)]
    if assertion.ancestor:
        name = assertion.ancestor.rpartition("/")[2]
        return [each for each in status.get("ancestors") or () if _ours(each) and each["ancestorRef"]["name"] == name]
    if assertion.listener:
        return [each for each in status.get("listeners") or () if each["name"] == assertion.listener]
    return [status]


def _ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("controllerName") == CONTROLLER


def _is_parent(entry: Mapping[str, Any], text: str) -> bool:
    """Whether the entry is for ``[ns/][ListenerSet/]name[#sectionName][:port]``; what is left out may be anything."""
    rest, _, port = text.partition(":")
    path, _, section = rest.partition("#")
    *places, name = path.split("/")
    wanted: dict[str, object] = {"name": name, "kind": "ListenerSet" if "ListenerSet" in places else "Gateway"}
    namespaces = [each for each in places if each != "ListenerSet"]
    wanted |= {"namespace": namespaces[0]} if namespaces else {}
    wanted |= {"sectionName": section} if section else {}
    wanted |= {"port": int(port)} if port else {}
    reference = {"kind": "Gateway", **entry["parentRef"]}
    return _ours(entry) and all(reference.get(key) == value for key, value in wanted.items())


def _wrong(entry: Manifest, assertion: StatusAssertion, generation: int | None) -> Iterator[str]:
    for wanted in assertion.conditions:
        yield from condition_complaints(entry, wanted, generation)
    attached = entry.get("attachedRoutes")
    if assertion.attachedRoutes is not None and attached != assertion.attachedRoutes:
        yield f"attachedRoutes is {attached} instead of {assertion.attachedRoutes}"
    kinds = sorted(each["kind"] for each in entry.get("supportedKinds") or ())
    if assertion.supportedKinds is not None and kinds != sorted(assertion.supportedKinds):
        yield f"supportedKinds is {kinds} instead of {sorted(assertion.supportedKinds)}"
