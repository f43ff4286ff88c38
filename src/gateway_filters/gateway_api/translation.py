"""What a translation works with: the objects, the secrets, and a list of what it could not do."""

from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError, ManifestError
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.objects import Objects, namespace_of
from gateway_filters.gateway_api.resources import Resource
from gateway_filters.gateway_api.secrets import ManifestSecrets
from gateway_filters.message.secret import SecretSource
from gateway_filters.secrets import MissingSecret, SecretStore


@dataclass(frozen=True)
class Context:
    """The objects to translate, where their Secrets are, and the problems found on the way."""

    objects: Objects
    store: SecretStore | None = None
    problems: list[str] = field(default_factory=list[str])

    def problem(self, resource: Resource, location: Location, sentence: str) -> str:
        """Note something that does not stop the gateway; gives the sentence, for the route it concerns."""
        text = str(self.objects.error(resource, location, sentence))
        if text not in self.problems:
            self.problems.append(text)
        return sentence

    def refused(self, resource: Resource, location: Location, error: ConfigurationError) -> ManifestError:
        """The error for a value that a filter or match cannot be made of."""
        return self.objects.error(resource, location, str(error))

    def secret(self, namespace: str, name: str, key: str) -> SecretSource:
        """The source of a Secret's key: among the manifests, else in the store, else one that has nothing."""
        found = ManifestSecrets(self.objects).find(namespace, name, key)
        if found is None and self.store is not None:
            found = self.store.find(namespace, name, key)
        return found or MissingSecret(f"Secret {namespace}/{name} does not exist")


def qualified(resource: Resource) -> str:
    """The object's namespace and name."""
    return f"{namespace_of(resource)}/{resource.metadata.name}"
