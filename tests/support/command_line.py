"""The command line in processes of its own, forked from one that has loaded it: loading takes three seconds a command.

That an interpreter comes up with nothing loaded is told by those tests of `tests/e2e` that start one.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess

_LOADED = """
import gc, json, os, sys, threading
import api.app, api.cli.administration, api.cli.commands, api.cli.doctor, api.cli.main, api.cli.services, uvicorn
assert threading.active_count() == 1, "a fork takes one thread along"
gc.freeze()
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, name in enumerate((os.devnull, asked["out"], asked["err"])):
            opened = os.open(name, os.O_RDWR)
            os.dup2(opened, number)
            os.close(opened)
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = ["seogo", *asked["words"]]
        sys.exit(api.cli.main.run())
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _loaded() -> subprocess.Popen[str]:
    """The process that has loaded the command line and is forked for each command; it ends with this one."""
    command = [sys.executable, "-c", _LOADED]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate()


def seogo(
    data: Path, *arguments: str, language: str = "en", columns: int = 160, check: bool = True
) -> CompletedProcess[str]:
    """Run a command on a data folder.

    Raises:
        AssertionError: it failed though it was to be checked.
    """
    environment = {**os.environ, "SEOGO_LANG": language, "COLUMNS": str(columns)}
    words = ["--data-dir", str(data), *arguments]
    process = _loaded()
    assert process.stdin is not None and process.stdout is not None
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        asked = {"words": words, "environment": environment, "out": out.name, "err": err.name}
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        try:
            code = int(process.stdout.readline())
        except BaseException:  # a time-out of the test: what is answered later belongs to no other command
            process.kill()
            _loaded.cache_clear()
            raise
        done = CompletedProcess(words, code, Path(out.name).read_text(), Path(err.name).read_text())
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done
