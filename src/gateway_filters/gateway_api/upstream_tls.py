"""TLS to backends, as everybody who has a say in it wants it: a BackendTLSPolicy, the Backend, the Gateway.

Facts
- Names and authorities of a policy win over those of the Backend, which is then verified whatever it says itself
  (Envoy Gateway, BackendSpec.tls). Everything else is the Backend's.
- The certificate that we show is the Backend's own, else the Gateway's, which is for all of its TLS backends
  (Gateway API, GatewayBackendTLS).
- What cannot be met makes a backend unusable: never is a request sent in plain text instead, nor to somebody
  who was not verified, nor without the certificate that was to be shown.
"""

from dataclasses import dataclass, replace
from typing import Self

from gateway_filters.gateway_api.addresses import endpoint_fault
from gateway_filters.gateway_api.backend_tls import own_tls, says_whom_to_trust
from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.objects import Key, Question, key_of, namespace_of
from gateway_filters.gateway_api.resources import ENVOY_GROUP, Backend
from gateway_filters.gateway_api.resources import BackendTLS as WrittenTLS
from gateway_filters.gateway_api.tls_policies import TLSPolicies, UnmetTLSError
from gateway_filters.gateway_api.translation import Context, qualified
from gateway_filters.routing import BackendTLS, CertificatePair


@dataclass(frozen=True, slots=True)
class Shown:
    """The certificate that a Gateway shows to backends: none, one, or the reason why it cannot be had."""

    pair: CertificatePair | None = None
    fault: str = ""


NOTHING = Shown()


class BackendsTLS:
    """The TLS to all Backends, their policies included, and their conditions."""

    def __init__(self, context: Context, policies: TLSPolicies) -> None:
        self._context = context
        self._policies = policies
        self._own: dict[Question, BackendTLS | None] = {}
        self.conditions: dict[Key, Conditions] = {}
        for backend in context.objects.of(Backend):
            self._add(backend)

    def tls_for(self, backend: Backend) -> BackendTLS | None:
        """The TLS to a Backend, None where nobody asks for it; raises ``UnmetTLSError``."""
        policy = self._policy(backend)
        if backend.spec.tls is None:
            return policy
        own = self._own[key_of(backend)]
        if own is None:
            raise UnmetTLSError(f"tls of Backend {qualified(backend)} cannot be met", "InvalidBackendTLS")
        if policy is None:
            return own
        return replace(policy, certificate=own.certificate, parameters=own.parameters)

    def said_of(self, target: Question) -> BackendTLS | None:
        """What a Backend says itself, given its group, kind, namespace and name; to be compared."""
        return self._own.get(target)

    def _policy(self, backend: Backend) -> BackendTLS | None:
        """The policy for all endpoints, which are reached alike; a section of a Backend is a port."""
        place = (namespace_of(backend), ENVOY_GROUP, "Backend", backend.metadata.name)
        ports = {str(each.port) for each in backend.spec.endpoints}
        found = {self._policies.tls_for(*place, (port,)) for port in ports} or {self._policies.tls_for(*place, ())}
        if len(found) > 1:
            raise UnmetTLSError(f"the ports of Backend {qualified(backend)} have different BackendTLSPolicies")
        return found.pop()

    def _add(self, backend: Backend) -> None:
        conditions = self.conditions[key_of(backend)] = Conditions("Accepted")
        if backend.spec.tls is not None:
            self._own[key_of(backend)] = self._met(backend, backend.spec.tls, conditions)
            for condition in conditions:
                if not condition.holds:
                    self._context.problem(backend, ("spec", "tls"), condition.message)
        if backend.spec.type != "Endpoints" and not self._context.dynamic_hosts:
            conditions.fail("Accepted", "Invalid", "a DynamicResolver needs hosts that it may reach")
        for index, each in enumerate(backend.spec.endpoints):
            if sentence := endpoint_fault(each):
                conditions.fail("Accepted", "Invalid", sentence)
                self._context.problem(backend, ("spec", "endpoints", index, "fqdn", "hostname"), sentence)

    def _met(self, backend: Backend, tls: WrittenTLS, conditions: Conditions) -> BackendTLS | None:
        if not says_whom_to_trust(tls) and not self._has_policy(backend):
            sentence = "tls needs caCertificateRefs, wellKnownCACertificates or a BackendTLSPolicy"
            conditions.fail("Accepted", "Invalid", sentence)
        return own_tls(self._context, backend, tls, conditions)

    def _has_policy(self, backend: Backend) -> bool:
        try:
            return self._policy(backend) is not None
        except UnmetTLSError:
            return True  # one that cannot be met, which is said of the policy


@dataclass(frozen=True, slots=True)
class UpstreamTLS:
    """What everybody says, for requests that come in through a Gateway that shows ``shown``."""

    policies: TLSPolicies
    backends: BackendsTLS
    shown: Shown = NOTHING

    @classmethod
    def of(cls, context: Context) -> Self:
        """What the policies and Backends of ``context`` say."""
        policies = TLSPolicies(context)
        return cls(policies, BackendsTLS(context, policies))

    def to_service(self, namespace: str, name: str, port: str | None) -> BackendTLS | None:
        """The TLS to a Service's port of that name, None for none; raises ``UnmetTLSError``."""
        sections = (port,) if port else ()
        return self._with_certificate(self.policies.tls_for(namespace, "", "Service", name, sections))

    def to_backend(self, backend: Backend) -> BackendTLS | None:
        """The TLS to a Backend, None for none; raises ``UnmetTLSError``."""
        return self._with_certificate(self.backends.tls_for(backend))

    def said_of(self, target: Question) -> tuple[object, ...]:
        """All that counts for a target, given as its group, kind, namespace and name; to be compared."""
        return (self.policies.said_of(target), self.backends.said_of(target))

    def _with_certificate(self, tls: BackendTLS | None) -> BackendTLS | None:
        if tls is None or tls.certificate is not None:
            return tls
        if self.shown.fault:
            raise UnmetTLSError(self.shown.fault)
        return tls if self.shown.pair is None else replace(tls, certificate=self.shown.pair)
