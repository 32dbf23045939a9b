from __future__ import annotations

from uuid import uuid5

import pytest

from rag.domain.access import AccessRule, Label
from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext
from rag.domain.code_places import CodeScope
from rag.domain.document import Chunk, ElementKind
from rag.domain.errors import InvalidRequest, RepositoryNotFound
from rag.domain.language import Language
from rag.retrieval.code_folding import foldable, folded
from rag.retrieval.code_graph import graph_of
from rag.retrieval.code_pack import CodePacker
from rag.retrieval.repository_map import RepositoryMaps
from rag.store import chunk as chunks_table
from rag.store.code_query import FileRow, SymbolRow
from rag.store.session import Database
from rag.text.token_estimate import estimated_tokens
from tests.support.code_samples import PAYMENTS
from tests.support.code_world import CodeWorld


@pytest.fixture
def world(database: Database) -> CodeWorld:
    made = CodeWorld(database)
    made.repository("payments", PAYMENTS)
    return made


@pytest.fixture
def maps(world: CodeWorld) -> RepositoryMaps:
    return RepositoryMaps(world.database, world.retriever)


def test_a_map_shows_definitions_below_their_files(world: CodeWorld, maps: RepositoryMaps) -> None:
    found = maps.map(world.permit(), 2000)
    assert "payments/src/payments/limits.py:\n  class LimitChecker  # 1-7\n    def within(self" in found.text
    assert "test_approve" not in found.text and "README" not in found.text
    assert found.tokens == estimated_tokens(found.text) <= 2000
    assert found.files_total == len(PAYMENTS)
    assert [(item.repository, item.short) for item in found.revisions] == [("payments", "abc123def456")]
    top = [item.file.key for item in found.files[:2]]
    assert "payments/src/payments/limits.py" in top, "three files use it"


def test_a_map_keeps_its_budget_and_follows_its_task(world: CodeWorld, maps: RepositoryMaps) -> None:
    for budget in (40, 90, 200, 500):
        found = maps.map(world.permit(), budget)
        assert found.tokens <= budget
    plain = maps.map(world.permit(), 60).files
    about = maps.map(world.permit(), 60, task="fix main() in src/app.py").files
    assert about[0].file.key == "payments/src/app.py"
    assert "payments/src/app.py" not in [item.file.key for item in plain]
    asked = maps.map(world.permit(), 60, task="카드사에 청구하는 곳을 고쳐라").files
    assert asked[0].file.key == "payments/src/payments/gateway.py"


def test_a_map_is_of_what_the_permit_covers_and_of_now(world: CodeWorld, maps: RepositoryMaps) -> None:
    assert maps.map(world.permit("남의 은행"), 500).text == ""
    before = maps.map(world.permit(), 2000)
    assert "def main" in before.text
    [collection] = world.permit().collections
    app = PAYMENTS["src/app.py"]
    world.file(collection, "payments/src/app.py", app, rule=AccessRule(label=Label.CONFIDENTIAL))
    after = maps.map(world.permit(), 2000)
    assert "def main" not in after.text and after.files_total == before.files_total - 1
    world.file(collection, "payments/src/new.py", "def fresh() -> None:\n    pass\n")
    assert "def fresh" in maps.map(world.permit(), 2000).text
    assert "def fresh" not in maps.map(world.permit(), 2000, scope=CodeScope(path="src/billing")).text
    with pytest.raises(RepositoryNotFound):
        maps.map(world.permit(), 500, scope=CodeScope(("nothing",)))


def test_a_graph_is_remembered_until_something_changes(
    world: CodeWorld, maps: RepositoryMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = maps.ranked(world.permit()).graph
    assert maps.ranked(world.permit(), task="anything").graph is first
    [collection] = world.permit().collections
    world.file(collection, "payments/src/new.py", "x = 1\n")
    assert maps.ranked(world.permit()).graph is not first


def test_the_walk_follows_uses() -> None:
    rows = [
        FileRow(*(_uuid(number) for number in (number, 10, 20)), f"r/{name}.py") for number, name in enumerate("abc")
    ]
    graph = graph_of(
        rows,
        [(2, "approve_payment"), (0, "main"), (1, "main")],
        [(0, "approve_payment", "call", ""), (1, "approve_payment", "call", ""), (0, "main", "call", "")],
    )
    ranks = graph.ranks({})
    assert ranks[2] > ranks[0] and abs(ranks.sum() - 1.0) < 1e-6
    assert graph.ranks({0: 5.0})[0] > ranks[0]
    assert graph.used == {2: {"approve_payment": 4.0}}


def _uuid(number: int) -> object:
    from uuid import UUID

    return UUID(int=number + 1)


def test_a_pack_holds_whole_and_trimmed_files(world: CodeWorld, maps: RepositoryMaps) -> None:
    packer = CodePacker(world.database, maps)
    found = packer.pack(world.permit(), "charge in src/payments/gateway.py also for refunds", 4000)
    assert found.tokens == estimated_tokens(found.text) <= 4000
    gateway = next(item for item in found.files if item.file.key == "payments/src/payments/gateway.py")
    assert gateway.whole and PAYMENTS["src/payments/gateway.py"].rstrip("\n") in found.text
    assert gateway.place == "payments/src/payments/gateway.py@abc123def456"
    assert found.text.index("## Map") < found.text.index("## Files") < found.text.index("## Task")
    assert found.text == packer.pack(world.permit(), "charge in src/payments/gateway.py also for refunds", 4000).text


def test_empty_lines_between_two_chunks_are_no_lines_that_were_left_out(world: CodeWorld, maps: RepositoryMaps) -> None:
    [collection] = world.permit().collections
    body = "\n".join(f"STEP_{n} = {n}" for n in range(11))
    text = f"\n\n{body}\n\n\nclass Ledger:\n    pass\n"  # the second chunk begins with the class
    world.file(collection, "payments/src/ledger.py", text)
    packed = CodePacker(world.database, maps).pack(world.permit(), "change Ledger in src/ledger.py", 20_000)
    [ledger] = [item for item in packed.files if item.file.key == "payments/src/ledger.py"]
    assert ledger.whole and ledger.folded.text == text.removesuffix("\n"), ledger.folded
    assert "payments/src/ledger.py@abc123def456 (all 17 lines)" in packed.text


def test_a_line_that_is_several_chunks_is_packed_whole(world: CodeWorld, maps: RepositoryMaps) -> None:
    [collection] = world.permit().collections
    version = world.file(collection, "payments/src/table.py", "ROWS = 1\n")
    parts = ["ROWS = (", "1, 2, ", "3)"]
    with world.database.write() as session:
        chunks = [
            Chunk(
                uuid5(version, f"part {n}"), n, part, LineAnchor(1, 1), (), Language.CODE, ElementKind.CODE,
                code=CodeContext("python"),
            )
            for n, part in enumerate(parts)
        ]  # fmt: skip
        chunks_table.replace_chunks(session, version, chunks)
    packed = CodePacker(world.database, maps).pack(world.permit(), "change ROWS in src/table.py", 20_000)
    assert "```python\nROWS = (1, 2, 3)\n```" in packed.text


def test_a_pack_keeps_its_budget_and_says_what_it_left_out(world: CodeWorld, maps: RepositoryMaps) -> None:
    [collection] = world.permit().collections
    for number in range(12):
        body = "\n".join(f"    step_{number}_{line} = {line} * amount" for line in range(40))
        text = f"def refund_{number}(amount: int) -> None:\n{body}\n\n\ndef charge_{number}() -> None:\n    pass\n"
        world.file(collection, f"payments/src/refund/part{number}.py", text)
    packer = CodePacker(world.database, maps)
    for budget in (700, 1500, 4000):
        found = packer.pack(world.permit(), "rework charge_3 in src/refund/part3.py", budget)
        assert found.tokens == estimated_tokens(found.text) <= budget
        keys = {item.file.key for item in found.files} | {item.key for item in found.left_out}
        assert len(keys) + found.not_looked_at == 12 + len(PAYMENTS)
    assert found.left_out and all(item.reason == "budget" for item in found.left_out)
    assert "## Left out" in found.text and f"- {found.left_out[0].key}: no room in the budget" in found.text
    trimmed = [item for item in found.files if not item.whole]
    assert trimmed, "some bodies are folded"
    one = trimmed[0]
    [(first, last)] = one.folded.left_out
    assert f"    … lines {first}–{last}" in found.text
    assert sum(last - first + 1 for first, last in (*one.folded.shown, *one.folded.left_out)) == one.lines


def test_a_pack_refuses_what_it_can_not_do(world: CodeWorld, maps: RepositoryMaps) -> None:
    packer = CodePacker(world.database, maps)
    for task, budget in (("  ", 1000), ("a", 10), ("a", 10**9), ("word " * 4000, 600)):
        with pytest.raises(InvalidRequest):
            packer.pack(world.permit(), task, budget)
    assert not packer.pack(world.permit("남의 은행"), "charge", 1000).files


SOURCE = """\
class Login {
  String name;

  void open(String user,
            String word) {
    one();
    two();
    three();
    four();
  }

  void close() {
    one();
    two();
    three();
    four();
  }
}
""".splitlines()


def _row(name: str, kind: str, first: int, last: int) -> SymbolRow:
    path = name if kind == "class" else f"Login.{name}"
    return SymbolRow(_uuid(0), _uuid(1), "r/Login.java", name, path, kind, "java", "", "", first, last, False)  # type: ignore[arg-type]


def test_folding_ends_at_the_borders_of_definitions() -> None:
    lines = dict(enumerate(SOURCE, start=1))
    rows = [_row("Login", "class", 1, 18), _row("open", "method", 4, 10), _row("close", "method", 12, 17)]
    spans = foldable(lines, rows, lambda row: row.name == "close")
    assert spans == [(6, 9)]
    found = folded(lines, spans)
    assert found.text.split("\n")[3:7] == [
        "  void open(String user,", "            String word) {", "    … lines 6–9", "  }",
    ]  # fmt: skip
    assert found.left_out == ((6, 9),) and found.shown == ((1, 5), (10, 18))
    assert foldable(lines, rows, lambda row: False) == [(6, 9), (13, 16)]
    assert foldable(lines, rows, lambda row: row.name == "Login") == [(6, 9), (13, 16)]
    unread = {number: text for number, text in lines.items() if number not in (2, 3)}
    assert folded(unread, []).text.split("\n")[1].strip() == "… lines 2–3"
