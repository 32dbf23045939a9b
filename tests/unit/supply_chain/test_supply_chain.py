"""The lock, the bill of materials, and advisories of a folder."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from api.supply_chain import advisories
from api.supply_chain.advisories import installed_versions, main, report_on
from api.supply_chain.bom import bill_of, installed
from api.supply_chain.lock import lock_of

ROOT = Path(__file__).resolve().parents[3]
VERSIONS = {"fastapi": "0.165.0", "torch": "2.13.0+cpu", "odd": "not-a-version", "pillow": "13.0.0"}


def locked() -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by name."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^(\S+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    return {name: (version, re.findall(r"[0-9a-f]{64}", hashes)) for name, version, hashes in entries}


def constrained() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {canonicalize_name(name): version.strip() for name, version in pairs}


def test_every_line_of_the_lock_has_a_hash_and_the_version_of_the_constraints() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries, pinned = locked(), constrained()
    assert len(entries) == len(re.findall("^[a-z0-9]", text, re.MULTILINE)) > 100
    differing = {
        name: (version, pinned[name])
        for name, (version, _) in entries.items()
        if name in pinned and version.partition("+")[0] != pinned[name].partition("+")[0]
    }
    assert not differing, "make the lock anew: api/supply_chain/lock.py"


def test_what_the_project_needs_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["embedded"],
        *project["optional-dependencies"]["postgres"],
    ]
    entries = locked()
    for line in wanted:
        requirement = Requirement(line)
        assert canonicalize_name(requirement.name) in entries, f"{line}: make the lock anew"
        assert requirement.specifier.contains(entries[canonicalize_name(requirement.name)][0].partition("+")[0])


def test_a_lock_takes_files_whose_hash_is_known() -> None:
    def item(name: str, download: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": {"name": name, "version": "1.0"}, "download_info": download}

    environment = {"sys_platform": "linux", "platform_machine": "x86_64", "python_version": "3.11"}
    hashed = {"archive_info": {"hashes": {"sha256": "a" * 64}}}
    made = lock_of(
        {
            "environment": environment,
            "install": [item("Zeta_B", hashed), item("alpha", hashed), item("seogo", {"dir_info": {}})],
        }
    )
    assert [line for line in made.splitlines() if not line.startswith(("#", " "))] == [
        "alpha==1.0 \\",
        "zeta-b==1.0 \\",
    ]
    with pytest.raises(ValueError, match="gamma"):
        lock_of({"environment": environment, "install": [item("gamma", {"archive_info": {}})]})


@pytest.fixture(scope="module")
def here() -> dict[str, Distribution]:
    return installed()


@pytest.fixture(scope="module")
def bill(here: dict[str, Distribution]) -> dict[str, Any]:
    return json.loads(bill_of(here))


def test_the_bill_lists_what_is_installed(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    listed = {item["name"]: item for item in bill["components"]}
    assert {name: item["version"] for name, item in listed.items()} == {
        name: version for name, version in installed_versions().items() if name != "seogo"
    }
    assert listed["fastapi"]["purl"] == f"pkg:pypi/fastapi@{listed['fastapi']['version']}"
    assert "MIT" in json.dumps(listed["fastapi"]["licenses"])
    assert bill["metadata"]["component"]["name"] == "seogo"


def test_the_bill_says_what_needs_what(bill: dict[str, Any]) -> None:
    edges = {item["ref"].split("/")[1].split("@")[0]: item.get("dependsOn", []) for item in bill["dependencies"]}
    assert any(ref.startswith("pkg:pypi/starlette@") for ref in edges["fastapi"])
    assert any(ref.startswith("pkg:pypi/fastapi@") for ref in edges["seogo"])
    refs = {item["bom-ref"] for item in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {ref for needed in edges.values() for ref in needed} <= refs


def test_the_bill_is_the_same_each_time(bill: dict[str, Any], here: dict[str, Distribution]) -> None:
    again = json.loads(bill_of(here))
    for made in (again, bill):
        made.pop("serialNumber", None)
        made["metadata"].pop("timestamp", None)
    assert again == bill


def advisory(identity: str, name: str, events: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    entry = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {"id": identity, "modified": "2026-11-01T00:00:00Z", "summary": f"about {name}", "affected": [entry], **more}


def found(folder: Path, *advisories: dict[str, Any], accepted: tuple[str, ...] = ()) -> list[str]:
    for item in advisories:
        (folder / f"{item['id']}.json").write_text(json.dumps(item))
    return [item.id for item in report_on(VERSIONS, folder, accepted).findings]


@pytest.mark.parametrize(
    ("events", "affected"),
    [
        ([{"introduced": "0"}], True),
        ([{"introduced": "0"}, {"fixed": "0.165.0"}], False),
        ([{"introduced": "0"}, {"fixed": "0.165.1"}], True),
        ([{"introduced": "0.165.0"}, {"fixed": "0.166"}], True),
        ([{"introduced": "0.165.1"}], False),
        ([{"introduced": "0"}, {"last_affected": "0.164.9"}], False),
        ([{"introduced": "0"}, {"last_affected": "0.165.0"}], True),
        ([{"introduced": "0.1"}, {"fixed": "0.2"}, {"introduced": "0.160"}, {"fixed": "0.170"}], True),
        ([{"introduced": "0.160"}, {"fixed": "0.161"}, {"introduced": "0.1"}, {"fixed": "0.2"}], False),
    ],
)
def test_ranges_are_read_as_the_schema_says(tmp_path: Path, events: list[dict[str, str]], affected: bool) -> None:
    assert found(tmp_path, advisory("GHSA-1", "FastAPI", events)) == (["GHSA-1"] if affected else [])


def test_a_local_build_has_the_bugs_of_its_version(tmp_path: Path) -> None:
    listed = advisory("PYSEC-1", "torch", [])
    listed["affected"][0]["versions"] = ["2.13.0"]
    assert found(tmp_path, listed, advisory("PYSEC-2", "torch", [{"introduced": "0"}, {"fixed": "2.13.0"}])) == [
        "PYSEC-1"
    ]


def test_what_can_not_be_compared_is_a_finding(tmp_path: Path) -> None:
    assert found(tmp_path, advisory("PYSEC-3", "odd", [{"introduced": "1"}])) == ["PYSEC-3"]


def test_others_are_not(tmp_path: Path) -> None:
    foreign = advisory("GHSA-5", "fastapi", [{"introduced": "0"}])
    foreign["affected"][0]["package"]["ecosystem"] = "npm"
    withdrawn = advisory("GHSA-6", "fastapi", [{"introduced": "0"}], withdrawn="2026-01-01T00:00:00Z")
    assert found(tmp_path, foreign, withdrawn, advisory("GHSA-7", "absent", [{"introduced": "0"}])) == []


def test_what_was_judged_is_set_apart_by_id_or_alias(tmp_path: Path) -> None:
    one = advisory("GHSA-8", "fastapi", [{"introduced": "0"}], aliases=["CVE-2026-1"])
    assert found(tmp_path, one, accepted=("CVE-2026-1",)) == []
    assert [item.id for item in report_on(VERSIONS, tmp_path, ["GHSA-8"]).accepted] == ["GHSA-8"]


def test_an_archive_is_read_and_rubbish_is_told(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(
            "GHSA-9.json", json.dumps(advisory("GHSA-9", "pillow", [{"introduced": "0"}, {"fixed": "14"}]))
        )
        archive.writestr("broken.json", "{")
    (tmp_path / "list.json").write_text("[]")
    report = report_on(VERSIONS, tmp_path)
    assert [item.fixed for item in report.findings] == [("14",)]
    assert len(report.unreadable) == 2
    assert (report.advisories, report.newest) == (1, "2026-11-01T00:00:00Z")


def test_the_command_says_how_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisories, "installed_versions", lambda: VERSIONS)
    assert main([str(tmp_path)]) == 2  # an empty folder is no clean bill
    (tmp_path / "GHSA-1.json").write_text(json.dumps(advisory("GHSA-1", "absent-package", [{"introduced": "0"}])))
    assert main([str(tmp_path)]) == 0
    (tmp_path / "GHSA-2.json").write_text(json.dumps(advisory("GHSA-2", "fastapi", [{"introduced": "0"}])))
    assert main([str(tmp_path)]) == 1
    assert "GHSA-2" in capsys.readouterr().out
    judged = tmp_path / "judged.txt"
    judged.write_text("# 판단\nGHSA-2\n")
    assert main([str(tmp_path), "--accepted", str(judged)]) == 1  # without a reason nothing is accepted
    judged.write_text("GHSA-2 닿을 수 없는 코드\n")
    capsys.readouterr()
    assert main([str(tmp_path), "--json", "--accepted", str(judged)]) == 0
    assert [item["id"] for item in json.loads(capsys.readouterr().out)["accepted"]] == ["GHSA-2"]
