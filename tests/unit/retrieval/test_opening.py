"""Files of repositories, opened by their names: nothing of what is on record is missing, whatever a chunk's lines are."""

from __future__ import annotations

import tracemalloc
from uuid import uuid5

import pytest

from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext
from rag.domain.document import Chunk, ElementKind
from rag.domain.language import Language
from rag.retrieval.code_lines import read_files, read_lines
from rag.retrieval.opening import PART_CHARACTERS, Opened, opened
from rag.store import chunk as chunks_table
from rag.store.session import Database
from tests.support.code_world import CodeWorld

PAGE = ["본문 한 줄. 두 번째 문장.", "", "| a | b |", "| --- | --- |", "| 1 | 2 |", "", "둘째", "", "하나", "", "둘"]
NUMBERS = [3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 12]
"""Lines of a page of Markdown as its chunk has them: what separates two of them has the place of the one before."""


@pytest.fixture
def world(database: Database) -> CodeWorld:
    made = CodeWorld(database)
    made.repository("payments", {"README.md": "x\n", "table.py": "x = 1\n", "src/login.py": LOGIN})
    return made


LOGIN = "\n\n".join(f"def step_{n}() -> int:\n    return {n}" for n in range(8)) + "\n"


def put(world: CodeWorld, path: str, parts: list[tuple[str, list[int]]], code: CodeContext | None) -> None:
    """Chunks of a file in place of its own, each with the numbers of its lines; of code, with the one that it is on."""
    version = world.versions[f"payments/{path}"]
    headings = (f"payments/{path}",) if code else ()
    with world.database.write() as session:
        chunks = [
            Chunk(
                uuid5(version, f"part {n}"), n, text, LineAnchor(numbers[0], numbers[-1]), headings, Language.KOREAN,
                ElementKind.TEXT, line_anchors=() if code else tuple(LineAnchor(at, at) for at in numbers), code=code,
            )
            for n, (text, numbers) in enumerate(parts)
        ]  # fmt: skip
        chunks_table.replace_chunks(session, version, chunks)


def read(world: CodeWorld, name: str) -> Opened:
    with world.database.read() as session:
        return opened(session, world.permit(), name)


def test_a_page_in_a_repository_is_read_whole(world: CodeWorld) -> None:
    put(world, "README.md", [("\n".join(PAGE), NUMBERS)], None)
    assert read(world, "repo://payments/README.md").text == "\n".join(PAGE)
    part = read(world, "repo://payments/README.md#L5-L7")
    assert part.text == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert part.anchor == LineAnchor(5, 7) and not part.following


def test_a_page_is_read_with_its_headings(world: CodeWorld) -> None:
    """They are on record beside the texts below them; without them nobody knows what these are about."""
    version = world.versions["payments/README.md"]
    sections = (
        ("제1조 승인은 즉시 한다.", ("결제", "승인")),
        ("제2조 한도가 있다.", ("결제", "승인")),
        ("30분", ("결제", "세션")),
    )
    with world.database.write() as session:
        chunks = [
            Chunk(
                uuid5(version, f"part {n}"), n, text, LineAnchor(3 * n + 3, 3 * n + 3), headings, Language.KOREAN,
                ElementKind.TEXT,
            )
            for n, (text, headings) in enumerate(sections)
        ]  # fmt: skip
        chunks_table.replace_chunks(session, version, chunks)
    read_whole = read(world, "repo://payments/README.md").text
    assert read_whole == "# 결제\n\n## 승인\n\n제1조 승인은 즉시 한다.\n\n제2조 한도가 있다.\n\n## 세션\n\n30분"
    assert read(world, "repo://payments/README.md#L9").text == "30분"


def test_a_line_of_several_chunks_is_read_whole(world: CodeWorld) -> None:
    put(world, "table.py", [("ROWS = (", [2]), ("1, 2, ", [2]), ("3)", [2]), ("END = 1", [4])], CodeContext("python"))
    assert read(world, "repo://payments/table.py").text == "ROWS = (1, 2, 3)\n\nEND = 1"
    assert read(world, "repo://payments/table.py#L2").text == "ROWS = (1, 2, 3)"


def test_of_a_line_that_is_longer_than_a_part_it_is_said_that_it_is_cut(world: CodeWorld) -> None:
    put(world, "table.py", [("x" * 30_000, [1]), ("y" * 30_000, [1]), ("END = 1", [2])], CodeContext("python"))
    found = read(world, "repo://payments/table.py#L1-L2")
    assert len(found.text) == PART_CHARACTERS and found.cut
    assert found.following == "repo://payments/table.py#L2-L2" and not read(world, found.following).cut


def test_a_file_of_code_keeps_its_empty_lines(world: CodeWorld) -> None:
    assert read(world, "repo://payments/src/login.py").text == LOGIN.removesuffix("\n")
    some = read(world, "repo://payments/src/login.py#L10-L14")
    assert some.text == "def step_3() -> int:\n    return 3\n\ndef step_4() -> int:\n    return 4"
    assert some.anchor == LineAnchor(10, 14)


def test_a_million_empty_lines_take_no_memory(world: CodeWorld) -> None:
    put(world, "table.py", [("A = 1", [1]), ("B = 2", [1_000_001])], CodeContext("python"))
    version = world.versions["payments/table.py"]
    tracemalloc.start()
    try:
        with world.database.read() as session:
            some = read_lines(session, world.permit(), {version: [(1, 1_000_001)]}, around=2)[version]
            whole = read_files(session, world.permit(), [version])[version]
        part = read(world, "repo://payments/table.py#L1-L1000001")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert some.spot(1_000_001, 1_000_001, 2) == whole.spot(1_000_001, 1_000_001, 2)
    spot = whole.spot(1_000_000, 1_000_001, 2)
    assert spot is not None and (spot.text, spot.before, spot.after) == ("\nB = 2", ("", ""), ())
    assert len(whole.lines) == 1_000_001 and max(whole.lines) == 1_000_001 and 1_000_002 not in whole.lines
    assert part.text.startswith("A = 1\n\n") and part.following and len(part.text) <= PART_CHARACTERS
    assert peak < 16 << 20, peak


def test_empty_lines_are_read_part_by_part(world: CodeWorld) -> None:
    put(world, "table.py", [("A = 1", [1]), ("B = 2", [100_000])], CodeContext("python"))
    name, found = "repo://payments/table.py#L1-L100000", list[str]()
    while name:
        part = read(world, name)
        texts = part.text.split("\n")
        assert isinstance(part.anchor, LineAnchor)
        assert (part.anchor.first, len(texts)) == (len(found) + 1, part.anchor.last - part.anchor.first + 1)
        found += texts
        name = part.following
    assert found == ["A = 1", *[""] * 99_998, "B = 2"]


def test_what_is_longer_than_a_part_names_the_lines_that_follow(world: CodeWorld) -> None:
    lines = [f"{n}: {'가' * 90}" for n in range(1, 1001)]
    put(world, "README.md", [("\n".join(lines), list(range(1, 1001)))], None)
    name, found = "repo://payments/README.md#L1-L1000", list[str]()
    while name:
        part = read(world, name)
        assert len(part.text) <= PART_CHARACTERS
        found += part.text.split("\n")
        name = part.following
    assert found == lines
