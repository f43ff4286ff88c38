"""Credentials that anybody may spend: injected for clients of whom nobody knows who they are, beyond this machine.

Whoever reaches such a port spends the key behind it, so ``run`` refuses to open it unless told that this is meant.
"""

from collections.abc import Iterator

from gateway_filters.filters import CredentialInjection, Refusal
from gateway_filters.gateway_api.addresses import is_loopback
from gateway_filters.gateway_api.load import Translation
from gateway_filters.gateway_api.resources import GATEWAY_GROUP
from gateway_filters.gateway_api.translation import Problem
from gateway_filters.routing import Backend, Listener, Route, WeightedBackend, place_of


def exposures(translation: Translation) -> Iterator[Problem]:
    """Each rule that injects a credential for strangers, with the listener and the address where they may come from.

    As advice, since it is served as it is written where somebody says so.
    """
    for listener in translation.listeners:
        beyond = [each for each in listener.addresses if not is_loopback(each)]
        if beyond and not _knows_clients(listener):
            rules = dict.fromkeys(_rule(route) for route in listener.routes if _spent_by_strangers(route))
            yield from (_problem(translation, rule, listener, address) for rule in rules for address in beyond)


def _problem(translation: Translation, rule: tuple[str, int], listener: Listener, address: str) -> Problem:
    name, index = rule
    namespace, _, own = name.partition("/")
    key = (GATEWAY_GROUP, "HTTPRoute", namespace, own)
    resource = translation.objects.find(*key)
    assert resource is not None, f"route {name} comes from nowhere"
    door = f"listener {listener.name} at {place_of((address, listener.port))}"
    sentence = f"it injects a credential for whoever reaches {door}, and nothing authenticates them"
    document = translation.objects.document(resource)
    return Problem(key, ("spec", "rules", index), sentence, document, advice=True)


def _rule(route: Route) -> tuple[str, int]:
    """The namespace and name of a route's HTTPRoute, and the place of its rule."""
    name, _, rest = route.name.partition("/rules/")
    return name, int(rest.partition("/")[0])


def _spent_by_strangers(route: Route) -> bool:
    if not route.injections or any(isinstance(each, Refusal) for each in route.filters):
        return False
    if route.security is not None and route.security.authenticates:
        return False
    return not _permitted(route) and any(_open(route, each) for each in route.backends)


def _open(route: Route, chosen: WeightedBackend) -> bool:
    """Whether a backend is reached with a credential by somebody whom no service has permitted."""
    injects = any(isinstance(each, CredentialInjection) for each in (*route.filters, *chosen.filters))
    return injects and isinstance(chosen.backend, Backend) and not _permitted(chosen)


def _permitted(stage: Route | WeightedBackend) -> bool:
    return any(not each.fail_open for each in stage.auth)


def _knows_clients(listener: Listener) -> bool:
    """Whether a client must show a certificate of an authority that is named."""
    tls = listener.tls
    return tls is not None and tls.client_cas is not None and tls.clients_required
