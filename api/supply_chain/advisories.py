"""Installed versions held against advisories of a folder, without a network.

    python -m api.supply_chain.advisories FOLDER [--json] [--accepted FILE]

The folder holds advisories in the format of OSV (https://ossf.github.io/osv-schema/): single `.json` files, in folders as they
come, or the archive `all.zip` of the ecosystem PyPI, carried in from outside. FILE names advisories that were judged, one a line
with the reason: `GHSA-… not reachable: …`. Exit status 0: none found; 1: some are; 2: the folder holds no advisory, which is no
clean bill.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

_MOST_BYTES = 16 << 20
"""Of one advisory; the longest of the ecosystem have some 300 KB."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An advisory that concerns an installed version.

    Attributes:
        aliases: other names of it, CVE among them.
        fixed: versions that mend it, as far as the advisory names them.
    """

    package: str
    version: str
    id: str
    aliases: tuple[str, ...]
    summary: str
    fixed: tuple[str, ...]
    severity: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        advisories: how many were read, for packages of Python.
        newest: when the newest of them was changed: how old the folder is.
        unreadable: files that are no advisory.
    """

    advisories: int
    newest: str
    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    unreadable: tuple[str, ...]


def installed_versions() -> dict[str, str]:
    """Version of every installed distribution, by normalised name."""
    found: dict[str, str] = {}
    for item in distributions():
        if item.metadata["Name"]:
            found.setdefault(canonicalize_name(item.metadata["Name"]), item.version)
    return found


def report_on(versions: Mapping[str, str], folder: Path, accepted: Iterable[str] = ()) -> Report:
    """Hold `versions` against the folder's advisories; those whose id or alias is among `accepted` are set apart."""
    count, newest, unreadable, judged = 0, "", list[str](), set(accepted)
    findings: list[Finding] = []
    for place, text in _texts(folder):
        advisory = _read(text)
        if advisory is None:
            unreadable.append(place)
            continue
        packages = [entry for entry in advisory.get("affected", ()) if _of_python(entry)]
        if not packages or advisory.get("withdrawn"):
            continue
        count += 1
        newest = max(newest, str(advisory.get("modified", "")))
        findings.extend(_concerned(advisory, packages, versions))
    findings.sort(key=lambda item: (item.package, item.id))
    open_ones = tuple(item for item in findings if not judged & {item.id, *item.aliases})
    set_apart = tuple(item for item in findings if judged & {item.id, *item.aliases})
    return Report(count, newest, open_ones, set_apart, tuple(unreadable))


def _texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            with path.open("rb") as opened:
                yield str(path), opened.read(_MOST_BYTES)
        elif path.suffix == ".zip":
            with ZipFile(path) as archive:
                for member in archive.infolist():
                    if member.filename.endswith(".json"):
                        with archive.open(member) as inside:
                            yield f"{path}!{member.filename}", inside.read(_MOST_BYTES)


def _read(text: bytes) -> dict[str, Any] | None:
    try:
        advisory = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(advisory, dict) or not isinstance(advisory.get("id"), str):
        return None
    return advisory if isinstance(advisory.get("affected", []), list) else None


def _of_python(entry: Any) -> bool:
    package = entry.get("package", {}) if isinstance(entry, dict) else {}
    return package.get("ecosystem") == "PyPI" and isinstance(package.get("name"), str)


def _concerned(
    advisory: Mapping[str, Any], packages: Sequence[Mapping[str, Any]], versions: Mapping[str, str]
) -> Iterator[Finding]:
    for entry in packages:
        name = canonicalize_name(entry["package"]["name"])
        version = versions.get(name)
        if version is not None and _is_affected(version, entry):
            yield Finding(
                name,
                version,
                advisory["id"],
                tuple(advisory.get("aliases") or ()),
                str(advisory.get("summary") or advisory.get("details") or "").strip().split("\n")[0][:200],
                tuple(_fixed(entry)),
                str((advisory.get("database_specific") or {}).get("severity", "")),
            )


def _is_affected(version: str, entry: Mapping[str, Any]) -> bool:
    if version in (entry.get("versions") or ()):
        return True
    try:
        ours = Version(version)
    except InvalidVersion:
        return True  # nobody can say that it is not
    if any(_same(ours, other) for other in entry.get("versions") or ()):
        return True
    ranges = [item for item in entry.get("ranges") or () if item.get("type") == "ECOSYSTEM"]
    return any(_in_range(ours, item.get("events") or ()) for item in ranges)


def _same(ours: Version, other: str) -> bool:
    try:
        return ours.public == Version(other).public  # 2.13.0+cpu has the bugs of 2.13.0
    except InvalidVersion:
        return False


def _in_range(ours: Version, events: Sequence[Mapping[str, str]]) -> bool:
    """As the schema says: an event holds for the versions from it on, the last one before ours decides."""
    affected = False
    for event in sorted(events, key=_moment):
        [(kind, text)] = list(event.items())[:1] or [("", "0")]
        moment, own = _version(text), Version(ours.public)
        if kind == "introduced" and moment <= own:
            affected = True
        elif (kind == "fixed" and moment <= own) or (kind == "last_affected" and moment < own):
            affected = False
    return affected


def _moment(event: Mapping[str, str]) -> tuple[Version, bool]:
    [(kind, text)] = list(event.items())[:1] or [("", "0")]
    return _version(text), kind != "introduced"


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def _fixed(entry: Mapping[str, Any]) -> Iterator[str]:
    for item in entry.get("ranges") or ():
        for event in item.get("events") or ():
            if item.get("type") == "ECOSYSTEM" and "fixed" in event:
                yield event["fixed"]


def _accepted(file: Path | None) -> Iterator[str]:
    """Ids of the file; a line without a reason accepts nothing."""
    for line in file.read_text(encoding="utf-8").splitlines() if file is not None else ():
        identity, _, reason = line.strip().partition(" ")
        if identity and not identity.startswith("#") and reason.strip():
            yield identity


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(asdict(report), ensure_ascii=False, indent=1) + "\n")
        return
    out = [f"{report.advisories} advisories, the newest of {report.newest or '?'}; {len(report.findings)} concern us"]
    out += [
        f"{item.package} {item.version}  {item.id} {' '.join(item.aliases)} {item.severity}\n  {item.summary}\n"
        f"  mended in {', '.join(item.fixed) or 'no version yet'}"
        for item in report.findings
    ]
    out += [f"accepted: {item.package} {item.version} {item.id}" for item in report.accepted]
    out += [f"no advisory: {place}" for place in report.unreadable]
    sys.stdout.write("\n".join(out) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; the exit status says what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--accepted", type=Path)
    chosen = parser.parse_args(arguments)
    report = report_on(installed_versions(), chosen.folder, _accepted(chosen.accepted))
    _tell(report, as_json=chosen.json)
    if not report.advisories:
        return 2
    return 1 if report.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
