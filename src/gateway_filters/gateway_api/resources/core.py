"""Namespace, ConfigMap and Secret: Kubernetes' own kinds that hold text and belong together.

What a Secret holds is not shown by its repr; what its errors show is said in `sentences`.
"""

import base64
import binascii
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    model_validator,
)

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Items, Part, refusal


def _is_base64(text: str) -> str:
    try:
        # Line ends are allowed, as in a YAML block; Kubernetes' decoder skips them too.
        base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise refusal("this value is not base64; plain text belongs into another field") from None
    return text


Base64 = Annotated[str, AfterValidator(_is_base64)]
DataKey = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern="^[-._a-zA-Z0-9]+$")]


class NamespaceSpec(Part):
    """What must be done before a namespace may go."""

    finalizers: Items[str] = ()


class Namespace(Resource):
    """A namespace; its labels decide which routes may attach."""

    api_version: Annotated[str, one_of("v1")]
    kind: Annotated[str, one_of("Namespace")]
    spec: NamespaceSpec = NamespaceSpec()
    status: Ignored = Field(default=None, repr=False)


class ConfigMap(Resource):
    """Text and bytes by key, not secret."""

    api_version: Annotated[str, one_of("v1")]
    kind: Annotated[str, one_of("ConfigMap")]
    data: dict[DataKey, str] = Field(default={})
    binary_data: dict[DataKey, Base64] = Field(default={})
    immutable: bool | None = None

    @model_validator(mode="after")
    def _distinct_keys(self) -> Self:
        for key in self.binary_data:
            if key in self.data:
                raise refusal("a key of binaryData may not occur in data too", "binaryData", key)
        return self


class Secret(Resource):
    """Bytes by key, to be shown to no one: `data` in base64, `stringData` as text that wins over it."""

    api_version: Annotated[str, one_of("v1")]
    kind: Annotated[str, one_of("Secret")]
    type: str = "Opaque"
    data: dict[DataKey, Base64] = Field(default={}, repr=False)
    string_data: dict[DataKey, str] = Field(default={}, repr=False)
    immutable: bool | None = None

    @model_validator(mode="after")
    def _tls_pair(self) -> Self:
        if self.type == "kubernetes.io/tls":
            for key in ("tls.crt", "tls.key"):
                if key not in self.data and key not in self.string_data:
                    raise refusal("a Secret of type kubernetes.io/tls needs tls.crt and tls.key in data", "data")
        return self
