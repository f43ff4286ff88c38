"""What a rule of an HTTPRoute says about time and repetition: timeouts, retries, sessions."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.part import DISTINCT, Items, Part, refusal
from gateway_filters.gateway_api.resources.scalars import Duration, HeaderName, milliseconds

CookiePath = Annotated[str, StringConstraints(max_length=1024)]
RetryCode = Annotated[int, Field(ge=400, le=599)]


class HTTPRouteTimeouts(Part):
    """How long a request, and each attempt at its backend, may take."""

    request: Duration | None = None
    backend_request: Duration | None = None

    @model_validator(mode="after")
    def _backend_within_request(self) -> Self:
        if self.request is not None and self.backend_request is not None:
            limit = milliseconds(self.request)
            if limit and milliseconds(self.backend_request) > limit:
                raise refusal("the timeout backendRequest may not be longer than request", "backendRequest")
        return self


class HTTPRouteRetry(Part):
    """When and how often a failed request is tried again."""

    attempts: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    backoff: Duration | None = None
    codes: Annotated[Items[RetryCode], DISTINCT] = ()


class SessionCookie(Part):
    """The cookie that keeps a client with its backend."""

    name: HeaderName | None = None
    path: CookiePath = "/"
    lifetime_type: Literal["Permanent", "Session"] = "Session"


class SessionHeader(Part):
    """The header that keeps a client with its backend."""

    name: HeaderName


class SessionPersistence(Part):
    """How a client stays with one backend."""

    type: Literal["Cookie", "Header"] = "Cookie"
    cookie: SessionCookie | None = None
    header: SessionHeader | None = None
    absolute_timeout: Duration | None = None

    @model_validator(mode="after")
    def _cookie_by_type(self) -> Self:
        if (self.cookie is not None) != (self.type == "Cookie"):
            raise refusal("cookie must be given with type Cookie and only then", "cookie")
        return self

    @model_validator(mode="after")
    def _header_by_type(self) -> Self:
        if (self.header is not None) != (self.type == "Header"):
            raise refusal("header must be given with type Header and only then", "header")
        return self

    @model_validator(mode="after")
    def _permanent_ends(self) -> Self:
        permanent = self.cookie is not None and self.cookie.lifetime_type == "Permanent"
        if permanent and self.absolute_timeout is None:
            raise refusal("a cookie with lifetimeType Permanent needs absoluteTimeout", "absoluteTimeout")
        return self
