"""The symbol index as ranking asks it: under the permit, by its index, in bounded work."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid5

from sqlalchemy import event

from rag.domain.code import CodeOutline, Symbol, SymbolKind
from rag.store.code_lookup import defining_chunks, definitions
from rag.store.code_symbol import put_outlines
from rag.store.session import Database
from tests.support.code_shelf import code_collection, put_file
from tests.support.questions import Library
from tests.support.stores import migrated


def library(tmp_path: Path) -> tuple[Library, Database]:
    database = migrated(f"sqlite:///{tmp_path / 'seogo.sqlite'}")
    return Library.open(database), database


def test_a_definition_is_found_in_any_case_with_the_chunk_that_begins_it(tmp_path: Path) -> None:
    shelf, database = library(tmp_path)
    code = code_collection(shelf)
    put_file(shelf, code, "은행/a.py", "class Account:\n    def close(self):\n        pass\n")
    with database.read() as session:
        [found] = definitions(session, shelf.permit(code), ["close"], most=10)
        assert (found.path, found.kind, found.first) == ("Account.close", "function", 2)
        [chunk] = defining_chunks(session, [found]).values()
        assert chunk == uuid5(found.version_id, "1")
        assert definitions(session, shelf.permit(code), ["Close"], most=10) == []
        assert definitions(session, shelf.permit(code), [], most=10) == []


def test_the_work_is_bounded_however_often_a_name_is_defined(tmp_path: Path) -> None:
    shelf, database = library(tmp_path)
    code = code_collection(shelf)
    put_file(shelf, code, "은행/a.py", "def get(x):\n    pass\n")
    with database.read() as session:
        [known] = definitions(session, shelf.permit(code), ["get"], most=10)
    symbols = tuple(Symbol("get", f"C{i}.get", SymbolKind.METHOD, "def get", i, i) for i in range(1, 500))
    with database.write() as session:
        put_outlines(session, [(known.version_id, code.id, CodeOutline("python", symbols))])
    with database.read() as session:
        found = definitions(session, shelf.permit(code), ["get"], most=10)
    assert [item.path for item in found] == [f"C{i}.get" for i in range(1, 11)]


def test_the_index_on_names_is_what_is_read(tmp_path: Path) -> None:
    shelf, database = library(tmp_path)
    code = code_collection(shelf)
    put_file(shelf, code, "은행/a.py", "def get(x):\n    pass\n")
    seen: list[tuple[str, Any]] = []

    def keep(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        seen.append((statement, parameters))

    with database.read() as session:
        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", keep)
        definitions(session, shelf.permit(code), ["get"], most=10)
        event.remove(engine, "before_cursor_execute", keep)
        [(statement, parameters)] = [item for item in seen if "code_symbol" in item[0]]
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert any("ix_code_symbol_name" in row[-1] for row in plan), plan
    assert not any("SCAN code_symbol" in row[-1] or "SCAN document" in row[-1] for row in plan), plan
