"""Stores: from the name a manifest gives a secret to the source that has it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gateway_filters.errors import ConfigurationError
from gateway_filters.message.secret import SecretSource
from gateway_filters.secrets.directory import DirectorySecret
from gateway_filters.secrets.folder import DirectoryFolder
from gateway_filters.secrets.last_good import MAX_STALE
from gateway_filters.secrets.memory import MemorySecret


class SecretStore(Protocol):
    """Where manifests' references to Secrets are looked up."""

    def find(self, namespace: str, name: str, key: str) -> SecretSource | None:
        """The source of ``key`` in the Secret ``namespace/name``; None when this store knows no such Secret."""
        ...


class MemorySecrets:
    """A store of values, or of other sources, by the Secret's name.

    Keys are ``name`` (namespace ``default``) or ``namespace/name``. A value, text or bytes, is that of every
    key of its Secret; a ``SecretSource`` is used as it is. Raises ``ConfigurationError`` for a bad value.
    """

    def __init__(self, secrets: Mapping[str, str | bytes | SecretSource]) -> None:
        made = {_qualified(name): _source(name, value) for name, value in secrets.items()}
        # A traceback may print the variables of its frames.
        del secrets
        for each in made.values():
            if isinstance(each, str):
                raise ConfigurationError(each)
        self._sources = {name: each for name, each in made.items() if not isinstance(each, str)}

    def find(self, namespace: str, name: str, key: str) -> SecretSource | None:
        """The Secret's source, whatever the key."""
        del key
        return self._sources.get(f"{namespace}/{name}")


class DirectorySecrets:
    """A store over a directory of mounted Secrets: ``directory/<secret>/<key>``.

    A mounted Secret belongs to one namespace, and so does the store: references from others find nothing.
    ``max_stale`` is for how many seconds a file that cannot be read for now is used on.
    """

    def __init__(self, directory: str | Path, *, namespace: str = "default", max_stale: float = MAX_STALE) -> None:
        self._directory = Path(directory)
        self._namespace = namespace
        self._max_stale = max_stale

    def find(self, namespace: str, name: str, key: str) -> SecretSource | None:
        """The file of that Secret and key, which need not exist yet; None for a name that leads elsewhere."""
        if namespace != self._namespace or "/" in name or name.startswith("."):
            return None
        return DirectorySecret(self._directory / name, key, max_stale=self._max_stale)

    def folder(self, namespace: str, name: str) -> DirectoryFolder | None:
        """All files of that Secret, which need not exist yet; None for a name that leads elsewhere."""
        if namespace != self._namespace or "/" in name or name.startswith("."):
            return None
        return DirectoryFolder(self._directory / name)


def _qualified(name: str) -> str:
    return name if "/" in name else f"default/{name}"


def _source(name: str, value: str | bytes | SecretSource) -> SecretSource | str:
    """The source, or what is wrong with the value: an error would keep this frame, which holds it."""
    try:
        return MemorySecret(value, what=f"Secret {name}") if isinstance(value, (str, bytes)) else value
    except ConfigurationError as error:
        return str(error)
