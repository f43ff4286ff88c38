"""Filters of a rule or backendRef into values. A filter that manifests can name is one row here.

What cannot be resolved becomes a ``Refusal``, what is not understood refuses its whole rule: a route never
runs without a filter.
"""

from collections.abc import Callable, Iterable, Iterator

from gateway_filters.errors import ConfigurationError
from gateway_filters.filters import (
    CORS,
    Filter,
    ReplaceFullPath,
    ReplacePrefixMatch,
    RequestHeaderModifier,
    RequestRedirect,
    ResponseHeaderModifier,
    URLRewrite,
)
from gateway_filters.filters.url_rewrite import PathModifier
from gateway_filters.gateway_api.resources import HTTPHeader, HTTPPathModifier, HTTPRequestMirror, RouteFilter
from gateway_filters.gateway_api.resources.http_filters import FilterType
from gateway_filters.gateway_api.site import Site, UnsupportedError
from gateway_filters.message.client import is_address
from gateway_filters.message.text import header_name
from gateway_filters.routing import Backend, ExternalAuth, Mirror

Step = Filter | Mirror | ExternalAuth
"""What a filter of a manifest may mean: a change of heads, a copy, or that someone is asked."""


Translator = Callable[[RouteFilter, Site], Iterable[Step]]


def translate_filter(written: RouteFilter, site: Site) -> Iterator[Step]:
    """The values for ``written``; raises ``ConfigurationError`` for one that only the specification's text forbids."""
    yield from TRANSLATORS[written.type](written, site)


def _url_rewrite(written: RouteFilter, site: Site) -> Iterator[Filter]:
    rewrite = written.url_rewrite
    assert rewrite is not None
    _refuse_address(rewrite.hostname)
    yield URLRewrite(hostname=rewrite.hostname, path=_path(rewrite.path, site, "urlRewrite", "path"))


def _refuse_address(hostname: str | None) -> None:
    # The CRD's pattern takes one, the text of PreciseHostname does not.
    if hostname is not None and is_address(hostname):
        raise ConfigurationError(f"host name {hostname} is an address")


def _path(path: HTTPPathModifier | None, site: Site, *below: str) -> PathModifier | None:
    if path is None:
        return None
    if path.replace_full_path is None and site.prefix is None:
        raise ConfigurationError("ReplacePrefixMatch needs a rule with exactly one match, of type PathPrefix")
    member = "replacePrefixMatch" if path.replace_full_path is None else "replaceFullPath"
    try:
        if path.replace_full_path is not None:
            return ReplaceFullPath(path.replace_full_path)
        return ReplacePrefixMatch(site.prefix or "/", path.replace_prefix_match or "")
    except ConfigurationError as error:
        raise UnsupportedError(error, *below, member) from None


def _request_headers(written: RouteFilter, site: Site) -> Iterator[Filter]:
    del site
    change = written.request_header_modifier
    assert change is not None
    yield RequestHeaderModifier(set=_pairs(change.set), add=_pairs(change.add), remove=tuple(change.remove))


def _response_headers(written: RouteFilter, site: Site) -> Iterator[Filter]:
    del site
    change = written.response_header_modifier
    assert change is not None
    yield ResponseHeaderModifier(set=_pairs(change.set), add=_pairs(change.add), remove=tuple(change.remove))


def _pairs(headers: Iterable[HTTPHeader]) -> tuple[tuple[str, str], ...]:
    return tuple((header.name, header.value) for header in headers)


def _request_redirect(written: RouteFilter, site: Site) -> Iterator[Filter]:
    redirect = written.request_redirect
    assert redirect is not None
    _refuse_address(redirect.hostname)
    yield RequestRedirect(
        scheme=redirect.scheme,
        hostname=redirect.hostname,
        port=redirect.port,
        path=_path(redirect.path, site, "requestRedirect", "path"),
        status=redirect.status_code,
        listener_port=site.port or None,
    )


def _cors(written: RouteFilter, site: Site) -> Iterator[Filter]:
    del site
    cors = written.cors
    assert cors is not None
    yield CORS(
        allow_origins=tuple(cors.allow_origins),
        allow_credentials=bool(cors.allow_credentials),
        allow_methods=tuple(cors.allow_methods),
        allow_headers=tuple(cors.allow_headers),
        expose_headers=tuple(cors.expose_headers),
        max_age=cors.max_age,
    )


def _extension(written: RouteFilter, site: Site) -> Iterator[Filter]:
    ref = written.extension_ref
    assert ref is not None
    translate = EXTENSIONS.get((ref.group, ref.kind))
    if translate is None:
        sentence = f"extensionRef to {ref.group} {ref.kind} is not supported"
        yield site.missing("InvalidKind", sentence, "extensionRef", "kind")
        return
    yield from translate(ref.name, site)


def _request_mirror(written: RouteFilter, site: Site) -> Iterator[Mirror]:
    mirror = written.request_mirror
    assert mirror is not None
    backend = site.backend(mirror.backend_ref)
    # Without its backend there is no copy, and the request itself goes on (HTTPRequestMirrorFilter).
    if isinstance(backend, Backend):
        yield Mirror(backend, _share(mirror))


def _share(mirror: HTTPRequestMirror) -> float:
    if mirror.fraction is not None:
        return mirror.fraction.numerator / mirror.fraction.denominator
    return 1.0 if mirror.percent is None else mirror.percent / 100


def _external_auth(written: RouteFilter, site: Site) -> Iterator[ExternalAuth]:
    auth = written.external_auth
    assert auth is not None
    if auth.http is None:
        site.unknown("external auth over gRPC is not supported", "externalAuth", "protocol")
        return
    yield ExternalAuth(
        site.backend(auth.backend_ref),
        path=auth.http.path or "",
        request_headers=tuple(header_name(name) for name in auth.http.allowed_headers),
        response_headers=tuple(header_name(name) for name in auth.http.allowed_response_headers) or None,
        max_body=(auth.forward_body.max_size or 0) if auth.forward_body else 0,
    )


TRANSLATORS: dict[FilterType, Translator] = {
    "URLRewrite": _url_rewrite,
    "RequestHeaderModifier": _request_headers,
    "ResponseHeaderModifier": _response_headers,
    "RequestRedirect": _request_redirect,
    "CORS": _cors,
    "ExtensionRef": _extension,
    "RequestMirror": _request_mirror,
    "ExternalAuth": _external_auth,
}

EXTENSIONS: dict[tuple[str, str], Callable[[str, Site], Iterable[Filter]]] = {}
"""What an extensionRef may name, by group and kind; each kind's own file adds its row."""
