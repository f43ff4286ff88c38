"""What clients must show (SecurityPolicy: apiKeyAuth, basicAuth, jwt), out of Secrets and ConfigMaps."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway_filters.credentials import Expectations, KeySet, KeySource, Roll, RollSource
from gateway_filters.errors import ConfigurationError, KeysUnavailable
from gateway_filters.filters import APIKeyAuth, BasicAuth, InCookie, InHeader, InQuery, JWTAuth, JWTProvider
from gateway_filters.filters.places import Place
from gateway_filters.gateway_api import resources
from gateway_filters.gateway_api.asked_services import published_keys
from gateway_filters.gateway_api.documents import Location
from gateway_filters.gateway_api.grants import granted
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import ConfigMap, Secret, SecretObjectReference
from gateway_filters.gateway_api.secrets import values_of
from gateway_filters.gateway_api.translation import Context
from gateway_filters.gateway_api.unmet import UnmetError
from gateway_filters.gateway_api.upstream_tls import UpstreamTLS
from gateway_filters.secrets import FolderRoll, HoldsFolders, JoinedRoll, MakeRoll, api_keys, htpasswd

HTPASSWD_KEY = ".htpasswd"
"""The key of a Secret that holds the users of basicAuth; Envoy Gateway's API names no other."""

JWKS_KEY = "jwks"
"""The key of a ConfigMap that holds a set of keys; without it the first value is meant."""


@dataclass(frozen=True)
class PolicySite:
    """A policy that is read, and with what."""

    context: Context
    tls: UpstreamTLS
    policy: resources.SecurityPolicy


def api_key_auth(site: PolicySite, written: resources.APIKeyAuth) -> APIKeyAuth:
    """The filter for ``apiKeyAuth``; keys are taken off unless it says otherwise."""
    rolls = [
        _roll(site, ref, ("apiKeyAuth", "credentialRefs", index), _tolerant(site, index))
        for index, ref in enumerate(written.credential_refs)
    ]
    if not rolls:
        raise UnmetError("there is no Secret with API keys", "credentialRefs")
    fixed = [each for each in rolls if isinstance(each, Roll)]
    clients = Roll.joined(fixed) if len(fixed) == len(rolls) else JoinedRoll(rolls)
    places = tuple(place for source in written.extract_from for place in _places(source))
    sanitize = written.sanitize is not False
    return APIKeyAuth(clients, places, written.forward_client_id_header or None, sanitize=sanitize)


def basic_auth(site: PolicySite, written: resources.BasicAuth) -> BasicAuth:
    """The filter for ``basicAuth``; as in Envoy Gateway, credentials go on."""
    users = _roll(site, written.users, ("basicAuth", "users"), htpasswd(HTPASSWD_KEY))
    return BasicAuth(users, written.forward_username_header or None, sanitize=False)


def jwt(site: PolicySite, written: resources.JWT) -> JWTAuth:
    """The filter for ``jwt``; as in Envoy Gateway, tokens go on and need not end."""
    providers = tuple(_provider(site, each, index) for index, each in enumerate(written.providers))
    return JWTAuth(providers, optional=bool(written.optional), fail_open=bool(written.fail_open), sanitize=False)


def _provider(site: PolicySite, written: resources.JWTProvider, index: int) -> JWTProvider:
    if written.recompute_route:
        raise UnmetError("recomputeRoute is not supported", "providers", index, "recomputeRoute")
    expected = Expectations(written.issuer or None, tuple(written.audiences), expires=False)
    headers = tuple((each.claim, each.header) for each in written.claim_to_headers or ())
    keys = _keys(site, written, index)
    places = tuple(_token_places(written.extract_from)) if written.extract_from else ()
    if places:
        return JWTProvider(written.name, keys, expected, places, claim_to_headers=headers)
    return JWTProvider(written.name, keys, expected, claim_to_headers=headers)


def _keys(site: PolicySite, written: resources.JWTProvider, index: int) -> KeySource:
    if written.remote_jwks is not None:
        try:
            return published_keys(site.context, site.tls, site.policy, written.remote_jwks)
        except UnmetError as error:
            raise UnmetError(str(error), "providers", index, "remoteJWKS", *error.below, reason=error.reason) from None
    local = written.local_jwks
    assert local is not None
    text = local.inline if local.value_ref is None else _from_config_map(site, local.value_ref, index)
    return KeySet(text or "", f"the key set of provider {written.name}")


def _from_config_map(site: PolicySite, ref: resources.LocalObjectReference, index: int) -> str:
    where = ("providers", index, "localJWKS", "valueRef")
    if (ref.group, ref.kind) != ("", "ConfigMap"):
        raise UnmetError(f"keys cannot be in a {ref.kind}", *where)
    found = site.context.objects.find("", "ConfigMap", namespace_of(site.policy), ref.name)
    if not isinstance(found, ConfigMap):
        raise UnmetError(f"ConfigMap {ref.name} does not exist", *where)
    return found.data.get(JWKS_KEY, next(iter(found.data.values()), ""))


def _places(source: resources.APIKeySource) -> Iterator[Place]:
    yield from map(InHeader, source.headers or ())
    yield from map(InQuery, source.params or ())
    yield from map(InCookie, source.cookies or ())


def _token_places(source: resources.JWTSources) -> Iterator[Place]:
    yield from (InHeader(each.name, each.value_prefix or "") for each in source.headers)
    yield from map(InQuery, source.params)
    yield from map(InCookie, source.cookies)


def _tolerant(site: PolicySite, index: int) -> MakeRoll:
    """A roll in which a key that nobody can show lets nobody in, and is told."""
    where = ("spec", "apiKeyAuth", "credentialRefs", index)

    def make(values: Mapping[str, bytes], what: str) -> Roll:
        return api_keys(values, what, lambda sentence: site.context.problem(site.policy, where, sentence))

    return make


def _roll(site: PolicySite, ref: SecretObjectReference, where: Location, make: MakeRoll) -> RollSource:
    """What ``make`` makes of a Secret among the manifests, or again and again of one in the store."""
    below = where[1:]
    namespace = ref.namespace or namespace_of(site.policy)
    what = f"Secret {namespace}/{ref.name}"
    if (ref.group, ref.kind) != ("", "Secret"):
        raise UnmetError(f"credentials cannot be in a {ref.kind}", *below)
    if not granted(site.context.objects, site.policy, "", "Secret", namespace, ref.name):
        raise UnmetError(f"no ReferenceGrant allows {what}", *below, reason="RefNotPermitted")
    found = site.context.objects.find("", "Secret", namespace, ref.name)
    if isinstance(found, Secret):
        return _made(lambda: make(values_of(found), what), below)
    store = site.context.store
    folder = store.folder(namespace, ref.name) if isinstance(store, HoldsFolders) else None
    if folder is None:
        raise UnmetError(f"{what} does not exist", *below)
    source = FolderRoll(folder, make, what)
    try:
        source.current()
    except KeysUnavailable as error:
        sentence = f"{error}: requests are answered with 503 until there is one"
        site.context.problem(site.policy, ("spec", *where), sentence)
    return source


def _made(make: Callable[[], Roll], below: Location) -> Roll:
    try:
        return make()
    except ConfigurationError as error:
        raise UnmetError(str(error), *below) from None
