"""Filters of a rule or backendRef into filter values. A filter that manifests can name is one row here.

What cannot be resolved becomes a ``Refusal``, what is not understood refuses its whole rule: a route never
runs without a filter. RequestMirror and ExternalAuth are no filters on heads; ``rules`` has them.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gateway_filters.errors import ConfigurationError, ManifestError
from gateway_filters.filters import (
    CORS,
    Filter,
    Refusal,
    ReplaceFullPath,
    ReplacePrefixMatch,
    RequestHeaderModifier,
    RequestRedirect,
    ResponseHeaderModifier,
    URLRewrite,
)
from gateway_filters.filters.url_rewrite import PathModifier
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.matches import Cookies
from gateway_filters.gateway_api.resources import HTTPHeader, HTTPPathModifier, HTTPRoute, RouteFilter
from gateway_filters.gateway_api.translation import Context


@dataclass
class FilterSite:
    """Where a filter stands, and what is found out about it there.

    ``prefix`` is the one path prefix that its rule matches, None where there is no such one; ``port`` is the
    listener's. ``cookies`` are further conditions, of which one group must hold; ``host_of_backend`` asks for
    the Host of the chosen backend.
    """

    context: Context
    route: HTTPRoute
    location: Location
    prefix: str | None = None
    port: int = 0
    unresolved: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    unsupported: list[str] = field(default_factory=list[str])
    cookies: tuple[Cookies, ...] = ()
    host_of_backend: bool = False

    def missing(self, reason: str, sentence: str, *below: str | int) -> Refusal:
        """Refuse the requests that would pass a filter that is not there, and say so."""
        self.unresolved.append((reason, self.context.problem(self.route, (*self.location, *below), sentence)))
        return Refusal(sentence)

    def unknown(self, sentence: str, *below: str | int) -> None:
        """Say that a filter is not understood, which refuses its rule."""
        self.unsupported.append(self.context.problem(self.route, (*self.location, *below), sentence))

    def error(self, error: ConfigurationError, *below: str | int) -> ManifestError:
        """The error for a value that no filter can be made of."""
        return self.context.refused(self.route, (*self.location, *below), error)


Translator = Callable[[RouteFilter, FilterSite], Iterable[Filter]]


def translate_filter(written: RouteFilter, site: FilterSite) -> Iterator[Filter]:
    """The filter values for ``written``.

    Raises ``ManifestError`` for a value that nothing can be made of, and a plain ``ConfigurationError`` for
    one that only the text of the specification forbids.
    """
    translator = TRANSLATORS.get(written.type)
    if translator is None:
        site.unknown(f"filters of type {written.type} are not supported here", "type")
        return
    yield from translator(written, site)


def _url_rewrite(written: RouteFilter, site: FilterSite) -> Iterator[Filter]:
    rewrite = written.url_rewrite
    assert rewrite is not None
    yield URLRewrite(hostname=rewrite.hostname, path=_path(rewrite.path, site, "urlRewrite", "path"))


def _path(path: HTTPPathModifier | None, site: FilterSite, *below: str) -> PathModifier | None:
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
        raise site.error(error, *below, member) from None


def _request_headers(written: RouteFilter, site: FilterSite) -> Iterator[Filter]:
    del site
    change = written.request_header_modifier
    assert change is not None
    yield RequestHeaderModifier(set=_pairs(change.set), add=_pairs(change.add), remove=tuple(change.remove))


def _response_headers(written: RouteFilter, site: FilterSite) -> Iterator[Filter]:
    del site
    change = written.response_header_modifier
    assert change is not None
    yield ResponseHeaderModifier(set=_pairs(change.set), add=_pairs(change.add), remove=tuple(change.remove))


def _pairs(headers: Iterable[HTTPHeader]) -> tuple[tuple[str, str], ...]:
    return tuple((header.name, header.value) for header in headers)


def _request_redirect(written: RouteFilter, site: FilterSite) -> Iterator[Filter]:
    redirect = written.request_redirect
    assert redirect is not None
    yield RequestRedirect(
        scheme=redirect.scheme,
        hostname=redirect.hostname,
        port=redirect.port,
        path=_path(redirect.path, site, "requestRedirect", "path"),
        status=redirect.status_code,
        listener_port=site.port or None,
    )


def _cors(written: RouteFilter, site: FilterSite) -> Iterator[Filter]:
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


def _extension(written: RouteFilter, site: FilterSite) -> Iterator[Filter]:
    ref = written.extension_ref
    assert ref is not None
    translate = EXTENSIONS.get((ref.group, ref.kind))
    if translate is None:
        sentence = f"extensionRef to {ref.group} {ref.kind} is not supported"
        yield site.missing("InvalidKind", sentence, "extensionRef", "kind")
        return
    yield from translate(ref.name, site)


TRANSLATORS: dict[str, Translator] = {
    "URLRewrite": _url_rewrite,
    "RequestHeaderModifier": _request_headers,
    "ResponseHeaderModifier": _response_headers,
    "RequestRedirect": _request_redirect,
    "CORS": _cors,
    "ExtensionRef": _extension,
}

EXTENSIONS: dict[tuple[str, str], Callable[[str, FilterSite], Iterable[Filter]]] = {}
"""What an extensionRef may name, by group and kind; each kind's own file adds its row."""
