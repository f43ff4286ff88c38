"""What some tests do besides sending requests: edits of their objects, and counting of answers.

Each procedure raises ``Unmet`` with the first thing that did not come true.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import counting
from .cases import Condition, Test
from .certificates import INFRA, Certificates
from .stage import Manifest, Stage, Unmet
from .websocket import exchange_message

Step = Callable[[Stage, Test, Certificates], None]


def _nothing(stage: Stage, test: Test, certificates: Certificates) -> None:
    pass


@dataclass(frozen=True)
class Procedure:
    """Steps before the assertions and cases of a test, and after them."""

    before: Step = _nothing
    after: Step = _nothing


def _modify_listeners(stage: Stage, test: Test, certificates: Certificates) -> None:
    _edit_spec(stage, f"{INFRA}/gateway-add-listener", _with_listener("http", "data.test.com"))
    _edit_spec(stage, f"{INFRA}/gateway-remove-listener", _without_listener("https"))


def _bump_gateway(stage: Stage, test: Test, certificates: Certificates) -> None:
    _edit_spec(stage, f"{INFRA}/gateway-observed-generation-bump", _with_listener("alternate", "foo.com"))


def _bump_route(stage: Stage, test: Test, certificates: Certificates) -> None:
    def change(spec: Manifest) -> None:
        spec["rules"][0]["backendRefs"][0]["name"] = "infra-backend-v2"

    _edit_spec(stage, f"{INFRA}/observed-generation-bump", change, "HTTPRoute")


def _optional_address(stage: Stage, test: Test, certificates: Certificates) -> None:
    def wrong() -> list[str]:
        status = _status(stage, "Gateway", f"{INFRA}/gateway-without-address-value")
        addresses: list[Manifest] = status.get("addresses") or []
        return [] if any(each.get("type") for each in addresses) else [f"status.addresses is {addresses}"]

    stage.until(wrong)


def _static_addresses(stage: Stage, test: Test, certificates: Certificates) -> None:
    name = f"{INFRA}/gateway-static-addresses"
    gateway = stage.object("Gateway", name)
    _await_conditions(stage, name, [Condition("Accepted", "False", "UnsupportedAddress")])
    del gateway["spec"]["addresses"][0]
    stage.apply()
    unusable = [Condition("Accepted", "True", "Accepted"), Condition("Programmed", "False", "AddressNotUsable")]
    _await_conditions(stage, name, unusable)
    del gateway["spec"]["addresses"][0]
    stage.apply()
    _await_conditions(stage, name, [Condition("Accepted", "True"), Condition("Programmed", "True")])
    wanted = [{"type": "IPAddress", "value": gateway["spec"]["addresses"][0]["value"]}]
    found = _status(stage, "Gateway", name).get("addresses")
    if found != wanted:
        raise Unmet(f"status.addresses is {found} instead of {wanted}")


def _only_refused(stage: Stage, test: Test, certificates: Certificates) -> None:
    """At most one parent entry, and not accepted."""

    def wrong() -> list[str]:
        name = "gateway-conformance-web-backend/invalid-cross-namespace-parent-ref"
        parents: list[Manifest] = _status(stage, "HTTPRoute", name).get("parents") or []
        conditions = [each for parent in parents for each in parent["conditions"]]
        accepted = [each for each in conditions if each["type"] == "Accepted" and each["status"] == "True"]
        return [f"status.parents is {parents}"] if len(parents) > 1 or accepted else []

    stage.until(wrong)


def _delete_grant(stage: Stage, test: Test, certificates: Certificates) -> None:
    stage.objects = [each for each in stage.objects if each["kind"] != "ReferenceGrant"]
    stage.apply()
    case = test.cases[0]

    def wrong() -> list[str]:
        status = stage.probe(case.gateway, certificates).send(case.request).answer.status
        return [] if status == 500 else [f"status {status} after the ReferenceGrant was deleted, instead of 500"]

    stage.until(wrong)


def _echo_message(stage: Stage, test: Test, certificates: Certificates) -> None:
    def wrong() -> list[str]:
        try:
            came = exchange_message(stage.addresses[f"{INFRA}/same-namespace"], 80, "/ws", "a message")
        except Exception as error:  # noqa: BLE001  websockets' errors have no base of their own for handshakes
            return [f"no WebSocket: {error!r}"]
        return [] if came == "a message" else [f"{came!r} came back"]

    stage.until(wrong)


def _with_listener(name: str, hostname: str) -> Callable[[Manifest], None]:
    def change(spec: Manifest) -> None:
        allowed = {"namespaces": {"from": "All"}}
        listener = {"name": name, "port": 80, "protocol": "HTTP", "hostname": hostname, "allowedRoutes": allowed}
        spec["listeners"].append(listener)

    return change


def _without_listener(name: str) -> Callable[[Manifest], None]:
    def change(spec: Manifest) -> None:
        spec["listeners"] = [each for each in spec["listeners"] if each["name"] != name]

    return change


def _edit_spec(stage: Stage, name: str, change: Callable[[Manifest], None], kind: str = "Gateway") -> None:
    """Change an object, and wait until it has another generation that all its conditions carry."""
    before = _generation(stage, kind, name)
    change(stage.object(kind, name)["spec"])
    stage.apply()

    def wrong() -> list[str]:
        now = _generation(stage, kind, name)
        stale = [each["type"] for each in _conditions(stage, kind, name) if each.get("observedGeneration") != now]
        return [f"generation is still {now}"] if now == before else stale and [f"{stale} are not of generation {now}"]

    stage.until(wrong, name)


def _conditions(stage: Stage, kind: str, name: str) -> list[Mapping[str, Any]]:
    status = _status(stage, kind, name)
    holders = [status, *status.get("listeners", ()), *status.get("parents", ())]
    return [each for holder in holders for each in holder.get("conditions") or ()]


def _await_conditions(stage: Stage, name: str, wanted: Sequence[Condition]) -> None:
    stage.until(lambda: stage.statuses().wrong_conditions("Gateway", name, wanted), name)


def _status(stage: Stage, kind: str, name: str) -> Manifest:
    return stage.statuses().get(kind, name).get("status") or {}


def _generation(stage: Stage, kind: str, name: str) -> int | None:
    return stage.statuses().get(kind, name).get("metadata", {}).get("generation")


PROCEDURES: Mapping[str, Procedure] = {
    "GatewayModifyListeners": Procedure(before=_modify_listeners),
    "GatewayObservedGenerationBump": Procedure(before=_bump_gateway),
    "GatewayOptionalAddressValue": Procedure(before=_optional_address),
    "GatewayStaticAddresses": Procedure(before=_static_addresses),
    "HTTPRouteBackendProtocolWebSocket": Procedure(after=_echo_message),
    "HTTPRouteInvalidCrossNamespaceParentRef": Procedure(after=_only_refused),
    "HTTPRouteObservedGenerationBump": Procedure(before=_bump_route),
    "HTTPRouteReferenceGrant": Procedure(after=_delete_grant),
    "HTTPRouteRequestHeaderModifierBackendWeights": Procedure(after=counting.backend_header_fits),
    "HTTPRouteRequestPercentageMirror": Procedure(after=counting.mirrored_share),
    "HTTPRouteWeight": Procedure(after=counting.weighted_share),
}
