"""How credentials of routes stand, as conditions: which is in use, since when, what is odd, who gets it in clear.

Gateway API has no conditions for this, so their types bear our name in front (API conventions of Kubernetes). They are
made when somebody looks, not when manifests are translated: a mounted Secret changes without any manifest.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway_filters.errors import SecretUnavailable
from gateway_filters.filters import CredentialInjection
from gateway_filters.gateway_api.destinations import WARNING, in_plain_text
from gateway_filters.gateway_api.resources import Backend, HTTPRoute, Resource
from gateway_filters.gateway_api.translation import qualified
from gateway_filters.message.doubts import doubts
from gateway_filters.message.secret import SecretSource, SecretState, rfc3339
from gateway_filters.routing import Listener, Route

Json = dict[str, Any]

SourceStates = tuple[tuple[str | None, str], ...]
"""Of each source the fingerprint in use and what is wrong: all that is said but times."""

UNAVAILABLE = "SecretUnavailable"
"""Why a route cannot serve: it has no credential to inject."""

CREDENTIALS_READY = "gateway-filters/CredentialsReady"
CREDENTIALS_IN_CLEAR = "gateway-filters/CredentialsInClear"


class Remembered:
    """What whoever looks again and again has seen: since when a credential is here, and a condition as it is."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._conditions: dict[tuple[str, int], Json] = {}

    def only(self, fingerprints: Iterable[str | None], names: Collection[str]) -> None:
        """Forget all other credentials and routes."""
        now = datetime.now(UTC).timestamp()
        self._seen = {each: self._seen.get(each, now) for each in fingerprints if each is not None}
        self._conditions = {place: each for place, each in self._conditions.items() if place[0] in names}

    def aged(self, state: SecretState) -> SecretState:
        """The state of a source, with an age of ours where the source knows none."""
        if state.since is not None or state.fingerprint is None:
            return state
        return replace(state, since=self._seen.get(state.fingerprint))

    def carry(self, place: tuple[str, int], condition: Json) -> None:
        """Give a condition that says what it said before the time from before (Kubernetes, Condition)."""
        before = self._conditions.get(place)
        if before is not None and before["status"] == condition["status"]:
            condition["lastTransitionTime"] = before["lastTransitionTime"]
        self._conditions[place] = condition


class CredentialStatus:
    """The credentials that the routes of ``listeners`` inject, and how they stand whenever somebody looks."""

    def __init__(self, listeners: Iterable[Listener], remembered: Remembered | None = None) -> None:
        injecting = [route for listener in listeners for route in listener.routes if route.injections]
        self._used = _injections(injecting)
        self._in_clear = {backend.name: route.name for route in injecting for _, backend in in_plain_text(route)}
        self._sources = tuple(dict.fromkeys(each.source for used in self._used.values() for each in used))
        self._remembered = remembered
        self._states: dict[SecretSource, SecretState] = {}

    def look(self) -> SourceStates:
        """What is in use now and what is wrong with it."""
        self._states = {each: each.state() for each in self._sources}
        if self._remembered:
            self._remembered.only((each.fingerprint for each in self._states.values()), self._used)
        return tuple((state.fingerprint, state.failure) for state in self._states.values())

    def troubles(self) -> Iterator[tuple[str, str]]:
        """Of the last look: each HTTPRoute with a credential that is missing or not confirmed, and the reason."""
        for name, used in self._used.items():
            reason = _trouble([self._states[each.source] for each in used])
            if reason:
                yield name, reason

    def missing(self) -> Iterator[str]:
        """Of the last look: a sentence for each credential that an HTTPRoute has to do without."""
        for name, used in self._used.items():
            for state in dict.fromkeys(self._states[each.source] for each in used):
                if state.fingerprint is None:
                    yield f"HTTPRoute {name} has no credential: {state.failure}"

    def told(self, resource: Resource, status: Json) -> Json:
        """The status of an object with what the last look has found.

        An HTTPRoute that injects has a condition for each parent, a Backend that gets credentials in plain HTTP one.
        """
        if isinstance(resource, HTTPRoute):
            return self._route(qualified(resource), status)
        sender = self._in_clear.get(qualified(resource)) if isinstance(resource, Backend) else None
        if sender is None:
            return status
        return {**status, "conditions": [*status["conditions"], _sent_in_clear(sender, status["conditions"][0])]}

    def _route(self, name: str, status: Json) -> Json:
        used = tuple(self._used.get(name, ()))
        if not used:
            return status
        parents = [self._parent(name, place, parent, used) for place, parent in enumerate(status["parents"])]
        return {**status, "parents": parents}

    def _parent(self, name: str, place: int, parent: Json, used: tuple[CredentialInjection, ...]) -> Json:
        made = _condition([(each, self._state(each.source)) for each in used], parent["conditions"][0])
        if self._remembered:
            self._remembered.carry((name, place), made)
        return {**parent, "conditions": [*parent["conditions"], made]}

    def _state(self, source: SecretSource) -> SecretState:
        state = self._states[source]
        return self._remembered.aged(state) if self._remembered else state


def _injections(routes: Iterable[Route]) -> dict[str, dict[CredentialInjection, None]]:
    """What injects credentials, by the namespace and name of the HTTPRoute, in order and each once."""
    found: dict[str, dict[CredentialInjection, None]] = {}
    for route in routes:
        found.setdefault(_http_route(route.name), {}).update(dict.fromkeys(route.injections))
    return found


def _http_route(name: str) -> str:
    """The namespace and name of the HTTPRoute that a route comes from."""
    return name.partition("/rules/")[0]


def _sent_in_clear(sender: str, usual: Json) -> Json:
    return {
        "type": CREDENTIALS_IN_CLEAR,
        "status": "True",
        "reason": "PlainHTTP",
        "message": f"{WARNING} from HTTPRoute {_http_route(sender)}",
        "observedGeneration": usual["observedGeneration"],
        "lastTransitionTime": usual["lastTransitionTime"],
    }


def _condition(stand: list[tuple[CredentialInjection, SecretState]], usual: Json) -> Json:
    states = [state for _, state in stand]
    return {
        "type": CREDENTIALS_READY,
        "status": "True" if all(state.fingerprint for state in states) else "False",
        "reason": _reason(stand),
        "message": "; ".join(f"{each.header}: {', '.join((str(state), *_doubts(each)))}" for each, state in stand),
        "observedGeneration": usual["observedGeneration"],
        "lastTransitionTime": max(_changed(state, usual["lastTransitionTime"]) for state in states),
    }


def _reason(stand: list[tuple[CredentialInjection, SecretState]]) -> str:
    doubtful = any(True for each, _ in stand for _ in _doubts(each))
    return _trouble([state for _, state in stand]) or ("SecretDoubtful" if doubtful else "Ready")


def _trouble(states: list[SecretState]) -> str:
    """Why credentials are not as they should be; empty where they are."""
    if not all(state.fingerprint for state in states):
        return UNAVAILABLE
    return "SecretStale" if any(state.failure for state in states) else ""


def _doubts(each: CredentialInjection) -> Iterator[str]:
    try:
        yield from doubts(each.source.current(), each.header)
    except SecretUnavailable:
        return


def _changed(state: SecretState, otherwise: str) -> str:
    """When what is said began: a credential to be there, or not to be confirmed any more."""
    moment = state.confirmed if state.failure else state.since
    return otherwise if moment is None else rfc3339(moment)
