"""What rules of documents cost: authorising a principal, and a search, in a tenant without rules, with 10 and with 1,000.

    python -m benchmarks.access_cost [--documents N] [--rounds N]

Documents of one chunk each in the embedded shape. `bare` is the same code without the two queries about rules, as it was before
there were any. Steps take turns, round by round, in one process; medians of CPU time (others may use the machine), and ratios to
`bare`. The principal passes half of the rules. Bar: without rules, ratio <= 1.1 for a search.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch
from uuid import UUID

from benchmarks.workbench import Workbench, workbench
from rag.access.policy import Action
from rag.domain.access import AccessRule, group
from rag.domain.anchor import ParagraphAnchor
from rag.domain.document import Chunk, chunk_id, document_id
from rag.domain.language import Language
from rag.domain.principal import Permit, Principal, Scope
from rag.index.base import Placement
from rag.store import access_rule
from rag.store.document import Document

BAR = 1.1
QUESTION = "연차 휴가 규정"


def main() -> int:
    """Print medians and ratios; 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=60)
    wanted = parser.parse_args()
    worst = 0.0
    with workbench("documents") as bench:
        bench.add([(f"{number}.md", [_chunk(bench, number)]) for number in range(wanted.documents)])
        for rules in (0, 10, 1000):
            _give(bench, rules, wanted.documents)
            ratio = _measured(bench, rules, wanted.rounds)
            worst = ratio if rules == 0 else worst
    print(f"search without rules against bare: {worst:.2f} (bar {BAR})")
    return int(worst > BAR)


def _chunk(bench: Workbench, number: int) -> Chunk:
    text = f"제{number}조 연차 휴가 규정 {number % 97}번 항목과 급여 {number % 13} 기준"
    identity = chunk_id(bench.version_for(f"{number}.md"), "bench", 0)
    return Chunk(identity, 0, text, ParagraphAnchor(1, 1), language=Language.KOREAN)


def _give(bench: Workbench, rules: int, documents: int) -> None:
    """Put `rules` different rules on as many documents, and move their points."""
    given: dict[UUID, UUID | None] = {}
    with bench.rag.database.write() as session:
        for number in range(min(rules, documents)):
            key = f"{number}.md"
            row = session.get_one(Document, document_id(bench.collection_id, key))
            access_rule.set_own_rule(session, row, AccessRule(frozenset({group(UUID(int=number + 1))})))
            row.access_pending = False
            given[bench.version_for(key)] = row.access_rule_id
    for version, rule in given.items():
        bench.rag.index.place(Placement(version, bench.tenant_id, bench.collection_id, rule, archived=False))


def _measured(bench: Workbench, rules: int, rounds: int) -> float:
    principal = _principal(bench, rules)

    def authorize() -> Permit:
        return bench.rag.policy.authorize(principal, Action.SEARCH)

    def search() -> None:
        bench.rag.retriever.search(authorize(), QUESTION, limit=10)

    steps: tuple[tuple[str, Callable[[], object]], ...] = (("authorize", authorize), ("search", search))
    taken: dict[tuple[str, bool], list[float]] = {(name, bare): [] for name, _ in steps for bare in (True, False)}
    for number in range(rounds + 5):
        for name, step in steps:
            for bare in (True, False) if number % 2 else (False, True):
                with _bare() if bare else _as_it_is():
                    began = time.process_time()
                    step()
                    if number >= 5:  # the first rounds fill caches
                        taken[name, bare].append(time.process_time() - began)
    medians = {key: statistics.median(times) * 1000 for key, times in taken.items()}
    for name, _ in steps:
        with_rules, bare_ms = medians[name, False], medians[name, True]
        print(f"{rules:5d} rules  {name:10s} {with_rules:7.3f} ms, bare {bare_ms:7.3f} ms: {with_rules / bare_ms:.2f}")
    return medians["search", False] / medians["search", True]


def _principal(bench: Workbench, rules: int) -> Principal:
    groups = frozenset(UUID(int=number + 1) for number in range(0, rules, 2))
    return Principal(UUID(int=7), "bench", bench.tenant_id, frozenset({Scope.READ}), groups=groups)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _bare() -> Iterator[None]:
    """Without the queries about rules: documents that have one are not found then."""
    with (
        patch.object(access_rule, "of_collections", lambda session, tenant_id, ids: []),
        patch.object(access_rule, "pending", lambda session, permit: frozenset()),
    ):
        yield


if __name__ == "__main__":
    sys.exit(main())
