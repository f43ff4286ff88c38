"""The filters of an HTTPRoute that change a request or answer it with a redirect."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.part import DISTINCT, Items, Part, refusal, unique_by
from gateway_filters.gateway_api.resources.scalars import HeaderName, HeaderValue, PortNumber, PreciseHostname

ReplacementPath = Annotated[str, StringConstraints(max_length=1024)]


class HTTPHeader(Part):
    """A header to be written."""

    name: HeaderName
    value: HeaderValue


class HTTPHeaderFilter(Part):
    """Headers to set, add and remove; for requests and for responses."""

    set: Annotated[Items[HTTPHeader], Field(max_length=16), unique_by("name")] = ()
    add: Annotated[Items[HTTPHeader], Field(max_length=16), unique_by("name")] = ()
    remove: Annotated[Items[str], Field(max_length=16), DISTINCT] = ()


class HTTPPathModifier(Part):
    """What a path becomes: all of it, or only the prefix that matched."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: ReplacementPath | None = None
    replace_prefix_match: ReplacementPath | None = None

    @model_validator(mode="after")
    def _full_path_by_type(self) -> Self:
        if (self.replace_full_path is not None) != (self.type == "ReplaceFullPath"):
            raise refusal("replaceFullPath must be given with type ReplaceFullPath and only then", "replaceFullPath")
        return self

    @model_validator(mode="after")
    def _prefix_by_type(self) -> Self:
        if (self.replace_prefix_match is not None) != (self.type == "ReplacePrefixMatch"):
            raise refusal(
                "replacePrefixMatch must be given with type ReplacePrefixMatch and only then",
                "replacePrefixMatch",
            )
        return self


class HTTPURLRewrite(Part):
    """The host and path under which a request goes on."""

    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None


class HTTPRequestRedirect(Part):
    """An answer that sends the client elsewhere."""

    scheme: Literal["http", "https"] | None = None
    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None
    port: PortNumber | None = None
    status_code: Literal[301, 302, 303, 307, 308] = 302
