"""BackendTLSPolicy: how the certificate of a backend is checked."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Items, Part, first_repeated, refusal
from gateway_filters.gateway_api.resources.references import LocalObjectReference
from gateway_filters.gateway_api.resources.scalars import (
    Hostname,
    Options,
    PreciseHostname,
    SectionName,
    WellKnownCACertificates,
)

AbsoluteURI = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=r"^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?"),
]


class PolicyTargetReference(LocalObjectReference):
    """What a policy is for; a Service may be narrowed to one of its ports by name."""

    section_name: SectionName | None = None


def _target_of(ref: PolicyTargetReference) -> tuple[str, str, str]:
    return (ref.group, ref.kind, ref.name)


def _distinct_targets(refs: tuple[PolicyTargetReference, ...]) -> tuple[PolicyTargetReference, ...]:
    whole: dict[tuple[str, str, str], bool] = {}
    for index, ref in enumerate(refs):
        if whole.setdefault(_target_of(ref), ref.section_name is None) != (ref.section_name is None):
            raise refusal("targetRefs to one target must all give a sectionName", index)
    again = first_repeated(refs, lambda ref: (*_target_of(ref), ref.section_name))
    if again is not None:
        raise refusal("targetRefs to one target must differ in sectionName", again)
    return refs


class SubjectAltName(Part):
    """A name that the backend's certificate may bear."""

    type: Literal["Hostname", "URI"]
    hostname: Hostname | None = None
    uri: AbsoluteURI | None = None

    @model_validator(mode="after")
    def _hostname_by_type(self) -> Self:
        if (self.hostname is not None) != (self.type == "Hostname"):
            raise refusal("hostname must be given with type Hostname and only then", "hostname")
        return self

    @model_validator(mode="after")
    def _uri_by_type(self) -> Self:
        if (self.uri is not None) != (self.type == "URI"):
            raise refusal("uri must be given with type URI and only then", "uri")
        return self


class BackendTLSPolicyValidation(Part):
    """The authorities that are trusted, and the names that are expected."""

    hostname: PreciseHostname
    ca_certificate_refs: Annotated[Items[LocalObjectReference], Field(max_length=8)] = ()
    well_known_ca_certificates: WellKnownCACertificates | None = Field(default=None, alias="wellKnownCACertificates")
    subject_alt_names: Annotated[Items[SubjectAltName], Field(max_length=5)] = ()

    @model_validator(mode="after")
    def _one_source_of_trust(self) -> Self:
        if self.ca_certificate_refs and self.well_known_ca_certificates:
            raise refusal(
                "either caCertificateRefs or wellKnownCACertificates may be given, not both",
                "wellKnownCACertificates",
            )
        if not self.ca_certificate_refs and not self.well_known_ca_certificates:
            raise refusal("validation needs caCertificateRefs or wellKnownCACertificates", "caCertificateRefs")
        return self


class BackendTLSPolicySpec(Part):
    """The targets of a policy and how they are checked."""

    target_refs: Annotated[
        Items[PolicyTargetReference], Field(min_length=1, max_length=16), AfterValidator(_distinct_targets)
    ]
    validation: BackendTLSPolicyValidation
    options: Options = Field(default={})


class BackendTLSPolicy(Resource):
    """TLS towards a backend (gateway.networking.k8s.io)."""

    api_version: Annotated[str, one_of("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1alpha3")]
    kind: Annotated[str, one_of("BackendTLSPolicy")]
    spec: BackendTLSPolicySpec
    status: Ignored = Field(default=None, repr=False)
