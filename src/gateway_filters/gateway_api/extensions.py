"""HTTPRouteFilter, Envoy Gateway's filters that an extensionRef names, into filter values."""

from collections.abc import Iterator

from gateway_filters.errors import ConfigurationError, SecretUnavailable
from gateway_filters.filters import (
    CredentialInjection,
    DirectResponse,
    Filter,
    HostFromHeader,
    HostFromPath,
    Refusal,
    ReplaceRegexMatch,
    URLRewrite,
)
from gateway_filters.filters.url_rewrite import HostnameModifier, PathModifier
from gateway_filters.gateway_api.filters import EXTENSIONS
from gateway_filters.gateway_api.grants import granted
from gateway_filters.gateway_api.matches import cookies_of
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import (
    ENVOY_GROUP,
    ConfigMap,
    DirectResponseBody,
    EnvoyURLRewrite,
    HTTPRouteFilter,
)
from gateway_filters.gateway_api.resources import CredentialInjection as WrittenInjection
from gateway_filters.gateway_api.resources import DirectResponse as WrittenResponse
from gateway_filters.gateway_api.site import Site
from gateway_filters.gateway_api.translation import qualified
from gateway_filters.message.doubts import doubts

CREDENTIAL_KEY = "credential"
"""The key of a Secret that Envoy Gateway injects; its API names no other."""

BODY_KEY = "response.body"
"""The key of a ConfigMap that holds a direct response's body."""


def http_route_filter(name: str, site: Site) -> Iterator[Filter]:
    """The filters that the HTTPRouteFilter ``name`` in the route's namespace stands for."""
    found = site.context.objects.find(ENVOY_GROUP, "HTTPRouteFilter", namespace_of(site.route), name)
    if not isinstance(found, HTTPRouteFilter):
        yield site.missing("BackendNotFound", f"HTTPRouteFilter {name} does not exist", "extensionRef", "name")
        return
    spec = found.spec
    site.cookies = tuple(cookies_of(each.cookies) for each in spec.matches)
    if spec.url_rewrite is not None:
        yield _url_rewrite(spec.url_rewrite, site)
    if spec.direct_response is not None:
        yield _direct_response(found, spec.direct_response, site)
    if spec.credential_injection is not None:
        yield _credential_injection(found, spec.credential_injection, site)


def _url_rewrite(written: EnvoyURLRewrite, site: Site) -> Filter:
    site.host_of_backend = written.hostname is not None and written.hostname.type == "Backend"
    return URLRewrite(hostname=_hostname(written), path=_path(written))


def _path(written: EnvoyURLRewrite) -> PathModifier | None:
    regex = written.path.replace_regex_match if written.path else None
    return ReplaceRegexMatch(regex.pattern, regex.substitution) if regex else None


def _hostname(written: EnvoyURLRewrite) -> HostnameModifier | None:
    hostname = written.hostname
    if hostname is None:
        return None
    if hostname.header is not None:
        return HostFromHeader(hostname.header)
    if hostname.path_regex is not None:
        return HostFromPath(hostname.path_regex.pattern, hostname.path_regex.substitution)
    return None


def _direct_response(found: HTTPRouteFilter, written: WrittenResponse, site: Site) -> Filter:
    body = _body(found, written.body, site) if written.body else ""
    if body is None:
        return site.missing("BackendNotFound", f"the body of HTTPRouteFilter {qualified(found)} does not exist")
    header = written.header
    fields = (*header.set, *header.add) if header else ()
    headers = tuple((each.name, each.value) for each in fields)
    # As Envoy answers: nothing has no type, and text is plain unless it is said what it is.
    kind = (written.content_type or "text/plain") if body else None
    return DirectResponse(written.status_code or 200, body, kind, headers=headers)


def _body(found: HTTPRouteFilter, written: DirectResponseBody, site: Site) -> str | None:
    if written.value_ref is None:
        return written.inline
    config = site.context.objects.find("", "ConfigMap", namespace_of(found), written.value_ref.name)
    if not isinstance(config, ConfigMap):
        return None
    # Without the key, the ConfigMap's first value is meant (Envoy Gateway).
    return config.data.get(BODY_KEY, next(iter(config.data.values()), None))


def _credential_injection(found: HTTPRouteFilter, written: WrittenInjection, site: Site) -> Filter:
    """The injection; without its Secret it stays, since it may come, and requests that need it are refused."""
    where = ("spec", "credentialInjection", "credential", "valueRef")
    ref = written.credential.value_ref
    namespace = ref.namespace or namespace_of(found)
    if (ref.group, ref.kind) != ("", "Secret"):
        return _refused(found, site, "InvalidKind", f"a credential cannot be in a {ref.kind}")
    if not granted(site.context.objects, found, "", "Secret", namespace, ref.name):
        return _refused(found, site, "RefNotPermitted", f"no ReferenceGrant allows Secret {namespace}/{ref.name}")
    source = site.context.secret(namespace, ref.name, CREDENTIAL_KEY)
    try:
        for doubt in doubts(source.current(), written.header or "Authorization"):
            site.context.advise(found, where, f"the credential in Secret {namespace}/{ref.name} {doubt}")
    except SecretUnavailable as error:
        site.unusable(found, where, f"{error}: requests are answered with 503 until there is one")
    try:
        header, only = written.header or "Authorization", site.context.forwarded
        return CredentialInjection(source, header, overwrite=bool(written.overwrite), only=only)
    except ConfigurationError as error:
        return site.unusable(found, ("spec", "credentialInjection", "header"), str(error))


def _refused(found: HTTPRouteFilter, site: Site, reason: str, sentence: str) -> Refusal:
    site.unresolved.append((reason, sentence))
    return site.unusable(found, ("spec", "credentialInjection", "credential", "valueRef"), sentence)


EXTENSIONS[ENVOY_GROUP, "HTTPRouteFilter"] = http_route_filter
