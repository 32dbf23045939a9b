from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.embedding.precision import (
    Precision,
    PrecisionChoice,
    candidate_precisions,
    choose_precision,
    machine_key,
    processor,
    remembered_choice,
)

KEY = {"model": "m", "framework": "torch 2", "device": "cpu", "cpu": "x", "flags": "y"}
NARROW = PrecisionChoice("bfloat16", 2.5, 0.9999)


class FakeModel:
    """Encodes in simulated time: each precision takes its seconds and turns the vector by its angle."""

    def __init__(self, seconds: dict[str, float], angle: float = 0.0) -> None:
        self.now = 0.0
        self.calls: list[str] = []
        self._seconds = seconds
        self._angle = angle

    def encode(self, precision: Precision) -> NDArray[np.float32]:
        self.calls.append(precision)
        self.now += self._seconds[precision]
        angle = 0.0 if precision == "float32" else self._angle
        return np.array([[np.cos(angle), np.sin(angle)]], dtype=np.float32)

    def clock(self) -> float:
        return self.now


def chosen(model: FakeModel) -> PrecisionChoice:
    return choose_precision(model.encode, ["bfloat16"], clock=model.clock)


def test_a_faster_precision_with_the_same_vectors_is_taken() -> None:
    choice = chosen(FakeModel({"float32": 0.2, "bfloat16": 0.1}))
    assert choice.precision == "bfloat16"
    assert choice.gain == pytest.approx(2.0)


@pytest.mark.parametrize("seconds", [0.2, 0.19, 0.5])
def test_a_slower_or_hardly_faster_one_is_not(seconds: float) -> None:
    assert chosen(FakeModel({"float32": 0.2, "bfloat16": seconds})) == PrecisionChoice("float32")


def test_a_fast_one_with_other_vectors_is_not() -> None:
    assert chosen(FakeModel({"float32": 0.2, "bfloat16": 0.01}, angle=0.1)).precision == "float32"


def test_nan_is_not() -> None:
    assert chosen(FakeModel({"float32": 0.2, "bfloat16": 0.01}, angle=float("nan"))).precision == "float32"


def test_no_candidate_needs_no_run() -> None:
    model = FakeModel({"float32": 1.0})
    assert choose_precision(model.encode, [], clock=model.clock).precision == "float32"
    assert model.calls == []


def test_the_test_stops_at_its_time() -> None:
    model = FakeModel({"float32": 0.3, "bfloat16": 0.3})
    chosen(model)
    assert model.now <= 2.0 + 0.6


def test_a_hopeless_candidate_is_tried_once() -> None:
    model = FakeModel({"float32": 0.01, "bfloat16": 0.4})
    chosen(model)
    assert model.calls.count("bfloat16") == 2  # the uncounted first run, and one round


@pytest.mark.parametrize(
    ("flags", "capability", "expected"),
    [
        ({"avx2"}, None, ()),
        ({"avx512_bf16"}, None, ("bfloat16",)),
        ({"amx_bf16"}, None, ("bfloat16",)),
        ({"avx2"}, (9, 0), ("bfloat16", "float16")),
        ({"amx_bf16"}, (7, 5), ("float16",)),
    ],
)
def test_candidates(flags: set[str], capability: tuple[int, int] | None, expected: tuple[str, ...]) -> None:
    assert candidate_precisions(frozenset(flags), capability) == expected


def test_openvino_is_a_candidate_on_cpus_only() -> None:
    both = ("openvino-bfloat16", "bfloat16", "openvino-float32")
    assert candidate_precisions(frozenset({"avx512_bf16"}), openvino=True) == both
    assert candidate_precisions(frozenset({"avx2"}), openvino=True) == ("openvino-float32",)
    assert candidate_precisions(frozenset({"avx2"}), (9, 0), openvino=True) == ("bfloat16", "float16")


def test_eight_bits_are_a_candidate_where_the_processor_multiplies_them() -> None:
    eight = "openvino-int8"
    assert candidate_precisions(frozenset({"avx512_vnni"}), openvino=True) == (eight, "openvino-float32")
    assert candidate_precisions(frozenset({"avx512_vnni", "avx512_bf16"}), openvino=True)[0] == eight
    assert candidate_precisions(frozenset({"avx512_vnni"})) == ()


def test_eight_bits_have_to_come_closer_than_other_formats() -> None:
    for candidate, chosen in (("openvino-int8", "float32"), ("openvino-bfloat16", "openvino-bfloat16")):
        model = FakeModel({"float32": 4.0, candidate: 1.0}, angle=math.acos(0.9992))
        found = choose_precision(model.encode, [cast("Precision", candidate)], seconds=30, clock=model.clock)
        assert found.precision == chosen


@pytest.mark.parametrize(("angle", "chosen"), [(0.0, "bfloat16"), (0.1, "float16")])
def test_float16_is_tried_where_bfloat16_gives_other_vectors(angle: float, chosen: str) -> None:
    """Its three more bits of mantissa keep what term weights lose in bfloat16."""

    class Coarse(FakeModel):
        def encode(self, precision: Precision) -> NDArray[np.float32]:
            vectors = super().encode(precision)
            return np.array([[1, 0]], dtype=np.float32) if precision == "float16" else vectors

    model = Coarse({"float32": 0.2, "bfloat16": 0.1, "float16": 0.09}, angle)
    found = choose_precision(model.encode, candidate_precisions(frozenset(), (8, 0)), clock=model.clock)
    assert found.precision == chosen
    assert ("float16" in model.calls) == (chosen == "float16")


def test_processor_reads_x86_and_arm(tmp_path: Path) -> None:
    x86, arm = tmp_path / "x86", tmp_path / "arm"
    x86.write_text("processor\t: 0\nmodel name\t: Xeon\nmodel\t\t: 207\nflags\t\t: fpu avx2\n\nprocessor\t: 1\n")
    arm.write_text("processor\t: 0\nFeatures\t: fp bf16\n")
    assert processor(x86) == ("Xeon 207", frozenset({"fpu", "avx2"}))
    assert processor(arm)[1] == {"fp", "bf16"}
    name, flags = processor(tmp_path / "missing")
    assert name
    assert flags == frozenset()


def deciding(log: list[int], choice: PrecisionChoice = NARROW) -> Callable[[], PrecisionChoice]:
    def decide() -> PrecisionChoice:
        log.append(1)
        return choice

    return decide


def test_the_choice_is_stored_and_used_again(tmp_path: Path) -> None:
    log: list[int] = []
    cache = tmp_path / "made" / "when" / "missing"
    assert remembered_choice(cache, KEY, deciding(log)) == NARROW
    assert remembered_choice(cache, KEY, deciding(log, PrecisionChoice("float32"))) == NARROW
    assert len(log) == 1
    assert [path.suffix for path in cache.iterdir()] == [".json"]  # nothing left aside


@pytest.mark.parametrize("part", sorted(KEY))
def test_a_change_of_any_part_of_the_key_tests_again(tmp_path: Path, part: str) -> None:
    log: list[int] = []
    remembered_choice(tmp_path, KEY, deciding(log))
    remembered_choice(tmp_path, {**KEY, part: "other"}, deciding(log))
    assert len(log) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'{"key": 1}',
        json.dumps({"key": KEY, "choice": {"precision": "int3", "gain": 2, "cosine": 1}}).encode(),
        json.dumps({"key": KEY, "choice": {"precision": ["float32"], "gain": 2, "cosine": 1}}).encode(),
        json.dumps({"key": KEY, "choice": {"precision": "float32", "gain": "much", "cosine": 1}}).encode(),
        json.dumps(
            {"key": {**KEY, "model": "stale"}, "choice": {"precision": "float32", "gain": 1, "cosine": 1}}
        ).encode(),
    ],
)
def test_a_damaged_or_stale_file_is_ignored_and_replaced(tmp_path: Path, content: bytes) -> None:
    log: list[int] = []
    remembered_choice(tmp_path, KEY, deciding(log))
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert remembered_choice(tmp_path, KEY, deciding(log)) == NARROW
    assert remembered_choice(tmp_path, KEY, deciding(log)) == NARROW
    assert len(log) == 2


def test_a_folder_that_cannot_be_written_costs_only_the_test(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    assert remembered_choice(blocker, KEY, deciding([])) == NARROW


def test_without_a_folder_every_start_tests() -> None:
    log: list[int] = []
    remembered_choice(None, KEY, deciding(log))
    remembered_choice(None, KEY, deciding(log))
    assert len(log) == 2


def test_machine_key_names_what_the_choice_depends_on() -> None:
    assert machine_key("m", "torch 2", "cpu").keys() == KEY.keys()
    assert machine_key("m", "torch 2", "cpu") != machine_key("m", "torch 3", "cpu")


@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_a_limit_on_instructions_makes_it_another_machine(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    whole = machine_key("m", "torch 2", "cpu")
    monkeypatch.setenv(variable, "AVX512_CORE_BF16")
    assert machine_key("m", "torch 2", "cpu") != whole
    monkeypatch.setenv(variable, "")
    assert machine_key("m", "torch 2", "cpu") == whole


def test_a_stored_choice_that_can_no_longer_be_made_is_replaced(tmp_path: Path) -> None:
    log: list[int] = []
    remembered_choice(tmp_path, KEY, deciding(log))
    wide = PrecisionChoice("float32")
    assert remembered_choice(tmp_path, KEY, deciding(log, wide), among=("float32", "bfloat16")) == NARROW
    assert remembered_choice(tmp_path, KEY, deciding(log, wide), among=frozenset({"float32"})) == wide
    assert remembered_choice(tmp_path, KEY, deciding(log)) == wide  # stored
    assert len(log) == 2


def test_real_clock_by_default() -> None:
    def encode(precision: Precision) -> NDArray[np.float32]:
        time.sleep(0.02 if precision == "float32" else 0.002)
        return np.ones((1, 1), dtype=np.float32)

    start = time.perf_counter()
    assert choose_precision(encode, ["bfloat16"]).precision == "bfloat16"
    assert time.perf_counter() - start < 5.0
