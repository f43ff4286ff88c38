"""What a translation works with: the objects, the secrets, the outside world, and what it could not do."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway_filters.gateway_api.documents import Document, Location
from gateway_filters.gateway_api.objects import Key, Objects, fault, key_of, namespace_of
from gateway_filters.gateway_api.resources import ConfigMap, Resource, Secret
from gateway_filters.gateway_api.secrets import ManifestSecrets
from gateway_filters.message.secret import SecretSource
from gateway_filters.message.text import header_name
from gateway_filters.routing import Socket
from gateway_filters.secrets import MissingSecret, SecretStore


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not stop the gateway, as a sentence with file:line:column when it is told.

    Two are the same wherever the object stands in its file. ``advice`` is about what is served as it is written.
    """

    about: Key
    location: Location
    sentence: str
    document: Document = field(compare=False, repr=False)
    advice: bool = False

    def __str__(self) -> str:
        return str(fault(self.document, self.location, self.sentence))


@dataclass(frozen=True)
class Context:
    """The objects to translate, where their Secrets are, and the problems found on the way.

    ``host`` is the address of Gateways that name none, ``dynamic_hosts`` are those that a Backend of type
    DynamicResolver may reach (exact, or ``*.`` wildcards); ``generations`` are those of objects seen before,
    ``taken`` are sockets that cannot be had, and why; ``forwarded`` are the only headers of clients that go along with
    an injected credential, None for all but credentials.
    """

    objects: Objects
    store: SecretStore | None = None
    host: str = "127.0.0.1"
    dynamic_hosts: tuple[str, ...] = ()
    generations: Mapping[Key, int] = field(default_factory=dict[Key, int])
    taken: Mapping[Socket, str] = field(default_factory=dict[Socket, str])
    forwarded: tuple[str, ...] | None = None
    problems: dict[Problem, None] = field(default_factory=dict[Problem, None])

    def __post_init__(self) -> None:
        """Raises ``ConfigurationError`` for a name in ``forwarded`` that no header can have."""
        for name in self.forwarded or ():
            header_name(name)

    @property
    def settings(self) -> tuple[object, ...]:
        """What stays the same from load to load, to be compared."""
        return (self.store, self.host, self.dynamic_hosts, self.forwarded)

    def problem(self, resource: Resource, location: Location, sentence: str) -> str:
        """Note something that does not stop the gateway; gives the sentence, for the route it concerns."""
        document = self.objects.document(resource)
        self.problems[Problem(key_of(resource), location, sentence, document)] = None
        return sentence

    def advise(self, resource: Resource, location: Location, sentence: str) -> None:
        """Note something odd that is served as it is written."""
        document = self.objects.document(resource)
        self.problems[Problem(key_of(resource), location, sentence, document, advice=True)] = None

    def generation(self, resource: Resource) -> int:
        """How often the object's spec has changed, counted from 1."""
        return self.generations.get(key_of(resource), resource.metadata.generation or 1)

    def secret(self, namespace: str, name: str, key: str) -> SecretSource:
        """The source of a Secret's key: among the manifests, else in the store, else one that has nothing."""
        found = ManifestSecrets(self.objects).find(namespace, name, key)
        if found is None and self.store is not None:
            found = self.store.find(namespace, name, key)
        return found or MissingSecret(f"Secret {namespace}/{name} does not exist")


def qualified(resource: Resource) -> str:
    """The object's namespace and name."""
    return f"{namespace_of(resource)}/{resource.metadata.name}"


def age(resource: Resource) -> tuple[str, str]:
    """Sorts older objects first, then by namespace and name; without a time an object counts as newest."""
    return (resource.metadata.creation_timestamp or "9999", qualified(resource))


def text_of(resource: Secret | ConfigMap, key: str) -> str | None:
    """The text under ``key``, or None when there is none or it is not text."""
    if isinstance(resource, ConfigMap):
        return resource.data.get(key)
    if key in resource.string_data:
        return resource.string_data[key]
    try:
        return base64.b64decode(resource.data[key]).decode() if key in resource.data else None
    except UnicodeDecodeError:
        return None
