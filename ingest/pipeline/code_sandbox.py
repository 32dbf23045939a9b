"""Cutting source files in disposable children, many files to a child: the service's side of `code_zygote.py`.

A child that dies, or takes more than its share, costs the file at which it did, and only when it does so again with that file
alone. The files before it are answered already, those behind it get another child.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from threading import Thread
from typing import Any

import orjson

from ingest.parsing.outcome import Outcome
from ingest.parsing.sandbox import ParseLimits, ParseSandbox, told_error
from ingest.parsing.wire import WireError
from ingest.parsing.zygote_client import ZygoteClient, ZygoteGone
from ingest.pipeline.code_batch import BatchFile, written_batch
from ingest.pipeline.code_cutting import CutFile, CutRules, Screening
from ingest.pipeline.code_wire import decode_cut, unpacked
from rag.domain.errors import ConfigurationError, ParseLimitExceeded, ParserCrashed, SeogoError

_LOG = logging.getLogger(__name__)
_TRIES = 3
"""A zygote that has just died is no fault of a file's."""
CODE_LIMITS = ParseLimits(cpu_s=30)
"""Of one batch, which takes some two seconds; and of one file in the end."""
MOST_CHILDREN = 6
"""At once, on a machine that has the cores: what is behind them, rows and points, keeps one core busy with as many."""
LEAST_CHILDREN = 3
"""At once, on two cores as well: now and then one waits until the service has taken what it made."""

Cut = CutFile | SeogoError


class CodeSandbox(ParseSandbox):
    """`ParseSandbox` for batches of source files. Thread-safe; `close` when done.

    Args:
        rules: how files are cut, asked for with every batch: another space may have become the current one.
        concurrency: children at once; where none is given, what the machine's cores have room for.
    """

    def __init__(
        self, rules: Callable[[], CutRules], limits: ParseLimits = CODE_LIMITS, *, concurrency: int | None = None
    ) -> None:
        self.concurrency = concurrency or min(MOST_CHILDREN, max(LEAST_CHILDREN, len(os.sched_getaffinity(0)) - 1))
        super().__init__(limits, concurrency=self.concurrency)
        self._rules = rules
        self._followed: CutRules | None = None

    def cut(self, screening: Screening, files: Sequence[BatchFile]) -> list[Cut]:
        """What was made of each file, or why nothing was.

        Raises:
            ConfigurationError: children can't be kept off the network here, or can't be started.
        """
        answers: list[Cut] = []
        alone = False
        while len(answers) < len(files):
            rest = files[len(answers) :]
            found, reason = self._attempt(screening, rest[:1] if alone else rest)
            answers += found
            if found:
                alone = len(answers) < len(files) and not alone
            elif alone:
                answers.append(reason)
                alone = False
            else:
                alone = True
        return answers

    def get_ready(self) -> None:
        """Have children to fork ready soon; what is wrong with that is told by `cut`."""
        Thread(target=self._get_ready, name="code-zygote", daemon=True).start()

    def _get_ready(self) -> None:
        with suppress(SeogoError, RuntimeError):  # closed meanwhile
            self._zygote()

    def _zygote(self) -> ZygoteClient:
        """The zygote of the rules in force. Whoever still waits for one of others begins again, as after its death."""
        rules = self._rules()
        with self._lock:
            old = self._client if self._followed not in (None, rules) else None
            self._followed = rules
        if old is not None:
            self._forget(old)
        return super()._zygote()

    def _started(self) -> ZygoteClient:
        rules = self._followed or self._rules()
        return ZygoteClient(json.dumps(asdict(rules)), "ingest.pipeline.code_zygote")

    def _attempt(self, screening: Screening, files: Sequence[BatchFile]) -> tuple[list[Cut], SeogoError]:
        """Answers for the first of these files, and why the next one has none."""
        outcome = self._answered(screening, files)
        if outcome is None:
            return [], ParserCrashed(name=_name(files[0]))
        # The next batch has the slot meanwhile: reading the answers takes a quarter of what cutting does.
        found = _answers(files, unpacked(outcome.frame))
        return found, self._why(outcome.exceeded, outcome.status, files[min(len(found), len(files) - 1)])

    def _answered(self, screening: Screening, files: Sequence[BatchFile]) -> Outcome | None:
        """What a child has made of these files, or of the first of them; None when none could be had."""
        with self._slots.held(), written_batch(screening, files) as descriptor:
            deadline = time.monotonic() + self._limits.wall_s
            for _ in range(_TRIES):
                client = self._zygote()
                request = {"op": "cut", "name": _name(files[0]), "first_child": 0, "load": [], "parser": ""}
                try:
                    outcome = self._exchange(client, descriptor, request, deadline)
                except ZygoteGone:
                    self._forget(client)
                    continue
                status = outcome.status
                if refused := status.get("refused"):
                    raise ConfigurationError(detail=f"parser: {refused}")
                ended = outcome.exceeded or "status" in status
                if "pid" not in status or not ended:
                    self._forget(client)
                if ended or unpacked(outcome.frame):
                    return outcome
        return None

    def _why(self, exceeded: str, status: dict[str, Any], file: BatchFile) -> SeogoError:
        name = _name(file)
        if exceeded:
            return ParseLimitExceeded(name=name, resource=exceeded)
        return self._death(status, name) if int(status.get("status", 0)) else ParserCrashed(name=name)


def _name(file: BatchFile) -> str:
    return file.source_key.rpartition("/")[2]


def _answers(files: Sequence[BatchFile], payloads: Sequence[memoryview]) -> list[Cut]:
    return [_answer(file, payload) for file, payload in zip(files, payloads, strict=False)]


def _answer(file: BatchFile, payload: memoryview) -> Cut:
    """One answer, checked: the child has read a file that nobody trusts."""
    name = _name(file)
    try:
        data = orjson.loads(payload)
        return told_error(data, name) if "code" in data else decode_cut(data)
    except (WireError, ValueError, LookupError, TypeError) as wrong:
        _LOG.warning("the answer of a child of the code lane is malformed: %s", wrong)
        return ParserCrashed(name=name)
