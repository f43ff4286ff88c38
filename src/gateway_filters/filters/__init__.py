"""One capability a file, each a frozen value with pure functions; none knows another."""

from gateway_filters.filters.api_key_auth import APIKeyAuth
from gateway_filters.filters.authorization import (
    Authorization,
    AuthorizationRule,
    ClaimIn,
    Operation,
    TokenHolder,
)
from gateway_filters.filters.basic_auth import BasicAuth
from gateway_filters.filters.cors import CORS
from gateway_filters.filters.credential_injection import CredentialInjection
from gateway_filters.filters.direct_response import DirectResponse, Refusal
from gateway_filters.filters.filter import Filter
from gateway_filters.filters.header_modifier import RequestHeaderModifier, ResponseHeaderModifier
from gateway_filters.filters.host_rewrite import HostFromHeader, HostFromPath
from gateway_filters.filters.jwt_auth import JWTAuth, JWTProvider
from gateway_filters.filters.places import InCookie, InHeader, InQuery
from gateway_filters.filters.query_param_modifier import QueryParamModifier
from gateway_filters.filters.request_redirect import RequestRedirect
from gateway_filters.filters.url_rewrite import (
    ReplaceFullPath,
    ReplacePrefixMatch,
    ReplaceRegexMatch,
    URLRewrite,
)

__all__ = [
    "CORS",
    "APIKeyAuth",
    "Authorization",
    "AuthorizationRule",
    "BasicAuth",
    "ClaimIn",
    "CredentialInjection",
    "DirectResponse",
    "Filter",
    "HostFromHeader",
    "HostFromPath",
    "InCookie",
    "InHeader",
    "InQuery",
    "JWTAuth",
    "JWTProvider",
    "Operation",
    "QueryParamModifier",
    "Refusal",
    "ReplaceFullPath",
    "ReplacePrefixMatch",
    "ReplaceRegexMatch",
    "RequestHeaderModifier",
    "RequestRedirect",
    "ResponseHeaderModifier",
    "TokenHolder",
    "URLRewrite",
]
