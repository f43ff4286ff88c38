"""Objects with their status as YAML, as ``kubectl get -o yaml`` shows them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.objects import key_of, namespace_of

Json = dict[str, Any]


def with_status(translation: Translation) -> Iterator[Json]:
    """The objects that have a status, with it; Secrets have none and are not among them."""
    for each in translation.objects:
        status = translation.statuses.get(key_of(each.resource))
        value = each.document.value
        if status is None or not isinstance(value, dict):
            continue
        written = value.get("metadata")
        metadata: Json = {
            **(written if isinstance(written, dict) else {}),
            "generation": translation.generations.get(key_of(each.resource), 1),
        }
        if namespace_of(each.resource):
            metadata["namespace"] = namespace_of(each.resource)
        yield {**value, "metadata": metadata, "status": status}


def write_statuses(file: Path, translation: Translation) -> None:
    """Write the objects with their status to ``file``, all at once: a reader sees the old or the new."""
    text = yaml.dump_all(with_status(translation), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(text)
    aside.replace(file)


class _Dumper(yaml.CSafeDumper):
    """Writes each value out: a status is read by people, and aliases are not."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True
