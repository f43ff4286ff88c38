"""One capability a file, each a frozen value with pure functions; none knows another."""

from gateway_filters.filters.credential_injection import CredentialInjection
from gateway_filters.filters.direct_response import DirectResponse, Refusal
from gateway_filters.filters.filter import Filter
from gateway_filters.filters.header_modifier import RequestHeaderModifier, ResponseHeaderModifier
from gateway_filters.filters.url_rewrite import ReplaceFullPath, ReplacePrefixMatch, URLRewrite

__all__ = [
    "CredentialInjection",
    "DirectResponse",
    "Filter",
    "Refusal",
    "ReplaceFullPath",
    "ReplacePrefixMatch",
    "RequestHeaderModifier",
    "ResponseHeaderModifier",
    "URLRewrite",
]
