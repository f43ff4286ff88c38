"""The filters of an HTTPRoute that make a second request: mirroring and external authorization."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.part import DISTINCT, Items, Part, refusal
from gateway_filters.gateway_api.resources.references import BackendObjectReference
from gateway_filters.gateway_api.resources.scalars import PATH_CHARACTERS

AuthPath = Annotated[str, StringConstraints(max_length=1024, pattern=PATH_CHARACTERS)]
HeaderNames = Annotated[Items[str], Field(max_length=64), DISTINCT]


class Fraction(Part):
    """A share of requests, numerator over denominator."""

    numerator: Annotated[int, Field(ge=0, le=2**31 - 1)]
    denominator: Annotated[int, Field(ge=1, le=2**31 - 1)] = 100

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.numerator > self.denominator:
            raise refusal("the numerator may not be greater than the denominator", "numerator")
        return self


class HTTPRequestMirror(Part):
    """A copy of each request, or of a share of them, for another backend."""

    backend_ref: BackendObjectReference
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    fraction: Fraction | None = None

    @model_validator(mode="after")
    def _one_share(self) -> Self:
        if self.percent is not None and self.fraction is not None:
            raise refusal("either percent or fraction may be given, not both", "fraction")
        return self


class GRPCAuth(Part):
    """How a gRPC authorization service is asked."""

    allowed_headers: HeaderNames = ()


class HTTPAuth(Part):
    """How an HTTP authorization service is asked."""

    allowed_headers: HeaderNames = ()
    allowed_response_headers: HeaderNames = ()
    path: AuthPath | None = None


class ForwardBody(Part):
    """How much of a request's body the authorization service sees."""

    max_size: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


class HTTPExternalAuth(Part):
    """A service that is asked whether a request may pass."""

    backend_ref: BackendObjectReference
    protocol: Literal["HTTP", "GRPC"]
    grpc: GRPCAuth | None = None
    http: HTTPAuth | None = None
    forward_body: ForwardBody | None = None

    @model_validator(mode="after")
    def _grpc_by_protocol(self) -> Self:
        if (self.grpc is not None) != (self.protocol == "GRPC"):
            raise refusal("grpc must be given with protocol GRPC and only then", "grpc")
        return self

    @model_validator(mode="after")
    def _http_by_protocol(self) -> Self:
        if (self.http is not None) != (self.protocol == "HTTP"):
            raise refusal("http must be given with protocol HTTP and only then", "http")
        return self
