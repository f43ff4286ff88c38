"""Credentials in plain HTTP: they go only where nothing asks for TLS, and somebody is told unless they stay here."""

import re
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from asgi_driver import exchange, http_scope
from gateway_api.manifests import ALL, changed
from gateway_filters import Gateway
from gateway_filters.errors import ConfigurationError
from gateway_filters.gateway_api.load import translate_files
from gateway_filters.gateway_api.status_file import all_shown

ENDPOINT = re.search(r"    - fqdn:\n.*\n.*\n.*\n", ALL)
assert ENDPOINT is not None
POLICY = ALL[ALL.index("apiVersion: gateway.networking.k8s.io/v1alpha3") :].partition("\n---")[0]
PLAIN = changed(POLICY, "")
STEP = ALL[ALL.index("        - type: ExtensionRef") : ALL.index("      matches:")]
SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: bailian}
spec: {ports: [{port: 443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: b, labels: {kubernetes.io/service-name: bailian}}
addressType: IPv4
ports: [{name: "", port: 443}]
endpoints: [{addresses: [%s]}]
"""


def at(endpoint: str) -> str:
    """The route to a plain Backend with this endpoint."""
    assert ENDPOINT is not None
    return changed(ENDPOINT[0], f"    - {endpoint}\n", PLAIN)


def to_service(address: str) -> str:
    """The route to a Service."""
    text = changed("- group: gateway.envoyproxy.io\n          kind: Backend", "- port: 443", PLAIN)
    return text + SERVICE % address


TOLD = {
    "to a host": at("fqdn: {hostname: provider.example, port: 80}"),
    "to the port of TLS without TLS": PLAIN,
    "to an address": at("ip: {address: 10.0.0.1, port: 80}"),
    "to one host of two": at("ip: {address: 127.0.0.1, port: 80}\n    - ip: {address: 10.0.0.1, port: 80}"),
    "to a Service": to_service("10.0.0.1"),
}
UNTOLD = {
    "over TLS": ALL,
    "to this machine": at("ip: {address: 127.0.0.1, port: 80}"),
    "to this machine in IPv6": at("ip: {address: '0:0:0:0:0:0:0:1', port: 80}"),
    "to a socket of this machine": at("unix: {path: /run/provider}"),
    "nothing is injected": changed(STEP, "", PLAIN),
}
IN_CLEAR = (
    "gateway-filters/CredentialsInClear True: it gets a credential in plain HTTP from HTTPRoute default/bailian-route"
)
SENTENCE = "HTTPRoute bailian-route, spec.rules[0].backendRefs[0]: it gets a credential in plain HTTP: default/bailian"


def told(tmp_path: Path, text: str) -> tuple[list[str], list[str]]:
    """The advice about manifests, and the Backend's conditions of ours with their messages."""
    (tmp_path / "all.yaml").write_text(text)
    translation = translate_files([tmp_path])
    conditions = [
        f"{each['type']} {each['status']}: {each['message']}"
        for value in all_shown(translation)
        if value["kind"] == "Backend"
        for each in value["status"]["conditions"]
        if "/" in each["type"]
    ]
    return [str(each) for each in translation.problems if each.advice and "plain HTTP" in str(each)], conditions


@pytest.mark.parametrize("text", TOLD.values(), ids=TOLD)
def test_who_sends_a_credential_in_clear_is_told(tmp_path: Path, text: str) -> None:
    """Where it is configured, with its place; and in the Backend's status, where it is one."""
    (sentence,), conditions = told(tmp_path, text)
    assert SENTENCE in sentence
    if "kind: Service" not in text:
        assert conditions == [IN_CLEAR]


async def test_what_goes_along_may_be_listed(tmp_path: Path) -> None:
    """Besides it, what filters of the rule write on purpose; rules that inject nothing forward everything."""
    modifier = """        - type: RequestHeaderModifier
          requestHeaderModifier: {set: [{name: X-Team, value: blue}]}
"""
    (tmp_path / "all.yaml").write_text(changed(STEP, modifier + STEP))
    seen = await _headers_sent(tmp_path, forwarded=("Content-Type",))
    assert seen == {b"content-type", b"x-team", b"authorization"}
    (tmp_path / "all.yaml").write_text(changed(STEP, modifier))
    assert b"x-user" in await _headers_sent(tmp_path, forwarded=("Content-Type",))


async def _headers_sent(folder: Path, forwarded: tuple[str, ...]) -> set[bytes]:
    """The names of the headers that the upstream gets."""
    seen: list[Scope] = []

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    gateway = Gateway.from_manifests(folder, forwarded=forwarded, upstreams=lambda _: upstream)
    sent = [(b"host", b"a"), (b"content-type", b"a/b"), (b"x-user", b"me"), (b"accept", b"*/*")]
    await exchange(gateway, http_scope("/v1/x", headers=sent))
    return {name for name, _ in seen[0]["headers"]} - {b"host"}


def test_what_is_listed_must_be_headers(tmp_path: Path) -> None:
    """The list is wrong, not a manifest."""
    (tmp_path / "all.yaml").write_text(ALL)
    with pytest.raises(ConfigurationError, match="no header"):
        translate_files([tmp_path], forwarded=["no header"])


UNFIT = {
    "is not verified": changed("  endpoints:\n", "  tls: {insecureSkipVerify: true}\n  endpoints:\n", PLAIN),
    "is whatever host a request names": changed(f"  endpoints:\n{ENDPOINT[0]}", "  type: DynamicResolver\n", PLAIN),
}


@pytest.mark.parametrize(("why", "text"), UNFIT.items(), ids=UNFIT)
def test_who_must_not_get_a_credential_is_told(tmp_path: Path, why: str, text: str) -> None:
    """Its share of the requests is 500, and the route says so."""
    (tmp_path / "all.yaml").write_text(text)
    translation = translate_files([tmp_path], dynamic_hosts=["*.example.com"])
    (problem,) = (str(each) for each in translation.problems if not each.advice)
    assert problem.endswith(f"backend default/bailian {why}, so no credential is sent to it")
    (status,) = (each for key, each in translation.statuses.items() if key[1] == "HTTPRoute")
    conditions = {each["type"]: each["status"] for each in status["parents"][0]["conditions"]}
    assert conditions == {"Accepted": "True", "ResolvedRefs": "False"}


@pytest.mark.parametrize("text", UNTOLD.values(), ids=UNTOLD)
def test_what_nobody_else_can_read_is_not_told(tmp_path: Path, text: str) -> None:
    """Over TLS, or without leaving this machine, or without a credential."""
    assert told(tmp_path, text) == ([], [])
