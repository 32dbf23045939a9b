"""Judging and running under a permit, on both stores, without models."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ir_measures
import pytest

from rag.domain.anchor import LineAnchor
from rag.domain.errors import InvalidRequest
from rag.evaluation import run as runs
from rag.evaluation.judging import Judge, JudgedQuestion
from rag.evaluation.questions import Expected, Problem, Question
from rag.evaluation.run import FUSED, SEARCH, Run
from rag.evaluation.running import run_questions
from rag.settings import RetrievalSettings
from rag.store.base import utc_now
from rag.store.collection import Collection, permitted
from rag.store.document import Document
from rag.store.session import Database
from tests.support.shelf import Shelf, shelf


def question(text: str, *expected: Expected, row: int = 2, collection: str = "") -> Question:
    return Question(f"q{row}", text, expected, row, collection)


@pytest.fixture
def filled(database: Database) -> Shelf:
    """Two collections of a bank, and one of a hospital with a document of the same name."""
    found = shelf(database)
    rules, manuals = found.collection("규정"), found.collection("설명서")
    hospital = found.collection("규정", tenant="병원")
    found.add(rules, "인사/취업규칙.docx", ["휴가 는 열흘", "재택 근무 는 이틀", "여비 정산"], title="취업규칙")
    found.add(rules, "여비규정.hwpx", ["여비 정산 기한 은 이레", "숙박비 상한"])
    found.add(manuals, "gateway.md", ["join token thirty minutes", "rollback of an upgrade"])
    found.add(hospital, "진료지침.docx", ["휴가 재택 여비 환자 비밀"])
    return found


def judged(filled: Shelf, *questions: Question) -> list[JudgedQuestion]:
    found, problems = Judge(filled.database, filled.policy, filled.permit()).judge(questions)
    assert problems == []
    return found


DECOMPOSED = unicodedata.normalize("NFD", "취업규칙")


@pytest.mark.parametrize("method", ["rrf", "dbsf"])
def test_what_the_engine_fuses_is_measured_too(filled: Shelf, method: str) -> None:
    """A gate on the fused ranking holds whichever fusion is set."""
    settings = RetrievalSettings.model_validate({**filled.retriever.settings.model_dump(), "fusion": method})
    filled.retriever = replace(filled.retriever, settings=settings)
    [found] = run_questions(
        filled.retriever, judged(filled, question("여비 정산 기한", Expected(("여비규정.hwpx",)))), "ko"
    )
    assert found.rankings[FUSED][:2] == found.rankings[SEARCH][:2]
    assert found.rank_of_first(FUSED) == 1


@pytest.mark.parametrize("name", ["인사/취업규칙.docx", "취업규칙.docx", "취업규칙", "인사/취업규칙", DECOMPOSED])
def test_a_document_is_found_by_what_people_call_it(filled: Shelf, name: str) -> None:
    [found] = judged(filled, question("휴가?", Expected((name,))))
    with filled.database.read() as session:
        named = {session.get_one(Document, key).source_key for target in found.targets for key in target.documents}
    assert named == {"인사/취업규칙.docx"}
    assert (found.kinds, found.collections) == ({"documents"}, ("규정",))


def test_the_first_name_that_fits_counts(filled: Shelf) -> None:
    [found] = judged(filled, question("?", Expected(("d-17", "여비규정"))))
    assert len(found.targets[0].documents) == 1


def test_what_is_not_there_is_named_with_its_row(filled: Shelf) -> None:
    wrong = [
        question("?", Expected(("없는 문서",)), row=2),
        question("?", Expected(("gateway.md",), "9행"), row=3),
        question("?", Expected(("gateway.md",), "", "no such words"), row=4),
        question("?", Expected(("gateway.md",)), row=5, collection="없는 컬렉션"),
        question("?", Expected(("gateway.md",)), row=6, collection="규정"),
    ]
    found, problems = Judge(filled.database, filled.policy, filled.permit()).judge(wrong)
    assert found == []
    assert problems == [
        Problem(2, "unknown_document", "없는 문서"),
        Problem(3, "not_in_document", "gateway.md / 9행"),
        Problem(4, "not_in_document", "gateway.md / no such words"),
        Problem(5, "unknown_collection", "없는 컬렉션"),
        Problem(6, "unknown_document", "gateway.md"),
    ]


def test_documents_count_once_however_many_of_their_chunks_were_found(filled: Shelf) -> None:
    [asked] = judged(filled, question("여비 정산", Expected(("여비규정.hwpx",))))
    [found] = run_questions(filled.retriever, [asked], "ko")
    assert sorted(found.rankings["sparse"]) == sorted({"expected-1", *found.rankings["sparse"]})
    assert len(found.rankings["sparse"]) == 2, "two documents hold the words"
    assert found.qrels == {"expected-1": 1}


def test_a_place_asks_for_the_passage_itself(filled: Shelf) -> None:
    [asked] = judged(
        filled, question("재택 근무", Expected(("취업규칙.docx",), "3행"), Expected(("취업규칙.docx",), "2행"))
    )
    [found] = run_questions(filled.retriever, [asked], "ko")
    assert found.rankings["sparse"] == ["expected-2"]
    assert found.rank_of_first(SEARCH) == 1
    assert found.top[0].expected and found.top[0].place == "2행"
    assert found.top[0].legs.keys() == {"sparse", "dense"}
    assert all(len(ranking) == len(set(ranking)) for ranking in found.rankings.values())


def test_a_passage_that_was_merged_with_its_neighbours_still_counts(filled: Shelf) -> None:
    [asked] = judged(filled, question("재택 근무", Expected(("취업규칙.docx",), "2행")))
    [passage] = [p for p in filled.retriever.search(asked.permit, "휴가", limit=9).passages if "휴가" in p.chunk.text]
    merged = replace(passage.chunk, text="휴가 는 열흘\n재택 근무 는 이틀", anchor=LineAnchor(1, 2))
    document = passage.source.document_id
    assert asked.units_of([(merged, document)]) == ["expected-1"]
    assert asked.units_of([(passage.chunk, document)]) == [str(passage.chunk.id)]


def test_every_leg_and_what_comes_of_them_is_measured(filled: Shelf) -> None:
    run = Run(
        run_questions(filled.retriever, judged(filled, question("여비 정산", Expected(("여비규정.hwpx",)))), "ko")
    )
    assert run.rankings == ("dense", "sparse", FUSED, SEARCH)
    assert run.values("sparse")["R@100"].tolist() == [1.0]


def test_nothing_beyond_the_permit_is_measured_or_shown(filled: Shelf) -> None:
    [asked] = judged(filled, question("휴가 재택 여비 환자 비밀", Expected(("취업규칙.docx",))))
    [found] = run_questions(filled.retriever, [asked], "ko")
    assert {shown.source_key for shown in found.top} <= {"인사/취업규칙.docx", "여비규정.hwpx", "gateway.md"}
    assert "환자" not in json.dumps([shown.excerpt for shown in found.top], ensure_ascii=False)


def test_another_tenant_and_a_limited_reader_can_not_tell_a_document_from_none(filled: Shelf) -> None:
    hidden = question("?", Expected(("진료지침.docx",)))
    missing = question("?", Expected(("진료지침2.docx",)))
    _, problems = Judge(filled.database, filled.policy, filled.permit()).judge([hidden, missing])
    assert [problem.code for problem in problems] == ["unknown_document"] * 2
    manuals = filled.permit(*[row for row in _collections(filled) if row.name == "설명서"])
    _, problems = Judge(filled.database, filled.policy, manuals).judge(
        [question("?", Expected(("여비규정.hwpx",))), question("?", Expected(("gateway.md",)), collection="규정")]
    )
    assert [problem.code for problem in problems] == ["unknown_document", "unknown_collection"]


def _collections(filled: Shelf) -> Sequence[Collection]:
    with filled.database.read() as session:
        return permitted(session, filled.permit())


def test_a_deleted_document_is_not_there_any_more(filled: Shelf) -> None:
    with filled.database.write() as session:
        session.query(Document).filter_by(source_key="여비규정.hwpx").update({"deleted_at": utc_now()})
    _, problems = Judge(filled.database, filled.policy, filled.permit()).judge(
        [question("?", Expected(("여비규정.hwpx",)))]
    )
    assert [problem.code for problem in problems] == ["unknown_document"]


def test_a_run_is_written_and_read_and_other_tools_agree(filled: Shelf, tmp_path: Path) -> None:
    asked = judged(
        filled,
        question("여비 정산", Expected(("취업규칙.docx",), grade=2), Expected(("여비규정.hwpx",)), row=2),
        question("rollback token", Expected(("gateway.md",), "2행"), row=3),
    )
    run = Run(run_questions(filled.retriever, asked, "en"), {"space": "해시"})
    runs.save(run, tmp_path / "run")
    again = runs.load(tmp_path / "run")
    assert again == run
    assert (tmp_path / "run").stat().st_mode & 0o077 == 0, "passages of documents are nobody else's"
    for ranking in run.rankings:
        found = ir_measures.calc_aggregate(
            [ir_measures.nDCG @ 10],
            ir_measures.read_trec_qrels(str(tmp_path / "run" / "qrels.trec")),
            ir_measures.read_trec_run(str(tmp_path / "run" / f"{ranking}.trec")),
        )
        assert found[ir_measures.nDCG @ 10] == pytest.approx(run.values(ranking)["nDCG@10"].mean(), abs=1e-6)


@pytest.mark.parametrize("text", ["", "{}", '{"format": "seogo-eval/9", "questions": []}', "[1]"])
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InvalidRequest, match="not a run"):
        runs.load(tmp_path)
