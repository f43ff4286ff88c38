"""The session persistence of a rule (Gateway API, SessionPersistence)."""

from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.objects import namespace_of
from gateway_filters.gateway_api.resources import HTTPRouteRule
from gateway_filters.gateway_api.resources.scalars import seconds
from gateway_filters.gateway_api.services import keeps_clients
from gateway_filters.gateway_api.site import Site
from gateway_filters.message.cookies import cookie_path
from gateway_filters.routing import SessionPersistence


def session_of(rule: HTTPRouteRule, name: str, site: Site) -> SessionPersistence | None:
    """The session that the rule of that ``name`` asks for; None for none, and for one that ``site`` was told of."""
    written = rule.session_persistence
    if written is None or _has_another(rule, site):
        return None
    lifetime = seconds(written.absolute_timeout)
    if written.header is not None:
        return SessionPersistence(written.header.name, header=True, lifetime=lifetime)
    cookie = written.cookie
    assert cookie is not None
    try:
        cookie_path(cookie.path)
    except ConfigurationError as error:
        site.unknown(str(error), "sessionPersistence", "cookie", "path")
        return None
    # Rules must not share sessions, so a cookie without a name is named after its rule.
    called = cookie.name or "session-" + name.replace("/", "-")
    return SessionPersistence(
        called, path=cookie.path, lifetime=lifetime, permanent=cookie.lifetime_type == "Permanent"
    )


def _has_another(rule: HTTPRouteRule, site: Site) -> bool:
    for index, ref in enumerate(rule.backend_refs):
        if keeps_clients(site.context.objects, ref.namespace or namespace_of(site.route), ref):
            sentence = f"Service {ref.name} has a sessionAffinity of its own, which excludes sessionPersistence"
            site.unknown(sentence, "backendRefs", index)
            return True
    return False
