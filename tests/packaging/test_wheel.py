"""What is in the wheel: three packages, their data, and nothing that would shadow a library."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rag.generation.catalogue import load_catalogue

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    for name in listed:
        path = ROOT / name.strip('"').encode().decode("unicode_escape").encode("latin-1").decode()
        if path.is_file():
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(source),
    ]
    subprocess.run(command, check=True)
    [built] = folder.glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.fixture(scope="module")
def names(wheel: zipfile.ZipFile) -> list[str]:
    return wheel.namelist()


def test_the_top_level_is_three_packages(names: list[str]) -> None:
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"rag", "ingest", "api"}


def test_data_travels_with_the_code(names: list[str]) -> None:
    for wanted in (
        "rag/text/hanja_readings.txt",
        "rag/generation/prompts/grounded.ko.v1.txt",
        "rag/generation/prompts/program_write.ko.v1.txt",
        "rag/py.typed",
        "ingest/samples/취업규칙.docx",
        "api/migrations/env.py",
        "rag/generation/models/sources.yaml",
    ):
        assert wanted in names
    assert any(name.startswith("api/migrations/versions/") for name in names)


def test_the_model_catalogue_is_whole_and_found_where_it_is_installed(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    asked = "from rag.generation.catalogue import *; print(models_folder()); print(*load_catalogue().entries)"
    said = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert Path(said[0]) == tmp_path / "rag" / "generation" / "models"
    assert set(said[1].split()) == set(load_catalogue().entries)


def test_alembic_is_never_a_package() -> None:
    assert not list((ROOT / "alembic").rglob("__init__.py"))


def test_the_command_is_declared(names: list[str]) -> None:
    assert any(name.endswith("entry_points.txt") for name in names)
