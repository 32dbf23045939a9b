"""The child process that tries a graph (`graph_trial.py`): loads it as the service would, runs it, and ends."""

from __future__ import annotations

import ctypes
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rag.embedding.openvino_graph import OpenVinoForward, read_spec
from rag.transport.egress import EgressGuard

_PR_SET_PDEATHSIG = 1
_ROWS, _TOKENS = 4, 64
"""Wide enough that the kernels for many tokens run, too."""


def main() -> None:
    """Try the graph in the folder, number format, lanes and threads of a lane that the last arguments name.

    Raises:
        SystemExit: there is no graph.
        ConversionFailed: the library refuses it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is an answer here, and leaves no image of the memory
    _end_before_the_service()
    folder, precision, lanes, lane_threads = sys.argv[-4:]
    noted = read_spec(Path(folder))
    if noted is None:
        raise SystemExit(f"no graph in {folder}")
    spec = replace(noted, lanes=int(lanes), lane_threads=int(lane_threads))
    with EgressGuard().guarding():  # the service's own hears no other process
        forward = OpenVinoForward(Path(folder), spec, precision, on_trial=True)
        tokens = min(_TOKENS, spec.tokenizer.limit)
        forward([[spec.tokenizer.padding.token] * length for length in (tokens, *[tokens // 2] * (_ROWS - 1))])


def _end_before_the_service() -> None:
    """Where memory is short, or the service is killed, this process goes first. Only Linux tells that a processor has AMX."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
