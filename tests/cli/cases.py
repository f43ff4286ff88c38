"""Small manifests for the command's tests, and the command run on them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

import canary
from gateway_filters.cli import main

KEY = f"Bearer {canary.KEY}"
"""What the Secret of ``gateway_api.manifests`` holds, in base64 there."""

ENCODED = "QmVhcmVyIHNrLW5vdC1hLXJlYWwta2V5"


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def command(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Done:
    """Run ``gateway-filters`` in this process."""
    code = main([str(each) for each in arguments])
    captured = capsys.readouterr()
    return Done(code, captured.out, captured.err)


def gateway(name: str = "gw", *listeners: str) -> str:
    """A Gateway; a listener is the text of its fields."""
    written = listeners or ("name: http, protocol: HTTP, port: 8080",)
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  gatewayClassName: any
  listeners: [{", ".join(f"{{{each}}}" for each in written)}]
"""


def route(name: str, *rules: str, hostnames: str = "", parent: str = "gw") -> str:
    """An HTTPRoute of ``gw``; a rule is the text of its fields."""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: {parent}}}]
  hostnames: [{hostnames}]
  rules: [{", ".join(f"{{{each}}}" for each in rules)}]
"""


def backend(name: str, host: str = "one.example", port: int = 80) -> str:
    """A Backend with one endpoint."""
    return f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec:
  endpoints: [{{fqdn: {{hostname: {host}, port: {port}}}}}]
"""


def to(name: str, more: str = "") -> str:
    """A backendRef."""
    return f"{{group: gateway.envoyproxy.io, kind: Backend, name: {name}{more}}}"


def manifests(*documents: str) -> str:
    """One file of several documents."""
    return "\n---\n".join(documents)


ONE = f"backendRefs: [{to('one')}]"
"""A rule's only backend."""
