"""Filters of a rule or backendRef into filter values. A filter that manifests can name is one row here.

What cannot be resolved or is not understood becomes a ``Refusal``: a route never runs without a filter.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway_filters.errors import ConfigurationError, ManifestError, SecretUnavailable
from gateway_filters.filters import (
    CredentialInjection,
    Filter,
    Refusal,
    ReplaceFullPath,
    ReplacePrefixMatch,
    RequestHeaderModifier,
    ResponseHeaderModifier,
    URLRewrite,
)
from gateway_filters.filters.url_rewrite import PathModifier
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import (
    ENVOY_GROUP,
    HTTPHeader,
    HTTPPathModifier,
    HTTPRoute,
    HTTPRouteFilter,
    RouteFilter,
)
from gateway_filters.gateway_api.translation import Context, qualified

CREDENTIAL_KEY = "credential"
"""The key of a Secret that Envoy Gateway injects; its API names no other."""


@dataclass(frozen=True)
class FilterSite:
    """Where a filter stands: its route and place in it, and the prefix that its rule matches, if one."""

    context: Context
    route: HTTPRoute
    location: Location
    prefix: str | None

    def refusal(self, sentence: str, *below: str | int) -> Refusal:
        """Refuse the requests that would pass the filter, and say why."""
        return Refusal(self.context.problem(self.route, (*self.location, *below), sentence))

    def error(self, error: ConfigurationError, *below: str | int) -> ManifestError:
        """The error for a value that no filter can be made of."""
        return self.context.refused(self.route, (*self.location, *below), error)


Translator = Callable[[RouteFilter, FilterSite], Filter]


def translate_filter(written: RouteFilter, site: FilterSite) -> Filter:
    """The filter value for ``written``; raises ``ManifestError`` for a value that it cannot be made of."""
    translator = TRANSLATORS.get(written.type)
    if translator is None:
        return site.refusal(f"filters of type {written.type} are not supported", "type")
    try:
        return translator(written, site)
    except ManifestError:
        raise
    except ConfigurationError as error:
        raise site.error(error, _member(written)) from None


def _url_rewrite(written: RouteFilter, site: FilterSite) -> Filter:
    rewrite = written.url_rewrite
    assert rewrite is not None
    return URLRewrite(hostname=rewrite.hostname, path=_path(rewrite.path, site, "urlRewrite", "path"))


def _path(path: HTTPPathModifier | None, site: FilterSite, *below: str) -> PathModifier | None:
    if path is None:
        return None
    field = "replacePrefixMatch" if path.replace_full_path is None else "replaceFullPath"
    try:
        if path.replace_full_path is not None:
            return ReplaceFullPath(path.replace_full_path)
        return ReplacePrefixMatch(site.prefix or "/", path.replace_prefix_match or "")
    except ConfigurationError as error:
        raise site.error(error, *below, field) from None


def _request_headers(written: RouteFilter, site: FilterSite) -> Filter:
    del site
    assert written.request_header_modifier is not None
    change = written.request_header_modifier
    return RequestHeaderModifier(set=_pairs(change.set), add=_pairs(change.add), remove=tuple(change.remove))


def _response_headers(written: RouteFilter, site: FilterSite) -> Filter:
    del site
    assert written.response_header_modifier is not None
    change = written.response_header_modifier
    return ResponseHeaderModifier(set=_pairs(change.set), add=_pairs(change.add), remove=tuple(change.remove))


def _pairs(headers: Iterable[HTTPHeader]) -> tuple[tuple[str, str], ...]:
    return tuple((header.name, header.value) for header in headers)


def _extension(written: RouteFilter, site: FilterSite) -> Filter:
    ref = written.extension_ref
    assert ref is not None
    if (ref.group, ref.kind) != (ENVOY_GROUP, "HTTPRouteFilter"):
        return site.refusal(f"extensionRef to {ref.group} {ref.kind} is not supported", "extensionRef", "kind")
    found = site.context.objects.find(ref.group, ref.kind, namespace_of(site.route), ref.name)
    if not isinstance(found, HTTPRouteFilter):
        return site.refusal(f"HTTPRouteFilter {ref.name} does not exist", "extensionRef", "name")
    return _http_route_filter(found, site)


def _http_route_filter(found: HTTPRouteFilter, site: FilterSite) -> Filter:
    if found.spec.credential_injection is None or found.spec.url_rewrite or found.spec.direct_response:
        return site.refusal(f"HTTPRouteFilter {qualified(found)} has no supported filter", "extensionRef", "name")
    if found.spec.matches:
        return site.refusal(f"matches of HTTPRouteFilter {qualified(found)} are not supported", "extensionRef")
    return _credential_injection(found, site.context)


def _credential_injection(found: HTTPRouteFilter, context: Context) -> Filter:
    injection = found.spec.credential_injection
    assert injection is not None
    where = ("spec", "credentialInjection", "credential", "valueRef")
    ref = injection.credential.value_ref
    if (ref.group, ref.kind) != ("", "Secret"):
        return Refusal(context.problem(found, where, f"{ref.kind} is not supported, only Secret"))
    if ref.namespace not in (None, namespace_of(found)):
        return Refusal(context.problem(found, where, f"Secret {ref.namespace}/{ref.name} is in another namespace"))
    source = context.secret(namespace_of(found), ref.name, CREDENTIAL_KEY)
    try:
        source.current()
    except SecretUnavailable as error:
        context.problem(found, where, f"{error}: its requests are answered with 503 until it does")
    try:
        return CredentialInjection(source, injection.header or "Authorization", overwrite=bool(injection.overwrite))
    except ConfigurationError as error:
        raise context.refused(found, ("spec", "credentialInjection", "header"), error) from error


def _member(written: RouteFilter) -> str:
    return written.type[0].lower() + written.type[1:] if written.type != "URLRewrite" else "urlRewrite"


TRANSLATORS: dict[str, Translator] = {
    "URLRewrite": _url_rewrite,
    "RequestHeaderModifier": _request_headers,
    "ResponseHeaderModifier": _response_headers,
    "ExtensionRef": _extension,
}
