"""A graph that would end the process is found out in a child, which dies in its place."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from rag.domain.errors import ConfigurationError
from rag.domain.language import Language
from rag.embedding import graph_trial
from rag.embedding.base import Role
from rag.embedding.graph_trial import Finding, child_command, noted, time_for, try_in_child
from rag.embedding.local import LocalEmbedder
from rag.embedding.precision import Precision, processor
from rag.embedding.sentence_transformer import load_sentence_transformer
from tests.support.tiny_models import TEXTS, encoder_folder, qwen3_folder

KEY = {"precision": "bfloat16", "lanes": "2", "lane_threads": "1", "processors": "2"}
CRASH = Finding("ended by SIGFPE")


def child(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def killed_by(name: str) -> list[str]:
    return child(f"import os, signal; os.kill(os.getpid(), signal.{name})")


# ---- how a child ends


@pytest.mark.parametrize(
    ("command", "finding"),
    [
        (child("pass"), Finding()),
        (killed_by("SIGFPE"), CRASH),
        (killed_by("SIGILL"), Finding("ended by SIGILL")),
        (killed_by("SIGKILL"), Finding("ended by SIGKILL", lasting=False)),
        (child("import no_such_package"), Finding(lasting=False)),
        (["/no/such/interpreter"], Finding(lasting=False)),
    ],
    ids=["runs", "divide error", "illegal instruction", "killed from outside", "import error", "no interpreter"],
)
def test_how_a_child_ends_is_told_apart(command: list[str], finding: Finding) -> None:
    assert try_in_child(command, 60.0) == finding


def test_a_child_that_hangs_is_a_no() -> None:
    assert try_in_child(child("import time; time.sleep(600)"), 0.5) == Finding("still at it after 0 s", lasting=False)


def test_a_larger_model_gets_more_time(tmp_path: Path) -> None:
    assert time_for(tmp_path) == 60.0
    with (tmp_path / "model.bin").open("wb") as file:
        file.truncate(1 << 30)  # no such bytes on the disk
    assert time_for(tmp_path) == 60.0 + 64.0


def test_what_the_child_says_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        try_in_child(child("import no_such_package"), 60.0)
    assert "no_such_package" in caplog.text


def test_the_child_gets_the_operator_s_limits_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("SEOGO_OPERATOR_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    file = tmp_path / "environment.json"
    code = f"import json, os; json.dump([dict(os.environ), os.getcwd()], open({str(file)!r}, 'w'))"
    assert try_in_child(child(code), 60.0) == Finding()
    environment, folder = json.loads(file.read_text())
    assert (environment["ONEDNN_MAX_CPU_ISA"], environment["DO_NOT_TRACK"], folder) == ("AVX2", "1", "/")
    assert not {"SEOGO_OPERATOR_KEY", "PYTHONPATH", "HOME"} & environment.keys()


# ---- what is noted


def asking(findings: list[Finding]) -> tuple[Callable[[], Finding], list[Finding]]:
    """Gives one finding after another, and what was given."""
    given: list[Finding] = []

    def ask() -> Finding:
        given.append(findings[len(given)])
        return given[-1]

    return ask, given


@pytest.mark.parametrize("finding", [Finding(), CRASH])
def test_an_outcome_is_asked_for_once(tmp_path: Path, finding: Finding) -> None:
    ask, given = asking([finding])
    assert [noted(tmp_path, KEY, ask).refused for _ in range(3)] == [finding.refused] * 3
    assert given == [finding]


def test_an_outcome_that_may_pass_is_asked_for_again(tmp_path: Path) -> None:
    ask, given = asking([Finding("ended by SIGKILL", lasting=False), Finding(lasting=False), Finding()])
    assert [noted(tmp_path, KEY, ask).refused for _ in range(4)] == ["ended by SIGKILL", "", "", ""]
    assert len(given) == 3


@pytest.mark.parametrize("part", sorted(KEY))
def test_another_format_or_number_of_threads_is_another_question(tmp_path: Path, part: str) -> None:
    ask, _ = asking([CRASH, Finding()])
    noted(tmp_path, KEY, ask)
    assert noted(tmp_path, {**KEY, part: "4"}, ask).refused == ""


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"key": {}, "refused": ""}', b'{"refused": ""}'])
def test_a_damaged_note_is_replaced(tmp_path: Path, content: bytes) -> None:
    ask, given = asking([CRASH, CRASH])
    noted(tmp_path, KEY, ask)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert [noted(tmp_path, KEY, ask).refused for _ in range(2)] == [CRASH.refused] * 2
    assert len(given) == 2


def test_a_folder_that_cannot_be_written_costs_only_the_note(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ask, given = asking([Finding(), Finding()])
    assert [noted(tmp_path / "file" / "graph", KEY, ask).refused for _ in range(2)] == ["", ""]
    assert len(given) == 2


def test_a_refusal_is_one_warning_that_says_what_and_how_to_ask_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ask, _ = asking([CRASH])
    for _ in range(3):
        noted(tmp_path, KEY, ask)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    (file,) = tmp_path.iterdir()
    for said in ("bfloat16", "SIGFPE", str(file)):
        assert said in record.getMessage()


# ---- on models


def load(folder: Path, precision: Precision | None = None, cache: Path | None = None) -> LocalEmbedder:
    languages = frozenset({Language.ENGLISH})
    return load_sentence_transformer(
        folder, name="tiny", languages=languages, precision=precision or "auto", cache_dir=cache
    )


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Graphs are tried on this machine, whatever its processor; the arguments of every child."""
    pytest.importorskip("openvino")
    flags = processor()[1]
    if not flags:
        pytest.skip("the system names no flags of the processor")
    monkeypatch.setattr(graph_trial, "INSTRUCTIONS", min(flags))
    commands: list[list[str]] = []

    def noting(command: list[str], timeout_s: float) -> Finding:
        commands.append(command)
        return try_in_child(command, timeout_s)

    monkeypatch.setattr(graph_trial, "try_in_child", noting)
    return commands


@pytest.mark.parametrize("precision", ["openvino-bfloat16", "openvino-int8", "openvino-float32"])
def test_a_narrow_graph_is_tried_before_it_is_loaded(
    tmp_path: Path, tried: list[list[str]], precision: Precision
) -> None:
    folder, cache = encoder_folder(tmp_path), tmp_path / "cache"
    for _ in range(2):
        try:
            assert load(folder, precision, cache).precision == precision
        except ConfigurationError as error:  # eight bits may be too few for so narrow a model
            assert "cosine" in str(error)
    assert len(tried) == (precision != "openvino-float32")  # once, and noted
    notes = [json.loads(file.read_text())["refused"] for file in cache.glob("graph-*/trial-*.json")]
    assert notes == [""] * len(tried)


def test_without_the_instructions_nothing_is_tried(
    tmp_path: Path, tried: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_trial, "INSTRUCTIONS", "none_such")
    load(encoder_folder(tmp_path), "openvino-bfloat16")
    assert tried == []


def test_the_child_reads_the_graph_as_this_process_would(tmp_path: Path) -> None:
    """Its own failure would look like a graph that nobody objects to."""
    pytest.importorskip("openvino")
    cache = tmp_path / "cache"
    load(encoder_folder(tmp_path), "openvino-float32", cache)
    (graph,) = cache.glob("graph-*")
    assert try_in_child(child_command(graph, "float32", 1, 1), 60.0) == Finding()
    (graph / "model.xml").write_text("<damaged")
    assert try_in_child(child_command(graph, "float32", 1, 1), 60.0) == Finding(lasting=False)


def test_the_child_reaches_nobody(tmp_path: Path) -> None:
    """Whatever the library would do: the documentation's address is refused before a packet is made."""
    pytest.importorskip("openvino")
    cache = tmp_path / "cache"
    load(encoder_folder(tmp_path), "openvino-float32", cache)
    (graph,) = cache.glob("graph-*")
    calling = """
import socket, sys
from rag.embedding import graph_trial_child
graph_trial_child.OpenVinoForward = lambda *_, **__: socket.create_connection(("203.0.113.1", 9), 0.1)
graph_trial_child.main()
"""
    command = [sys.executable, "-c", calling, str(graph), "float32", "1", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "EgressRefused" in done.stderr


def dying(*formats: str) -> Callable[[list[str], float], Finding]:
    """A library that does not survive these formats."""

    def ask(command: list[str], timeout_s: float) -> Finding:
        return CRASH if command[-3] in formats else Finding()

    return ask


def test_a_format_that_is_asked_for_and_not_survived_is_refused(
    tmp_path: Path, tried: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = encoder_folder(tmp_path), tmp_path / "cache"
    load(folder, "openvino-float32", cache)
    monkeypatch.setattr(graph_trial, "try_in_child", dying("bfloat16"))
    (graph,) = cache.glob("graph-*/model.xml")
    made = graph.stat().st_ino
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"openvino-bfloat16.*SIGFPE"):
            load(folder, "openvino-bfloat16", cache)
    assert graph.stat().st_ino == made  # the graph is no damaged one, and stays for other formats


@pytest.mark.parametrize(
    ("formats", "left"),
    [
        (["bfloat16"], {"float32", "bfloat16", "openvino-float32", "openvino-int8"}),
        (["bfloat16", "int8"], {"float32", "openvino-float32"}),
    ],
)
def test_the_self_test_goes_on_without_what_is_not_survived(
    tmp_path: Path, tried: list[list[str]], monkeypatch: pytest.MonkeyPatch, formats: list[str], left: set[str]
) -> None:
    all_formats = ("openvino-int8", "openvino-bfloat16", "bfloat16", "openvino-float32")
    monkeypatch.setattr("rag.embedding.runtime.candidate_precisions", lambda *_, **__: all_formats)
    compared: list[Precision] = []

    def choose(encode: object, candidates: list[Precision], **_: object) -> object:
        from rag.embedding.precision import PrecisionChoice

        compared.extend(candidates)
        return PrecisionChoice("openvino-float32", 2.0)

    monkeypatch.setattr("rag.embedding.runtime.choose_precision", choose)
    monkeypatch.setattr(graph_trial, "try_in_child", dying(*formats))
    assert load(encoder_folder(tmp_path)).precision == "openvino-float32"
    assert set(compared) | {"float32"} == left


def chosen_elsewhere(cache: Path) -> tuple[Path, Any]:
    """bfloat16 is on record as chosen, and no trial, as on another number of processors: the choice's file, and what it says."""
    (file,) = cache.glob("precision-*.json")
    stored = json.loads(file.read_text())
    stored["choice"]["precision"] = "openvino-bfloat16"
    file.write_text(json.dumps(stored))
    for note in cache.glob("graph-*/trial-*.json"):
        note.unlink()
    return file, stored


def test_a_stored_choice_that_is_no_longer_survived_is_made_anew(
    tmp_path: Path, tried: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = encoder_folder(tmp_path), tmp_path / "cache"
    load(folder, cache=cache)
    file, _ = chosen_elsewhere(cache)
    monkeypatch.setattr(graph_trial, "try_in_child", dying("bfloat16", "int8"))
    embedder = load(folder, cache=cache)
    assert embedder.precision in ("float32", "openvino-float32")
    assert json.loads(file.read_text())["choice"]["precision"] == embedder.precision
    assert embedder.embed(TEXTS, Role.PASSAGE).dense is not None


def test_what_is_left_out_of_one_start_alone_changes_no_stored_choice(
    tmp_path: Path, tried: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, cache = encoder_folder(tmp_path), tmp_path / "cache"
    load(folder, cache=cache)
    file, stored = chosen_elsewhere(cache)
    killed = Finding("ended by SIGKILL", lasting=False)
    monkeypatch.setattr(graph_trial, "try_in_child", lambda *_: killed)
    assert load(folder, cache=cache).precision in ("float32", "bfloat16", "openvino-float32")
    assert json.loads(file.read_text()) == stored
    monkeypatch.setattr(graph_trial, "try_in_child", lambda *_: Finding())
    assert load(folder, cache=cache).precision == "openvino-bfloat16"


@pytest.mark.skipif("amx_tile" not in processor()[1], reason="the processor has no AMX")
def test_on_a_processor_with_amx_an_encoder_runs_in_bfloat16_and_a_gated_decoder_kills_nobody(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    folder = encoder_folder(tmp_path / "encoder")
    narrow, wide = load(folder, "openvino-bfloat16"), load(folder, "float32")
    vectors = [cast("np.ndarray", embedder.embed(TEXTS, Role.PASSAGE).dense) for embedder in (narrow, wide)]
    assert np.sum(vectors[0] * vectors[1], axis=1).min() > 0.999
    cache = tmp_path / "cache"
    load(qwen3_folder(tmp_path / "decoder"), cache=cache)  # would end this process: a lane has one thread
