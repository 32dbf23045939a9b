"""Which number format a model runs in: decided by what the processor has, then by timing it, once per machine.

A processor flag alone is not enough. Emerald Rapids with AMX hidden by the hypervisor announces `avx512_bf16`, yet its
`vdpbf16ps` issues 1.25e9 times a second against 5.3e9 for the float32 FMA, so bfloat16 runs at half the speed of
float32 there (measured for this file); on processors with AMX it runs at several times the speed. Hence the self-test.

This file knows no framework: a backend hands in a function that encodes the same texts in a given format.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "float16", "openvino-float32", "openvino-bfloat16", "openvino-int8"]
"""A number format; plain ones run on torch. `int8`: most matrices (`openvino_narrow.py`), the rest in what is left."""

_BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
_INT8_FLAGS = frozenset({"amx_int8", "avx512_vnni", "avx_vnni"})

INSTRUCTION_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables by which an operator keeps OpenVINO and torch from instructions that the processor announces."""

Encode = Callable[[Precision], NDArray[np.float32]]
"""Encodes the self-test's n texts in a precision; shape (n, d), float32, rows of unit length."""

MIN_COSINE = 0.999
"""Smallest cosine to the float32 vector, over all texts, at which a narrower format still counts as the same model."""

MIN_COSINE_INT8 = 0.9992
"""The same for eight bits on the few texts of the self-test, as others come out further off. MiniLM has .9993 there: abstracts,
pages, code and questions have .9995 and more, ninety-nine of a hundred single words .9993, two of 3,000 .9987."""

MIN_GAIN = 1.1
"""A narrower format has to be 10 % faster: less is within the noise of a two-second test."""

HOPELESS = 4.0
"""A first run this many times slower than float32 ends the trial (emulated bfloat16 is some 100 times slower)."""

SELF_TEST_SECONDS = 2.0
SELF_TEST_ROUNDS = 5

SELF_TEST_TEXTS: tuple[str, ...] = (
    "The bank keeps the records of every transaction for five years and hands them to the supervisor on request. " * 6,
    "Patients given the drug had fewer infections (12 % against 31 %, p < 0.01) in a trial of 240 adults; cells were "
    "cultured in medium with 10 % serum, harvested after 48 hours, and their RNA was extracted and sequenced. " * 3,
    "def read_config(path: Path) -> dict[str, str]:\n    with path.open() as file:\n        return json.load(file)\n"
    * 6,
    "제12조(보존) 회사는 모든 거래 기록을 5년 동안 보존하고 감독 기관이 요구하면 지체 없이 제출하여야 한다. " * 6,
)
"""Prose, numbers, code and Korean: long enough to fill 128 tokens each, so that the matrices have a real size."""


@dataclass(frozen=True, slots=True)
class PrecisionChoice:
    """The outcome of a self-test.

    Attributes:
        gain: seconds in float32 divided by seconds in `precision`; 1.0 for float32 itself.
        cosine: smallest cosine between the two, over the texts of the self-test.
    """

    precision: Precision
    gain: float = 1.0
    cosine: float = 1.0


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, frozenset[str]]:
    """Model name and feature flags of this machine's CPU; no flags where the system has no `/proc/cpuinfo`."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    fields: dict[str, str] = {}
    for line in lines:
        label, _, value = line.partition(":")
        fields.setdefault(label.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", ""))  # x86 says flags, ARM says Features
    # "Intel(R) Xeon(R) Processor" names many generations when a hypervisor hides the number.
    model = [fields.get(label, "") for label in ("model name", "cpu family", "model", "stepping")]
    return " ".join(part for part in model if part) or platform.machine(), frozenset(flags.split())


def candidate_precisions(
    flags: frozenset[str], cuda_capability: tuple[int, int] | None = None, *, openvino: bool = False
) -> tuple[Precision, ...]:
    """What is worth timing against torch's float32.

    float16 is no candidate on CPUs: oneDNN widens it to float32 in registers, so it gains nothing.

    Args:
        flags: of the CPU, as `processor` gives them.
        cuda_capability: of the GPU that the model will run on; None for the CPU.
        openvino: whether that library is installed; on CPUs only.
    """
    if cuda_capability is not None:
        return ("bfloat16", "float16") if cuda_capability >= (8, 0) else ("float16",)  # bfloat16 came with Ampere, 8.0
    narrow: tuple[Precision, ...] = ("openvino-int8",) if flags & _INT8_FLAGS else ()
    if not has_bfloat16(flags):
        return (*narrow, "openvino-float32") if openvino else ()
    return (*narrow, "openvino-bfloat16", "bfloat16", "openvino-float32") if openvino else ("bfloat16",)


def has_bfloat16(flags: frozenset[str]) -> bool:
    """Whether the processor announces bfloat16."""
    return bool(flags & _BFLOAT16_FLAGS)


def choose_precision(
    encode: Encode,
    candidates: Sequence[Precision],
    *,
    seconds: float = SELF_TEST_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> PrecisionChoice:
    """Time float32 against each candidate in alternation, and take the fastest that gives the same vectors.

    float16 is as wide as bfloat16 and overflows sooner, so it is tried only where bfloat16 is not taken.

    Args:
        encode: runs the model; its first call per precision may be slow (it converts weights) and is not counted.
        seconds: aim for the whole test; every candidate gets at least one counted round.
    """
    best = PrecisionChoice("float32")
    deadline = clock() + seconds
    for position, candidate in enumerate(candidates):
        if (best.precision, candidate) == ("bfloat16", "float16"):
            continue
        share = (deadline - clock()) / (len(candidates) - position)
        found = _trial(encode, candidate, clock() + share, clock)
        logger.info("precision self-test: %s gain %.2f, cosine %.5f", candidate, found.gain, found.cosine)
        if found.cosine >= least_cosine(candidate) and found.gain >= max(MIN_GAIN, best.gain):
            best = found
    return best


def least_cosine(precision: Precision) -> float:
    """What a format has to reach in the self-test."""
    return MIN_COSINE_INT8 if precision == "openvino-int8" else MIN_COSINE


def _trial(encode: Encode, candidate: Precision, deadline: float, clock: Callable[[], float]) -> PrecisionChoice:
    """Gain and cosine of one candidate, within its share of the time."""
    reference, _ = _timed(encode, "float32", clock)
    vectors, _ = _timed(encode, candidate, clock)
    cosine = float(np.min(np.sum(reference * vectors, axis=1)))
    if not cosine >= least_cosine(candidate):  # written so that NaN fails too
        return PrecisionChoice(candidate, 0.0, 0.0 if np.isnan(cosine) else cosine)
    wide: list[float] = []
    narrow: list[float] = []
    for _ in range(SELF_TEST_ROUNDS):
        wide.append(_timed(encode, "float32", clock)[1])
        narrow.append(_timed(encode, candidate, clock)[1])
        if clock() >= deadline or narrow[-1] > HOPELESS * wide[-1]:
            break
    return PrecisionChoice(candidate, statistics.median(wide) / max(statistics.median(narrow), 1e-9), cosine)


def _timed(encode: Encode, precision: Precision, clock: Callable[[], float]) -> tuple[NDArray[np.float32], float]:
    """The vectors and the seconds they took."""
    start = clock()
    vectors = encode(precision)
    return vectors, clock() - start


def machine_key(model: str, framework: str, device: str) -> dict[str, str]:
    """What a choice depends on; a change of any part makes the stored choice stale.

    Args:
        model: the embedder's name.
        framework: library and version, such as `torch 2.13.0`.
        device: `cpu` or the GPU's name.
    """
    cpu, flags = processor()
    limits = [f"{name}={os.environ[name]}" for name in INSTRUCTION_LIMITS if os.environ.get(name)]
    digest = hashlib.sha256(" ".join([*sorted(flags), *limits]).encode()).hexdigest()[:16]
    return {"model": model, "framework": framework, "device": device, "cpu": cpu, "flags": digest}


def remembered_choice(
    cache_dir: Path | None,
    key: Mapping[str, str],
    decide: Callable[[], PrecisionChoice],
    *,
    among: Collection[Precision] = get_args(Precision),
) -> PrecisionChoice:
    """The stored choice for `key`, or `decide()`, stored for the next start.

    A corrupt or stale file is ignored and replaced; a folder that can't be written only costs the next start its test.

    Args:
        cache_dir: made if missing; None stores nothing.
        among: what can be chosen now; a stored choice outside is replaced.
    """
    if cache_dir is None:
        return decide()
    file = _choice_file(cache_dir, key)
    choice = _read(file, key)
    if choice is None or choice.precision not in among:
        choice = decide()
        _write(file, key, choice)
    return choice


def stored_choice(cache_dir: Path, key: Mapping[str, str]) -> PrecisionChoice | None:
    """The stored choice for `key`, if there is one."""
    return _read(_choice_file(cache_dir, key), key)


def _choice_file(cache_dir: Path, key: Mapping[str, str]) -> Path:
    identity = hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:16]
    return cache_dir / f"precision-{identity}.json"


def _read(file: Path, key: Mapping[str, str]) -> PrecisionChoice | None:
    """The choice in `file`, or None when it is missing, damaged or made for another machine or model."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["key"] != dict(key) or stored["choice"]["precision"] not in get_args(Precision):
            return None
        fields = stored["choice"]
        return PrecisionChoice(fields["precision"], float(fields["gain"]), float(fields["cosine"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("ignoring the damaged precision file %s: %r", file, error)
        return None


def _write(file: Path, key: Mapping[str, str], choice: PrecisionChoice) -> None:
    try:
        write_whole(file, json.dumps({"key": dict(key), "choice": asdict(choice)}, indent=2))
    except OSError as error:
        logger.warning("the precision self-test could not be stored in %s: %r", file.parent, error)


def write_whole(file: Path, content: str) -> None:
    """Write in one step (aside, then renamed), so that a killed process leaves no half a file. The folder is made if missing.

    Raises:
        OSError: it can't be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(content)
    Path(aside).replace(file)
