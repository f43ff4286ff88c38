"""Objects with their status as YAML, as ``kubectl get -o yaml`` shows them; of Secrets only fingerprints."""

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import yaml

from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.nodes import resolvers
from gateway_filters.gateway_api.objects import Loaded, key_of, namespace_of
from gateway_filters.gateway_api.resources import Secret
from gateway_filters.message.secret import fingerprint

Json = dict[str, Any]

# kubectl keeps a copy of the whole object here.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def with_status(translation: Translation) -> Iterator[Json]:
    """The objects that have a status, with it; Secrets have none and are not among them."""
    for each in translation.objects:
        if key_of(each.resource) in translation.statuses:
            yield shown(each, translation)


def shown(each: Loaded, translation: Translation) -> Json:
    """An object as it was given, with namespace, generation and, where it has one, its status."""
    written = each.document.value
    assert isinstance(written, dict)
    value: Json = {**written, "metadata": _metadata(each, written.get("metadata"), translation)}
    status = translation.statuses.get(key_of(each.resource))
    if status is not None:
        value["status"] = status
    return {**value, **_fingerprints(each.resource)} if isinstance(each.resource, Secret) else value


def as_yaml(values: Iterable[Json]) -> str:
    """``values`` as YAML documents."""
    return yaml.dump_all(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True)


def write_statuses(file: Path, translation: Translation) -> None:
    """Write the objects with their status to ``file``, all at once: a reader sees the old or the new."""
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(as_yaml(with_status(translation)))
    aside.replace(file)


def _metadata(each: Loaded, written: object, translation: Translation) -> Json:
    metadata: Json = dict(cast("Json", written)) if isinstance(written, dict) else {}
    if isinstance(each.resource, Secret) and metadata.get("annotations"):
        metadata["annotations"] = {
            name: text for name, text in metadata["annotations"].items() if name != _LAST_APPLIED
        }
    metadata["generation"] = translation.generations.get(key_of(each.resource), 1)
    if namespace_of(each.resource):
        metadata["namespace"] = namespace_of(each.resource)
    return metadata


def _fingerprints(secret: Secret) -> Json:
    data = {key: _fingerprint(base64.b64decode(text)) for key, text in secret.data.items()}
    plain = {key: _fingerprint(text.encode("utf-8", "surrogatepass")) for key, text in secret.string_data.items()}
    return {name: values for name, values in (("data", data), ("stringData", plain)) if values}


def _fingerprint(value: bytes) -> str:
    # Blanks round a credential are not sent, so they do not count.
    stripped = value.strip(b" \t\r\n")
    return f"fingerprint {fingerprint(stripped)}"


class _Dumper(yaml.CSafeDumper):
    """Writes each value out, since aliases are not for people, and quotes text that any reader takes for more."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _quoted() -> dict[str, list[Any]]:
    """What PyYAML takes for a number or a time, and what kubectl does."""
    table: dict[str, list[Any]] = {key: [*rows] for key, rows in yaml.CSafeDumper.yaml_implicit_resolvers.items()}
    for key, rows in resolvers().items():
        table.setdefault(key, []).extend(rows)
    return table


_Dumper.yaml_implicit_resolvers = _quoted()
