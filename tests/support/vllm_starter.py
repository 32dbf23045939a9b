"""Run with vLLM's own Python: starts one API server after the other, with one import of vLLM for all of them.

Most of the half minute that a vLLM with a tiny model takes to start goes into imports, once in the server, once in its engine
core, once in its worker. Here they are done once, and every server is a fork. The code that serves is vLLM's own.

In, a line each: `{"arguments": […], "log": "path"}`. Out: the process id of the server, which leads a group of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any


def prepare() -> None:
    """Import what servers, cores and workers need, and let them fork where vLLM would start a new Python."""
    import vllm.entrypoints.launchers.api_server.entry
    import vllm.model_executor.models.transformers
    import vllm.v1.engine.async_llm
    import vllm.v1.engine.core
    import vllm.v1.executor.multiproc_executor
    import vllm.v1.worker.cpu_worker  # noqa: F401
    from vllm.model_executor.models import registry
    from vllm.platforms.cpu import CpuPlatform

    settle = CpuPlatform.check_and_update_config.__func__

    def forking(cls: Any, config: Any) -> None:
        settle(cls, config)
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"

    CpuPlatform.check_and_update_config = classmethod(forking)
    registry._run_in_subprocess = lambda inspect: inspect()


def serve(arguments: list[str], log: str) -> None:
    """Become a server."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)
    sys.argv = ["vllm", *arguments]
    from vllm.entrypoints.launchers.api_server.entry import main

    main()


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run() -> None:
    prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended servers need nobody to wait for them
    tell("ready")
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(wanted["arguments"], wanted["log"])
            finally:
                os._exit(1)
        tell(str(child))


if __name__ == "__main__":
    run()
