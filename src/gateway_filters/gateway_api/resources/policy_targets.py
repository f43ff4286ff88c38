"""What a policy of Envoy Gateway is for: objects, and listeners or rules of them, by name or by their labels."""

from typing import ClassVar, Literal, LiteralString, Self

from pydantic import Field, model_validator

from gateway_filters.gateway_api.resources.listener import LabelSelector
from gateway_filters.gateway_api.resources.part import Items, Part, refusal
from gateway_filters.gateway_api.resources.references import GATEWAY_GROUP, LocalObjectReference
from gateway_filters.gateway_api.resources.scalars import Group, KindName, SectionName


class SectionTarget(LocalObjectReference):
    """What a policy is for: an object, or a listener or rule of it by name."""

    section_name: SectionName | None = None


class TargetNamespaces(Part):
    """The namespaces in which targets are selected."""

    from_: Literal["Same", "All", "Selector"] = Field(default="Same", alias="from")
    selector: LabelSelector | None = None

    @model_validator(mode="after")
    def _selector_by_from(self) -> Self:
        if self.from_ == "Selector" and self.selector is None:
            raise refusal("from: Selector needs selector", "selector")
        return self


class TargetSelector(LabelSelector):
    """What a policy is for: all objects of a kind with certain labels."""

    group: Group = GATEWAY_GROUP
    kind: KindName
    namespaces: TargetNamespaces | None = None

    @model_validator(mode="after")
    def _our_group(self) -> Self:
        if self.group != GATEWAY_GROUP:
            raise refusal("group must be gateway.networking.k8s.io", "group")
        return self


class PolicyTargets(Part):
    """The part of a policy's spec that says what it is for; each kind of policy has ``KINDS`` of targets."""

    KINDS: ClassVar[tuple[str, ...]]
    KINDS_SAID: ClassVar[LiteralString]

    target_ref: SectionTarget | None = None
    target_refs: Items[SectionTarget] | None = None
    target_selectors: Items[TargetSelector] = ()

    @property
    def targets(self) -> tuple[SectionTarget, ...]:
        """All targets that are named."""
        return (*((self.target_ref,) if self.target_ref else ()), *(self.target_refs or ()))

    @model_validator(mode="after")
    def _one_way_to_name_targets(self) -> Self:
        if (self.target_ref is None) == (self.target_refs is None) and not self.target_selectors:
            raise refusal("either targetRef or targetRefs must be given, or targetSelectors", "targetRefs")
        return self

    @model_validator(mode="after")
    def _kinds_of_targets(self) -> Self:
        for place, ref in self._placed():
            if ref.group != GATEWAY_GROUP:
                raise refusal("a target must be of group gateway.networking.k8s.io", *place, "group")
            if ref.kind not in self.KINDS:
                raise refusal(f"a target must be {self.KINDS_SAID}", *place, "kind")
        return self

    def _placed(self) -> list[tuple[tuple[str | int, ...], SectionTarget]]:
        several = [(("targetRefs", index), ref) for index, ref in enumerate(self.target_refs or ())]
        return [*([(("targetRef",), self.target_ref)] if self.target_ref else []), *several]
