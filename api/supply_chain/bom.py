"""A bill of materials (CycloneDX 1.6, JSON) of the environment that this runs in.

    python -m api.supply_chain.bom > sbom.json

Components are the installed distributions with their package URL and licence, dependencies the edges between them. The same
environment gives the same bill, but for its moment and its serial number. Needs the extra `dev`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def installed() -> dict[str, Distribution]:
    """The distributions of this environment by their normalised name, those found first on the path."""
    found: dict[str, Distribution] = {}
    for item in distributions():
        if item.metadata["Name"]:
            found.setdefault(canonicalize_name(item.metadata["Name"]), item)
    return dict(sorted(found.items()))


def needs(item: Distribution, present: Iterable[str]) -> Iterator[str]:
    """Names of the distributions that `item` needs here, among those that are `present`."""
    present = set(present)
    for line in item.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        name = canonicalize_name(requirement.name)
        if name in present and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            yield name


def licence_of(item: Distribution) -> str:
    """The licence as the distribution names it: its SPDX expression, its classifiers, or its own words."""
    told = item.metadata.json
    if expression := told.get("license_expression"):
        return str(expression)
    classifiers = [text for text in told.get("classifier") or () if str(text).startswith("License ::")]
    if classifiers:
        return " AND ".join(sorted(str(text).rsplit(" :: ", 1)[-1] for text in classifiers))
    return str(told.get("license") or "").strip().split("\n")[0][:100]


def bill_of(found: Mapping[str, Distribution]) -> str:
    """The bill as JSON."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    bom = Bom()
    components: dict[str, Component] = {}
    for name, item in found.items():
        url = PackageURL("pypi", None, name, item.version)
        licence = licence_of(item)
        components[name] = Component(
            name=name,
            version=item.version,
            purl=url,
            bom_ref=url.to_string(),
            type=ComponentType.APPLICATION if name == "seogo" else ComponentType.LIBRARY,
            description=str(item.metadata.json.get("summary") or "") or None,
            licenses=[DisjunctiveLicense(name=licence)] if licence else [],
        )
    bom.metadata.component = components.get("seogo")
    for name, component in components.items():
        if name != "seogo":
            bom.components.add(component)
        bom.register_dependency(component, [components[other] for other in needs(found[name], found)])
    return str(JsonV1Dot6(bom).output_as_string(indent=1))


def main() -> None:
    """Write the bill to the standard output."""
    sys.stdout.write(bill_of(installed()) + "\n")


if __name__ == "__main__":
    main()
