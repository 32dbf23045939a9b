"""Whether the library survives a graph: tried once per graph and number format, in a child process, on processors with AMX.

There OpenVINO takes kernels of its own for parts of some models, and what goes wrong in one is no exception but the end of the
process. A gated feed-forward layer (Qwen3's, say) in bfloat16 on a lane of one thread is divided among half that thread
(`LLMMLP`, openvino 2026.4: a divide error while it compiles). A child that tries MiniLM takes 0.6 s; a service would be gone
without a word. Other formats and other models keep their speed: turning AMX off for the process instead would make MiniLM take
three times as long.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.embedding.precision import INSTRUCTION_LIMITS, write_whole

logger = logging.getLogger(__name__)

INSTRUCTIONS = "amx_tile"
"""The flag of processors on which graphs are tried first."""

_PASSED_ON = (*INSTRUCTION_LIMITS, "LD_LIBRARY_PATH", "LD_PRELOAD", "OMP_NUM_THREADS")
"""What decides which library a child loads and how that computes; the rest of the environment, secrets too, stays here."""

_LEAST_S = 60.0
_BYTES_PER_S = 16 << 20
"""A child that takes longer than a minute and a second for each so many bytes of weights hangs. MiniLM (90 MB) takes 0.6 s."""

_CRASHES = frozenset({signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGTRAP})
"""Signals of a fault in the child itself. Others come from outside (memory is short, the machine shuts down): not noted."""

_MESSAGE_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Finding:
    """How a trial ended.

    Attributes:
        refused: why the graph must not be loaded in this process, such as `ended by SIGFPE`; empty where it may.
        lasting: whether it would end so again, and is noted.
    """

    refused: str = ""
    lasting: bool = True


def tried(folder: Path, precision: str, lanes: int, lane_threads: int) -> Finding:
    """Whether the library can be trusted with the graph in `folder`; no refusal where nothing could be found out.

    The outcome is noted beside the graph, whose folder changes with the model, the library's version and the processor.

    Args:
        precision: as `OpenVinoForward` takes it.
        lanes: requests that run at once.
        lane_threads: threads of each.
    """
    command = child_command(folder, precision, lanes, lane_threads)
    key = {
        "precision": precision,
        "lanes": str(lanes),
        "lane_threads": str(lane_threads),
        "processors": str(len(os.sched_getaffinity(0))),
    }
    return noted(folder, key, lambda: try_in_child(command, time_for(folder)))


def noted(folder: Path, key: Mapping[str, str], ask: Callable[[], Finding]) -> Finding:
    """What is on record for `key`, or what `ask` finds, put on record if it lasts."""
    file = folder / f"trial-{'-'.join(key.values())}.json"
    finding = _read(file, key)
    if finding is None:
        finding = ask()
        if finding.refused:
            again = (
                f"; it is tried again once {file} and the choice beside its folder are removed"
                if finding.lasting
                else ""
            )
            logger.warning(
                "OpenVINO can't be trusted with the dense model (%s) in %s on this processor: a child process "
                "that tried it was %s%s",
                folder.name,
                key["precision"],
                finding.refused,
                again,
            )
        if finding.lasting:
            _write(file, key, finding)
    return finding


def child_command(folder: Path, precision: str, lanes: int, lane_threads: int) -> list[str]:
    """The child's command: isolated from the working folder and from Python's variables, with this process's own import path."""
    path = [entry for entry in sys.path if Path(entry).is_absolute()]
    code = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from rag.embedding.graph_trial_child import main; main()"
    arguments = [str(folder.resolve()), precision, str(lanes), str(lane_threads)]
    return [sys.executable, "-I", "-c", code, json.dumps(path), *arguments]


def try_in_child(command: Sequence[str], timeout_s: float) -> Finding:
    """Run the child and say how it ended. One that fails in an orderly way is no reason to refuse: the same will be said here."""
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter, arguments of ours)
            command,
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
            start_new_session=True,  # Ctrl-C in the operator's terminal is for the service
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(f"still at it after {timeout_s:.0f} s", lasting=False)  # a disk may be slow today
    except (OSError, ValueError, TypeError) as error:  # no room for a process, or no interpreter to start
        logger.warning("no child process could try the graph: %s", error)
        return Finding(lasting=False)
    if done.returncode == 0:
        return Finding()
    if done.returncode < 0:
        return Finding(f"ended by {_name(-done.returncode)}", lasting=-done.returncode in _CRASHES)
    message = done.stderr.decode("utf-8", "replace").strip()[-_MESSAGE_CHARACTERS:]
    logger.warning("the child process that tries the graph failed: %s", message)
    return Finding(lasting=False)


def time_for(folder: Path) -> float:
    """Seconds after which a child that tries the graph in `folder` hangs."""
    return _LEAST_S + sum(file.stat().st_size for file in folder.glob("*.bin")) / _BYTES_PER_S


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "DO_NOT_TRACK": "1", **kept}


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _read(file: Path, key: Mapping[str, str]) -> Finding | None:
    """What was noted, None where nothing was, or something else."""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return Finding(str(stored["refused"])) if stored["key"] == dict(key) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("ignoring the damaged file %s: %r", file, error)
        return None


def _write(file: Path, key: Mapping[str, str], finding: Finding) -> None:
    try:
        write_whole(file, json.dumps({"key": dict(key), "refused": finding.refused}, indent=2))
    except OSError as error:
        logger.warning("what was found out about a graph can't be kept in %s: %r", file.parent, error)
