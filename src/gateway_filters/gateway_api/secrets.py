"""Secret manifests as a store of secret sources."""

import base64
import os
from typing import NoReturn

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.loader import load
from gateway_filters.gateway_api.objects import Objects
from gateway_filters.gateway_api.resources import Secret as SecretResource
from gateway_filters.message.secret import SecretSource
from gateway_filters.secrets import MemorySecret, MissingSecret


def values_of(resource: SecretResource) -> dict[str, bytes]:
    """All values of a Secret manifest by their keys."""
    written = {key: text.encode("utf-8", "surrogatepass") for key, text in resource.string_data.items()}
    return {**{key: base64.b64decode(text) for key, text in resource.data.items()}, **written}


class ManifestSecrets:
    """A store of the Secrets among ``objects``; ``stringData`` wins over ``data``, as in the API server."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def __reduce__(self) -> NoReturn:
        raise TypeError("what Secrets hold is neither pickled nor copied")

    @classmethod
    def from_files(cls, *paths: str | os.PathLike[str]) -> "ManifestSecrets":
        """The Secrets in files and folders of manifests; raises ``ManifestError`` as ``Gateway`` does."""
        return cls(load(paths))

    def find(self, namespace: str, name: str, key: str) -> SecretSource | None:
        """The source of that key, None without the Secret.

        A Secret that lacks the key, or has a value there that no header can carry, is a source that has nothing.
        """
        resource = self._objects.find("", "Secret", namespace, name)
        if not isinstance(resource, SecretResource):
            return None
        field = "stringData" if key in resource.string_data else "data"
        try:
            return _source(resource, key) or MissingSecret(f"Secret {namespace}/{name} has no key {key}")
        except ConfigurationError as error:
            return MissingSecret(f"Secret {namespace}/{name}, {field}.{key}: {error}")


def _source(resource: SecretResource, key: str) -> SecretSource | None:
    if key in resource.string_data:
        return MemorySecret(resource.string_data[key], what="the credential")
    if key in resource.data:
        return MemorySecret(base64.b64decode(resource.data[key]), what="the credential")
    return None
