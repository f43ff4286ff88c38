"""Objects with their status as YAML, as ``kubectl get -o yaml`` shows them; of Secrets only fingerprints."""

import base64
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import yaml

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.credential_status import CredentialStatus
from gateway_filters.gateway_api.files import is_manifest
from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.nodes import resolvers
from gateway_filters.gateway_api.objects import Key, Loaded, namespace_of
from gateway_filters.gateway_api.resources import Secret
from gateway_filters.message.secret import fingerprint

Json = dict[str, Any]

# kubectl keeps a copy of the whole object here.
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def all_shown(translation: Translation) -> Iterator[Json]:
    """All objects as they were given, with namespace, generation and, where they have one, their status now."""
    credentials = CredentialStatus(translation.listeners)
    credentials.look()
    for each in translation.objects:
        status = translation.statuses.get(each.key)
        yield _with_status(each, translation, None if status is None else credentials.told(each.resource, status))


def as_yaml(values: Iterable[Json]) -> str:
    """``values`` as YAML documents."""
    return yaml.dump_all(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True)


class StatusFile:
    """A file for the objects with their status, all at once: a reader sees the old or the new.

    Of objects that have not changed the text is kept. Raises ``ConfigurationError`` when it would be read as one of the
    manifests in ``paths``.
    """

    def __init__(self, file: Path, paths: Iterable[str | os.PathLike[str]] = ()) -> None:
        if is_manifest(file.name) and file.parent.resolve() in [Path(path).resolve() for path in paths]:
            raise ConfigurationError(f"{file} would be read as a manifest: the status needs another place or ending")
        self._file = file
        self._texts: dict[Key, tuple[Loaded, Json, str]] = {}
        self._wrong: str | None = None

    def write(self, translation: Translation, credentials: CredentialStatus) -> str | None:
        """Write, with what the last look at the translation's ``credentials`` has found.

        Gives a sentence when that fails, once for as long as it fails in the same way.
        """
        texts = {
            each.key: self._text(each, translation, credentials)
            for each in translation.objects
            if each.key in translation.statuses
        }
        self._texts = texts
        before, self._wrong = self._wrong, self._replaced("".join(text for _, _, text in texts.values()))
        return None if self._wrong == before else self._wrong

    def _text(self, each: Loaded, translation: Translation, credentials: CredentialStatus) -> tuple[Loaded, Json, str]:
        known = self._texts.get(each.key)
        status = credentials.told(each.resource, translation.statuses[each.key])
        if known is not None and known[0] is each and (known[1] is status or known[1] == status):
            return known
        return each, status, as_yaml([_with_status(each, translation, status)])

    def _replaced(self, text: str) -> str | None:
        # What a link leads to is replaced, not the link.
        file = Path(os.path.realpath(self._file))
        aside = file.with_name(f".{file.name}.new")
        try:
            if file.exists() and not file.is_file():
                return f"cannot write the status to {self._file}: it is not a regular file"
            aside.write_text(text)
            aside.replace(file)
        except OSError as error:
            with suppress(OSError):
                aside.unlink()
            return f"cannot write the status to {self._file}: {error.strerror}"
        return None


def _with_status(each: Loaded, translation: Translation, status: Json | None) -> Json:
    written = each.document.value
    assert isinstance(written, dict)
    value: Json = {**written, "metadata": _metadata(each, written.get("metadata"), translation)}
    if status is not None:
        value["status"] = status
    return {**value, **_fingerprints(each.resource)} if isinstance(each.resource, Secret) else value


def _metadata(each: Loaded, written: object, translation: Translation) -> Json:
    metadata: Json = dict(cast("Json", written)) if isinstance(written, dict) else {}
    if isinstance(each.resource, Secret) and metadata.get("annotations"):
        metadata["annotations"] = {
            name: text for name, text in metadata["annotations"].items() if name != _LAST_APPLIED
        }
    metadata["generation"] = translation.generations.get(each.key, 1)
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
