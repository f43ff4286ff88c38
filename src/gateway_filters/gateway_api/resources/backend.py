"""Backend (Envoy Gateway): endpoints outside the cluster, named or by address."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.backend_tls import BackendTLS
from gateway_filters.gateway_api.resources.meta import Resource, one_of
from gateway_filters.gateway_api.resources.part import Ignored, Items, Part, refusal
from gateway_filters.gateway_api.resources.scalars import SUBDOMAIN, PreciseHostname

_OCTET = "(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)"
_IPV4 = rf"^({_OCTET}\.){{3}}{_OCTET}$"
_IPV6 = r"^(([0-9a-fA-F]{1,4}:){1,7}[0-9a-fA-F]{1,4}|::|(([0-9a-fA-F]{1,4}:){0,5})?(:[0-9a-fA-F]{1,4}){1,2})$"

EndpointPort = Annotated[int, Field(ge=0, le=65535)]
FullyQualifiedName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=rf"^{SUBDOMAIN}\.?$")]
IPAddress = Annotated[str, StringConstraints(min_length=3, max_length=45, pattern=f"{_IPV4}|{_IPV6}")]


class FQDNEndpoint(Part):
    """An endpoint found by its name."""

    hostname: FullyQualifiedName
    port: EndpointPort


class IPEndpoint(Part):
    """An endpoint found by its address."""

    address: IPAddress
    port: EndpointPort


def _short(path: str) -> str:
    if len(path) > 108:
        raise refusal("the path of a Unix socket may have at most 108 characters")
    return path


class UnixSocket(Part):
    """An endpoint on the same machine."""

    path: Annotated[str, AfterValidator(_short)]


class BackendEndpoint(Part):
    """One place that serves: exactly one of fqdn, ip and unix."""

    fqdn: FQDNEndpoint | None = None
    ip: IPEndpoint | None = None
    unix: UnixSocket | None = None
    hostname: PreciseHostname | None = None
    zone: str | None = None

    @property
    def port(self) -> int:
        """The port, 0 for a socket of the same machine."""
        address = self.fqdn or self.ip
        return 0 if address is None else address.port

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        given = [name for name in ("fqdn", "ip", "unix") if getattr(self, name) is not None]
        if not given:
            raise refusal("an endpoint needs one of fqdn, ip and unix")
        if len(given) > 1:
            raise refusal("an endpoint may have only one of fqdn, ip and unix", given[1])
        return self


def _one_sort(endpoints: tuple[BackendEndpoint, ...]) -> tuple[BackendEndpoint, ...]:
    named = [endpoint.fqdn is not None for endpoint in endpoints]
    if any(named) and not all(named):
        raise refusal("fqdn endpoints may not be mixed with ip and unix endpoints", named.index(not named[0]))
    return endpoints


class BackendSpec(Part):
    """The endpoints of a Backend and how they are spoken to."""

    type: Literal["Endpoints", "DynamicResolver"] = "Endpoints"
    endpoints: Annotated[Items[BackendEndpoint], Field(min_length=1, max_length=256), AfterValidator(_one_sort)] = ()
    app_protocols: Items[
        Literal["gateway.envoyproxy.io/h2c", "gateway.envoyproxy.io/ws", "gateway.envoyproxy.io/wss"]
    ] = ()
    fallback: bool | None = None
    tls: BackendTLS | None = None

    @model_validator(mode="after")
    def _resolver_has_no_endpoints(self) -> Self:
        if self.type == "DynamicResolver" and self.endpoints:
            raise refusal("a Backend of type DynamicResolver may not have endpoints", "endpoints")
        return self

    @model_validator(mode="after")
    def _endpoints_name_the_sni(self) -> Self:
        if self.tls is None or not self.tls.auto_sni_from_endpoint_hostname:
            return self
        if not self.endpoints:  # also where the type is DynamicResolver
            raise refusal("autoSNIFromEndpointHostname needs endpoints", "tls", "autoSNIFromEndpointHostname")
        for index, endpoint in enumerate(self.endpoints):
            if endpoint.fqdn is None and endpoint.hostname is None:
                raise refusal("autoSNIFromEndpointHostname needs a hostname on this endpoint", "endpoints", index)
        return self


class Backend(Resource):
    """Where requests may leave the cluster (gateway.envoyproxy.io)."""

    api_version: Annotated[str, one_of("gateway.envoyproxy.io/v1alpha1")]
    kind: Annotated[str, one_of("Backend")]
    spec: BackendSpec
    status: Ignored = Field(default=None, repr=False)
