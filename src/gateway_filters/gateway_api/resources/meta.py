"""The head that every Kubernetes object has: apiVersion, kind and metadata."""

from typing import Annotated, Self

from pydantic import (
    Field,
    GetPydanticSchema,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import core_schema

from gateway_filters.gateway_api.resources.part import Items, Part
from gateway_filters.gateway_api.resources.scalars import Int64, Namespace, Subdomain
from gateway_filters.gateway_api.resources.sentences import without_values

Timestamp = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
    ),
]
"""An RFC 3339 instant, as written."""

_KEY = r"^([A-Za-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
MetadataKey = Annotated[str, StringConstraints(pattern=_KEY)]
LabelValue = Annotated[str, StringConstraints(max_length=63, pattern="^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]


def one_of(*words: str) -> GetPydanticSchema:
    """One of these words; unlike `Literal` it leaves the type at `str`, which a subclass may then narrow."""
    return GetPydanticSchema(lambda _type, _handler: core_schema.literal_schema(list(words)))


class OwnerReference(Part):
    """The object that this one lives and dies with."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Part):
    """Who an object is: its name, namespace and labels."""

    name: Subdomain
    namespace: Namespace | None = None
    labels: dict[MetadataKey, LabelValue] = Field(default={})
    # Not shown: kubectl keeps a copy of the whole object, a Secret's values included, in an annotation.
    annotations: dict[MetadataKey, str] = Field(default={}, repr=False)
    generation: Int64 | None = None
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    deletion_grace_period_seconds: Int64 | None = None
    finalizers: Items[str] = ()
    generate_name: str | None = None
    managed_fields: Items[dict[str, object]] = Field(default=(), repr=False)
    owner_references: Items[OwnerReference] = ()
    resource_version: str | None = None
    self_link: str | None = None
    uid: str | None = None


class Resource(Part):
    """A whole Kubernetes object, as one YAML document holds it."""

    api_version: str
    kind: str
    metadata: ObjectMeta

    @model_validator(mode="wrap")
    @classmethod
    def _errors_without_values(cls, written: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(written)
        except ValidationError as error:
            refused = without_values(error)
        # Outside of the clause above, or the error that holds the values would go along as context.
        raise refused
