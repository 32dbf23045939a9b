"""Cutting long documents in a process of their own, which ends with each of them: the service's side of `long_zygote.py`.

What a book or a table of 100,000 rows takes as objects is many times its text. In the service it would keep Python's lock from
whoever asks meanwhile, for seconds to minutes, and leave a heap in holes that no megabyte goes back from.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import orjson

from ingest.chunking.base import go_on
from ingest.parsing.outcome import Outcome
from ingest.parsing.sandbox import ParseLimits, ParseSandbox, told_error
from ingest.parsing.wire import WireError
from ingest.parsing.zygote_client import ZygoteClient, ZygoteGone
from ingest.pipeline.code_cutting import Screening
from ingest.pipeline.code_wire import unpacked
from ingest.pipeline.long_cutting import LongRules
from ingest.pipeline.long_document import LongDocument, written_long
from ingest.pipeline.long_wire import CutApart, decode_long
from rag.domain.errors import ConfigurationError, ParseLimitExceeded, ParserCrashed
from rag.domain.findings import CUSTOM, Kind
from rag.domain.personal_data import PrivacyPolicy

_LOG = logging.getLogger(__name__)
LONG_BYTES = 2 << 20
"""Of a parse result. To start a process takes as long as it takes to cut this much."""
_ERROR = b'{"code"'
"""What stands in the place of an answer begins with it."""
_AT_ONCE = 2
"""And one more that somebody waits for, or that nobody does: a table in a batch is not to wait for a book."""
_TRIES = 2
"""A zygote that has just died is no fault of the document's."""
LONG_LIMITS = ParseLimits(memory_bytes=3 << 30, cpu_s=1800, wall_s=3600.0, output_bytes=256 << 20)
"""Far more than what a parse may give takes: 50 MB of it, with each row of a table known by its cells."""


class _NotStarted(Exception):
    """The process does not start: the tokens of the model are not what its tokenizer says, or there is no memory for it."""


class LongSandbox(ParseSandbox):
    """`ParseSandbox` for parse results. Thread-safe.

    Args:
        rules: how documents are cut, asked for with each; None where the tokens of the model are counted elsewhere.
    """

    def __init__(self, rules: Callable[[], LongRules | None], limits: ParseLimits = LONG_LIMITS) -> None:
        super().__init__(limits, concurrency=_AT_ONCE)
        self._rules = rules
        self._running: set[ZygoteClient] = set()

    def cut(
        self, long: LongDocument, screening: Screening, *, urgent: bool = False, told: Callable[[], None] = go_on
    ) -> CutApart | None:
        """What was made of a parse result; None where it has to be cut by the caller.

        Args:
            urgent: somebody waits for it.
            told: is called once a second while it is cut; what it raises ends the work.

        Raises:
            ParseLimitExceeded: it takes more than its share.
            ParserCrashed: the child died; the log has the details.
            ConfigurationError: children can't be kept off the network here.
        """
        rules = self._rules()
        if rules is None:
            return None
        try:
            with self._slots.held(urgent=urgent), written_long(long, screening) as descriptor:
                outcome = self._outcome(rules, descriptor, long.name, told)
        except (_NotStarted, OSError) as error:  # not every system has files in memory
            _LOG.warning("a long document is cut in the service, as a process for it does not start: %s", error)
            return None
        return self._cut_apart(outcome, long.name, _kinds(screening.policy))

    def close(self) -> None:
        """Kill what is running."""
        super().close()
        with self._lock:
            running = list(self._running)
        for client in running:
            client.kill()

    def _outcome(self, rules: LongRules, descriptor: int, name: str, told: Callable[[], None]) -> Outcome:
        for _ in range(_TRIES):
            told()  # whoever had to wait for this may be waited for no more
            with self._fresh(rules) as client:
                outcome = self._asked(client, descriptor, name, told)
            if outcome is not None:
                return outcome
        raise ParserCrashed(name=name)

    @contextmanager
    def _fresh(self, rules: LongRules) -> Iterator[ZygoteClient]:
        """A process of its own for the block."""
        self._require_open()
        try:
            client = ZygoteClient(json.dumps(rules.to_json()), "ingest.pipeline.long_zygote")
        except (ConfigurationError, OSError) as error:
            raise _NotStarted(str(error)) from error
        try:
            with self._lock:
                self._running.add(client)
            self._require_open()
            self._require_confined(client)
            yield client
        finally:
            with self._lock:
                self._running.discard(client)
            client.kill()

    def _require_open(self) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("the sandbox is closed")

    def _asked(self, client: ZygoteClient, descriptor: int, name: str, told: Callable[[], None]) -> Outcome | None:
        """What came back; None where the process died before its child did."""
        request = {"op": "cut", "name": name, "first_child": 0, "load": [], "parser": ""}
        deadline = time.monotonic() + self._limits.wall_s
        try:
            outcome = self._exchange(client, descriptor, request, deadline, lambda _read, _total: told())
        except ZygoteGone:
            return None
        if refused := outcome.status.get("refused"):
            raise _NotStarted(refused)
        return outcome if outcome.exceeded or "status" in outcome.status else None

    def _cut_apart(self, outcome: Outcome, name: str, kinds: Collection[str]) -> CutApart:
        if outcome.exceeded:
            raise ParseLimitExceeded(name=name, resource=outcome.exceeded)
        if int(outcome.status["status"]):
            raise self._death(outcome.status, name)
        payloads = unpacked(outcome.frame)
        try:
            if payloads and payloads[0][: len(_ERROR)] == _ERROR:
                raise told_error(orjson.loads(payloads[0]), name)
            return decode_long(payloads, kinds)
        except (WireError, ValueError, LookupError, TypeError) as wrong:
            _LOG.warning("the answer of the child that cuts a long document is malformed: %s", wrong)
            raise ParserCrashed(name=name) from wrong


def _kinds(policy: PrivacyPolicy) -> frozenset[str]:
    """What may be found for it."""
    return frozenset({*map(str, Kind), *(f"{CUSTOM}{pattern.name}" for pattern in policy.patterns)})
