"""TLS towards the endpoints of an Envoy Gateway Backend."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway_filters.gateway_api.resources.part import Items, Part, refusal
from gateway_filters.gateway_api.resources.references import LocalObjectReference, SecretObjectReference
from gateway_filters.gateway_api.resources.scalars import PreciseHostname, WellKnownCACertificates

TLSVersion = Literal["Auto", "1.0", "1.1", "1.2", "1.3"]

# "Auto" is below all as a minimum and above all as a maximum.
_LEAST: dict[TLSVersion, int] = {"Auto": 0, "1.0": 1, "1.1": 2, "1.2": 3, "1.3": 4}
_MOST: dict[TLSVersion, int] = {"1.0": 1, "1.1": 2, "1.2": 3, "1.3": 4, "Auto": 5}


class BackendTLS(Part):
    """Whom to trust, which name to ask for, and which TLS to speak."""

    ca_certificate_refs: Annotated[Items[LocalObjectReference], Field(max_length=8)] = ()
    well_known_ca_certificates: WellKnownCACertificates | None = Field(default=None, alias="wellKnownCACertificates")
    insecure_skip_verify: bool = False
    sni: PreciseHostname | None = None
    auto_sni_from_endpoint_hostname: bool | None = Field(default=None, alias="autoSNIFromEndpointHostname")
    client_certificate_ref: SecretObjectReference | None = None
    min_version: TLSVersion | None = None
    max_version: TLSVersion | None = None
    ciphers: Items[str] = ()
    ecdh_curves: Items[str] = ()
    signature_algorithms: Items[str] = ()
    alpn_protocols: Items[str] = ()
    fingerprints: Items[Literal["JA3", "JA4"]] = ()

    @model_validator(mode="after")
    def _one_source_of_trust(self) -> Self:
        if self.ca_certificate_refs and self.well_known_ca_certificates:
            raise refusal(
                "either caCertificateRefs or wellKnownCACertificates may be given, not both",
                "wellKnownCACertificates",
            )
        if self.insecure_skip_verify and (self.ca_certificate_refs or self.well_known_ca_certificates):
            raise refusal(
                "insecureSkipVerify excludes caCertificateRefs and wellKnownCACertificates",
                "insecureSkipVerify",
            )
        return self

    @model_validator(mode="after")
    def _one_source_of_sni(self) -> Self:
        if self.sni is not None and self.auto_sni_from_endpoint_hostname:
            raise refusal("either sni or autoSNIFromEndpointHostname may be given, not both", "sni")
        return self

    @model_validator(mode="after")
    def _versions_in_order(self) -> Self:
        least = 3 if self.min_version is None else _LEAST[self.min_version]  # 1.2 is the least by default
        if self.max_version is not None and least > _MOST[self.max_version]:
            raise refusal("minVersion may not be greater than maxVersion, and is 1.2 by default", "maxVersion")
        return self

    @model_validator(mode="after")
    def _ciphers_matter(self) -> Self:
        if self.min_version == "1.3" and "ciphers" in self.model_fields_set:
            raise refusal("ciphers may not be given with minVersion 1.3, which has its own", "ciphers")
        return self
