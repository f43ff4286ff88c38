"""What a rule of an HTTPRoute says about time and repetition: timeouts and retries."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway_filters.gateway_api.resources.part import DISTINCT, Items, Part, refusal
from gateway_filters.gateway_api.resources.scalars import Duration, milliseconds

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
