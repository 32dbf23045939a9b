"""Edge keeps what it acknowledged, however its process ends, and notices what it can't read."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import rag.index.edge as edge
from rag.domain.errors import ConfigurationError, StoreInUse
from rag.index.edge import open_edge
from tests.contract.index_contract import SCHEMA, SPARSE, dense, idf, permit, point, words

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from pathlib import Path
from typing import Any
from uuid import UUID
from rag.index.edge import open_edge
from tests.contract.index_contract import SCHEMA, dense, point

index = open_edge(Path(sys.argv[1]), SCHEMA)
start = index.count()
for step in range(1_000_000):
    last = start + step * 10
    index.upsert([point(last + n, {7: 1.0, 1000 + n: 1.0}, dense(1, n), version=step) for n in range(1, 11)])
    print(last + 10, flush=True)
"""


def killed_while_writing(folder: Path, acknowledged: int) -> int:
    """Start a writer, kill it without warning once it has said `acknowledged`, give the last number it said."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        said = 0
        while said < acknowledged:
            said = int(writer.stdout.readline())
        with pytest.raises(StoreInUse):
            open_edge(folder, SCHEMA)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
    assert writer.returncode == -signal.SIGKILL
    return int(rest[-1]) if rest else said


def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        acknowledged = killed_while_writing(tmp_path, acknowledged + 200)
        index = open_edge(tmp_path, SCHEMA)
        found = {chunk.int for chunk, _ in index.versions_of()}
        assert set(range(1, acknowledged + 1)) <= found  # the last call may be in without having been acknowledged
        assert len(found) == index.count() == len(index.search(permit(), words(7, limit=10**6))[SPARSE])
        acknowledged = len(found)
        index.close()


def test_flushes_by_itself_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "FLUSH_EVERY", 50)
    index = open_edge(tmp_path, SCHEMA)
    for step in range(20):
        index.upsert([point(step * 30 + n, {7: 1.0, n: 1.0}, dense(1, n), version=step + 100) for n in range(1, 31)])
        index.delete_versions([UUID(int=step + 99)])
    index.close()
    index = open_edge(tmp_path, SCHEMA)
    assert index.count() == 30
    assert index.search(permit(), words(7))[SPARSE][0].score == pytest.approx(idf(30, 30), abs=1e-4)
    index.close()


def test_clear_gives_the_space_back(tmp_path: Path) -> None:
    index = open_edge(tmp_path, SCHEMA)
    index.upsert([point(number, vector=dense(1)) for number in range(1, 500)])
    index.clear()
    assert index.count() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.json", "lock", "shard"]
    index.close()
    index = open_edge(tmp_path, SCHEMA)
    assert index.count() == 0
    index.close()


@pytest.mark.parametrize("leftover", ["shard.new", "shard.old"])
def test_leftovers_of_a_killed_clear_are_swept_up(tmp_path: Path, leftover: str) -> None:
    index = open_edge(tmp_path, SCHEMA)
    index.upsert([point(1)])
    index.close()
    (tmp_path / "shard").rename(tmp_path / leftover)  # killed between the two renames
    index = open_edge(tmp_path, SCHEMA)
    assert index.count() == 0
    assert not (tmp_path / leftover).exists()
    index.close()


def test_a_lost_or_broken_record_is_refused(tmp_path: Path) -> None:
    open_edge(tmp_path, SCHEMA).close()
    record = tmp_path / "index.json"
    for content in (
        "{",
        "[]",
        json.dumps({"layout": 99, "space": SCHEMA.space, "dimensions": SCHEMA.dimensions}),
        None,
    ):
        record.unlink() if content is None else record.write_text(content)
        with pytest.raises(ConfigurationError, match="rebuild"):
            open_edge(tmp_path, SCHEMA)
    open_edge(tmp_path, SCHEMA, recreate=True).close()  # and the lock was let go of each time


def test_a_damaged_shard_is_refused(tmp_path: Path) -> None:
    index = open_edge(tmp_path, SCHEMA)
    index.upsert([point(1)])
    index.close()
    segment = next((tmp_path / "shard" / "segments").iterdir())
    (segment / "segment.json").write_text("{")
    shutil.rmtree(segment / "payload_storage")
    with pytest.raises(ConfigurationError, match="rebuild"):
        open_edge(tmp_path, SCHEMA)


class Interrupted(BaseException):
    """The process died."""


class Dying:
    """An engine that takes some updates and no more."""

    def __init__(self, engine: Any, updates: int) -> None:
        self._engine = engine
        self._left = updates

    def update(self, operation: object) -> None:
        if not self._left:
            raise Interrupted
        self._left -= 1
        self._engine.update(operation)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def test_what_a_killed_insert_left_is_found_when_it_is_repeated(tmp_path: Path) -> None:
    points = [point(n, {7: 1.0, 100 + n: 1.0}, dense(1, n), version=1 + n // 6) for n in range(1, 13)]
    index = open_edge(tmp_path, SCHEMA)
    engine = index._shard
    index._shard = Dying(engine, updates=2)  # type: ignore[assignment]
    with pytest.raises(Interrupted):
        index.insert(points)
    index._shard = engine
    index.close()

    index = open_edge(tmp_path, SCHEMA)
    assert {(chunk.int, version.int) for chunk, version in index.versions_of()} == {
        (n, 1 + n // 6) for n in range(1, 13)
    }
    assert {hit.chunk_id.int for hit in index.search(permit(), words(7))[SPARSE]} < set(range(1, 13))
    index.insert(points)
    assert {hit.chunk_id.int for hit in index.search(permit(), words(7, limit=100))[SPARSE]} == set(range(1, 13))
    index.delete_versions([UUID(int=version) for version in (1, 2, 3)])
    assert index.count() == 0
    index.close()


def test_what_a_killed_insert_left_goes_with_its_version(tmp_path: Path) -> None:
    index = open_edge(tmp_path, SCHEMA)
    index._shard = Dying(index._shard, updates=1)  # type: ignore[assignment]
    with pytest.raises(Interrupted):
        index.insert([point(n, {7: 1.0}, dense(1, n), version=3) for n in range(1, 7)])
    index._shard = index._shard._engine  # type: ignore[union-attr]
    assert (index.count(UUID(int=3)), index.search(permit(), words(7))[SPARSE]) == (6, [])
    index.delete_versions([UUID(int=3)])
    assert index.count() == 0
    index.close()
