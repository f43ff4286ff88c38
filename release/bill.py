"""The bill of materials: what is needed to run, by name, version and licence, and what needs what (CycloneDX 1.6)."""

# cyclonedx's models are decorated in a way that hides their constructors.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportCallIssue=false, reportArgumentType=false, reportAttributeAccessIssue=false

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from packageurl import PackageURL

from release.needed import Needed


def bill(root: str, materials: Mapping[str, Needed]) -> str:
    """The bill of ``root`` as JSON, the same for the same materials; ``SOURCE_DATE_EPOCH`` is its time.

    Raises ``ValueError`` for one that breaks the schema.
    """
    components = {name: _component(each, application=name == root) for name, each in materials.items()}
    bom = Bom(components=[each for name, each in components.items() if name != root])
    bom.metadata.component = components[root]
    bom.metadata.timestamp = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    bom.serial_number = uuid5(NAMESPACE_URL, " ".join(str(each.purl) for each in components.values()))
    for name, each in materials.items():
        bom.register_dependency(components[name], [components[other] for other in sorted(each.needs)])
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - it takes seconds to import

    written = JsonV1Dot6(bom).output_as_string(indent=2)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(written)
    if wrong is not None:
        raise ValueError(f"the bill of materials breaks its schema: {wrong}")
    return written + "\n"


def _component(material: Needed, *, application: bool) -> Component:
    place = PackageURL("pypi", name=material.name, version=material.version)
    licence = _licence(material.distribution)
    return Component(
        type=ComponentType.APPLICATION if application else ComponentType.LIBRARY,
        name=material.name,
        version=material.version,
        purl=place,
        bom_ref=str(place),
        licenses=[LicenseFactory().make_from_string(licence)] if licence else (),
    )


def _licence(distribution: Distribution) -> str:
    """As it says itself (PEP 639), else in a word of its own, which may be a whole text."""
    metadata = distribution.metadata.json
    stated = str(metadata.get("license_expression") or metadata.get("license") or "")
    return stated if "\n" not in stated else ""
