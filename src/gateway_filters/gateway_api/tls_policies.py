"""BackendTLSPolicies: which one counts for a backend, and the TLS it means.

A policy that cannot be met makes its backend unusable: never is a request sent in plain text instead.
"""

from collections.abc import Iterator

from gateway_filters.gateway_api.certificates import authorities_of
from gateway_filters.gateway_api.conditions import Conditions
from gateway_filters.gateway_api.objects import Key, Question, key_of, namespace_of
from gateway_filters.gateway_api.resources import (
    Backend,
    BackendTLSPolicy,
    PolicyTargetReference,
    Service,
)
from gateway_filters.gateway_api.translation import Context, age, qualified
from gateway_filters.message.client import is_address
from gateway_filters.routing import BackendTLS, SubjectAltName

Target = tuple[str, str, str, str, str | None]
"""Namespace, group, kind, name and section of what a policy is for."""


class UnmetTLSError(Exception):
    """The TLS that somebody wants for a backend cannot be met; ``reason`` is the word for its routes' conditions."""

    def __init__(self, sentence: str, reason: str = "") -> None:
        super().__init__(sentence)
        self.reason = reason


class TLSPolicies:
    """All policies with their conditions; of several for one target the oldest counts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._winners: dict[Target, BackendTLSPolicy] = {}
        # Targets for which a policy names a section that they do not have: somebody meant TLS there.
        self._strays: dict[Target, BackendTLSPolicy] = {}
        self._tls: dict[Key, BackendTLS | None] = {}
        self.conditions: dict[Key, Conditions] = {}
        for policy in sorted(context.objects.of(BackendTLSPolicy), key=age):
            self._add(policy)

    def tls_for(self, namespace: str, group: str, kind: str, name: str, sections: tuple[str, ...]) -> BackendTLS | None:
        """The TLS to a backend, None where no policy asks for it; one that names the section goes first.

        Raises ``UnmetTLSError`` when the policy cannot be met.
        """
        for section in (*sections, None):
            policy = self._winners.get((namespace, group, kind, name, section))
            if policy is not None:
                return self._met(policy)
        stray = self._strays.get((namespace, group, kind, name, None))
        if stray is not None:
            raise UnmetTLSError(f"BackendTLSPolicy {qualified(stray)} names a section that {name} does not have")
        return None

    def said_of(self, target: Question) -> list[tuple[object, ...]]:
        """All that counts for a target, given as its group, kind, namespace and name; to be compared."""
        mentioned = (*self._winners.items(), *self._strays.items())
        return [
            (section, key_of(policy), self._tls[key_of(policy)])
            for (namespace, group, kind, name, section), policy in mentioned
            if (group, kind, namespace, name) == target
        ]

    def targets_of(self, policy: BackendTLSPolicy) -> Iterator[tuple[str, str, str, str]]:
        """What a policy is for: namespace, group, kind and name."""
        return ((namespace_of(policy), ref.group, ref.kind, ref.name) for ref in policy.spec.target_refs)

    def _met(self, policy: BackendTLSPolicy) -> BackendTLS:
        tls = self._tls[key_of(policy)]
        if tls is None:
            raise UnmetTLSError(f"BackendTLSPolicy {qualified(policy)} cannot be met")
        return tls

    def _add(self, policy: BackendTLSPolicy) -> None:
        conditions = Conditions("Accepted", "ResolvedRefs")
        self.conditions[key_of(policy)] = conditions
        for ref in policy.spec.target_refs:
            self._check_target(policy, ref, conditions)
            winner = self._winners.setdefault(_target(policy, ref), policy)
            if winner is not policy:
                conditions.fail("Accepted", "Conflicted", f"BackendTLSPolicy {qualified(winner)} is older")
        self._tls[key_of(policy)] = self._resolved(policy, conditions)
        for condition in conditions:
            if not condition.holds:
                self._context.problem(policy, ("spec",), condition.message)

    def _check_target(self, policy: BackendTLSPolicy, ref: PolicyTargetReference, conditions: Conditions) -> None:
        target = self._context.objects.find(ref.group, ref.kind, namespace_of(policy), ref.name)
        if not isinstance(target, (Backend, Service)):
            sentence = f"{ref.kind} {namespace_of(policy)}/{ref.name} does not exist"
            conditions.fail("Accepted", "TargetNotFound", sentence)
        elif ref.section_name is not None and ref.section_name not in _sections(target):
            sentence = f"{ref.kind} {qualified(target)} has no section {ref.section_name}"
            conditions.fail("Accepted", "TargetNotFound", sentence)
            self._strays[(namespace_of(policy), ref.group, ref.kind, ref.name, None)] = policy
        elif not _over_tcp(target, ref.section_name):
            conditions.fail("Accepted", "Invalid", f"{ref.kind} {qualified(target)} has no port for TCP there")

    def _resolved(self, policy: BackendTLSPolicy, conditions: Conditions) -> BackendTLS | None:
        validation = policy.spec.validation
        names = tuple(
            SubjectAltName(each.type, each.hostname or each.uri or "") for each in validation.subject_alt_names
        )
        if is_address(validation.hostname):
            conditions.fail("Accepted", "Invalid", f"host name {validation.hostname} is an address")
            return None
        if validation.well_known_ca_certificates == "System":
            return BackendTLS(validation.hostname, names=names)
        if validation.well_known_ca_certificates is not None:
            conditions.fail("Accepted", "Invalid", "wellKnownCACertificates must be System")
            return None
        cas = authorities_of(self._context, policy, validation.ca_certificate_refs, conditions)
        return None if cas is None else BackendTLS(validation.hostname, cas, names)


def _target(policy: BackendTLSPolicy, ref: PolicyTargetReference) -> Target:
    return (namespace_of(policy), ref.group, ref.kind, ref.name, ref.section_name)


def _sections(target: Backend | Service) -> set[str]:
    """What a policy may name of a target: ports of a Service by name, those of a Backend by number."""
    if isinstance(target, Service):
        return {port.name for port in target.spec.ports if port.name}
    return {str(each.port) for each in target.spec.endpoints if each.port}


def _over_tcp(target: Backend | Service, section: str | None) -> bool:
    if isinstance(target, Backend):
        return True
    return any(port.protocol == "TCP" for port in target.spec.ports if section in (None, port.name))
