"""The fingerprint of a model's folder: other files show, the same files elsewhere do not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rag.inference.fingerprint import fingerprint

MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bge-m3"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "config.json").write_text('{"hidden_size": 32}')
    (made / "1_Pooling" / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(bytes(5 * MIB))
    return made


def changed(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\1")
    os.utime(path, (0, at))  # clocks of file systems are coarse


def test_the_same_files_are_the_same_model_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    first = fingerprint(folder)
    assert first == fingerprint(folder) and len(first) == 32 and int(first, 16)
    copy = shutil.copytree(folder, tmp_path / "다른 이름")
    (copy / ".cache").mkdir()
    (copy / ".cache" / "lock").write_text("x")
    (copy / ".gitattributes").write_text("x")
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert fingerprint(copy) == fingerprint(linked) == first


@pytest.mark.parametrize("at", [0, MIB - 1, 4 * MIB, 5 * MIB - 1])
def test_other_weights_of_the_same_size_show(folder: Path, at: int) -> None:
    before = fingerprint(folder)
    changed(folder / "model.safetensors", at)
    assert fingerprint(folder) != before


def test_every_small_file_counts_and_so_do_names_and_sizes(folder: Path) -> None:
    seen = {fingerprint(folder)}
    changed(folder / "1_Pooling" / "config.json", 0)
    seen.add(fingerprint(folder))
    (folder / "extra.json").write_text("")
    seen.add(fingerprint(folder))
    (folder / "extra.json").rename(folder / "other.json")
    seen.add(fingerprint(folder))
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    seen.add(fingerprint(folder))
    assert len(seen) == 5
