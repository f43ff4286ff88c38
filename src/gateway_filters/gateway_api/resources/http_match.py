"""What a rule of an HTTPRoute asks of a request: path, headers, query parameters, method."""

import re
from typing import Annotated, Literal, LiteralString, Self

from pydantic import Field, StringConstraints, model_validator

from gateway_filters.gateway_api.resources.part import Items, Part, refusal, unique_by
from gateway_filters.gateway_api.resources.scalars import PATH_CHARACTERS, HeaderName, HeaderValue

HTTPMethod = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
MatchType = Literal["Exact", "RegularExpression"]

QueryParamValue = Annotated[str, StringConstraints(min_length=1, max_length=1024)]

_PLAIN_PATH = re.compile(PATH_CHARACTERS.removesuffix("$") + r"\Z")
_NOWHERE: tuple[tuple[str, LiteralString], ...] = (
    ("//", "a path value of type Exact or PathPrefix may not contain '//'"),
    ("/./", "a path value of type Exact or PathPrefix may not contain '/./'"),
    ("/../", "a path value of type Exact or PathPrefix may not contain '/../'"),
    ("%2f", "a path value of type Exact or PathPrefix may not contain '%2f'"),
    ("%2F", "a path value of type Exact or PathPrefix may not contain '%2F'"),
)


def _fault(path: str) -> LiteralString | None:
    if not path.startswith("/"):
        return "a path value of type Exact or PathPrefix must start with '/'"
    for text, sentence in _NOWHERE:
        if text in path:
            return sentence
    if path.endswith(("/.", "/..")):
        return "a path value of type Exact or PathPrefix may not end in '/.' or '/..'"
    if not _PLAIN_PATH.match(path):
        return "a path value of type Exact or PathPrefix may only hold the characters of a URL path"
    return None


class HTTPPathMatch(Part):
    """A condition on the path."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: Annotated[str, StringConstraints(max_length=1024)] = "/"

    @model_validator(mode="after")
    def _plain_path(self) -> Self:
        if self.type != "RegularExpression" and (sentence := _fault(self.value)):
            raise refusal(sentence, "value")
        return self


class HTTPHeaderMatch(Part):
    """A condition on one header."""

    name: HeaderName
    type: MatchType = "Exact"
    value: HeaderValue


class HTTPQueryParamMatch(Part):
    """A condition on one query parameter."""

    name: HeaderName
    type: MatchType = "Exact"
    value: QueryParamValue


class HTTPRouteMatch(Part):
    """Conditions that a request must meet together."""

    path: HTTPPathMatch = HTTPPathMatch()
    headers: Annotated[Items[HTTPHeaderMatch], Field(max_length=16), unique_by("name")] = ()
    query_params: Annotated[Items[HTTPQueryParamMatch], Field(max_length=16), unique_by("name")] = ()
    method: HTTPMethod | None = None
