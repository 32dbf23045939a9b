"""What is kept for a replay, and what a replay tells of differences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from rag.answering.log import Recording, Surface
from rag.answering.replay import Cause, Replayer, asked_on_record, candidates_of, permit_on_record
from rag.answering.service import AnswerOutcome, Asked
from rag.domain.answer import Citation, Note, Sentence, Support
from rag.domain.filters import AttributeCondition, DocumentFilter, Period, Span, attribute_value
from rag.domain.language import Language
from rag.domain.passage import LegScore, Passage, RerankState, RerankTrace, SearchResult, SearchTrace
from rag.domain.principal import PassedRule, Permit, Principal, Scope
from rag.generation.chat import ChatMessage
from rag.generation.engine import digest_of
from rag.retrieval.understanding import QuestionContext
from rag.store.answer_record import AnswerRecord
from rag.store.session import Database
from tests.support.passages import make_passage
from tests.support.stores import migrated

ONE, TWO = UUID(int=1), UUID(int=2)
READER = Principal(ONE, "김민준", UUID(int=9), frozenset({Scope.ADMIN}))
QUESTION = "출장 숙박비는 얼마인가?"
RULES = frozenset({PassedRule(ONE, UUID(int=11)), PassedRule(ONE, UUID(int=12))})


def found(*passages: Any) -> SearchResult:
    trace = SearchTrace(Language.KOREAN, ("sparse",), len(passages), 0, {}, space="kiwi/1")
    return SearchResult(QUESTION, tuple(passages), trace, QUESTION)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A migrated, empty store, which no test here writes to."""
    database = migrated(f"sqlite:///{tmp_path_factory.mktemp('replay') / 'seogo.sqlite'}")
    yield database
    database.close()


class Searching:
    """Finds what it is given, and notes the permit."""

    def __init__(self, result: SearchResult) -> None:
        self.result = result
        self.asked: list[tuple[Permit, str, QuestionContext | None]] = []

    def search(
        self, permit: Permit, question: str, *, limit: int, context: QuestionContext | None = None
    ) -> SearchResult:
        self.asked.append((permit, question, context))
        return self.result


def recorded(permit: Permit, asked: Asked, result: SearchResult, *, content: bool = True) -> AnswerRecord:
    recording = Recording(permit, QUESTION, Surface.NATIVE, "grounded/1", asked)
    notes = (Note("model", "house"), Note("prompt", "grounded.ko.v1"), Note("prompt_sha256", "ab" * 32))
    recording.whole(AnswerOutcome(result, "grounded/1", (), None, notes))
    row, _ = recording.rows(content=content)
    row.permit, row.asked = json.loads(json.dumps(row.permit)), json.loads(json.dumps(row.asked))
    row.candidates, row.stood_on = json.loads(json.dumps(row.candidates)), json.loads(json.dumps(row.stood_on))
    return row


def replayer(sqlite: Database, result: SearchResult) -> tuple[Replayer, Searching]:
    searching = Searching(result)
    return Replayer(sqlite, searching), searching  # type: ignore[arg-type]


def test_an_answer_is_kept_with_what_it_stood_on(sqlite: Database) -> None:
    permit = Permit(READER, frozenset({ONE, TWO}), None, None, RULES)
    row = recorded(permit, Asked(QUESTION, 8), found(make_passage("하루 7만원까지 지급한다.")))
    assert (row.principal_name, row.principal_kind, row.prompt_hash) == ("김민준", "key", "ab" * 32)
    assert row.permit is not None and row.stood_on is not None and row.candidates is not None
    assert row.permit["collections"] == [str(ONE), str(TWO)]
    assert len(row.permit["rules"]) == 2
    assert (row.stood_on["space"], row.stood_on["model"]) == ("kiwi/1", "house")
    [candidate] = row.candidates
    assert candidate["rank"] == 1
    again, searching = replayer(sqlite, found(make_passage("하루 7만원까지 지급한다.")))
    assert again.replay(row, permit).then == row.candidates
    assert searching.asked[0][1] == QUESTION


def test_scores_are_kept_to_the_last_bit() -> None:
    score = 0.1 + 0.2
    item = make_passage("하루 7만원까지 지급한다.")
    kept = candidates_of([type(item)(1, score, item.chunk, item.source, {"sparse": LegScore(3, score / 3)})])
    [read] = json.loads(json.dumps(kept))
    assert (read["score"], read["legs"]["sparse"]) == (score, [3, score / 3])


def test_a_filter_comes_back_as_it_was(sqlite: Database) -> None:
    where = DocumentFilter(
        (
            AttributeCondition("dept", "text", (attribute_value("dept", "인사"),)),
            AttributeCondition("year", "number", (), Span(2024.0, None)),
        ),
        title="여비",
        created=Period(datetime(2026, 1, 1, tzinfo=UTC), None),
        document_ids=(ONE,),
    )
    row = recorded(Permit(READER, frozenset({ONE}), None, where), Asked(QUESTION, 8), found())
    again, _ = replayer(sqlite, found())
    assert again.where_of(row) == where
    bare = recorded(Permit(READER, frozenset({ONE})), Asked(QUESTION, 8), found())
    assert again.where_of(bare) is None
    closed = recorded(Permit(READER, frozenset({ONE}), None, where), Asked(QUESTION, 8), found(), content=False)
    assert "여비" not in json.dumps([closed.permit, closed.asked], ensure_ascii=False)


def test_of_a_conversation_only_what_the_user_said_is_kept(sqlite: Database) -> None:
    turns = (ChatMessage("user", "출장비를 알려 주세요."), ChatMessage("assistant", "하루 7만원입니다."))
    asked = Asked(QUESTION, 8, QuestionContext(turns, infer_filters=False))
    kept = asked_on_record(asked, content=True)
    assert kept["history"] == [
        {"role": "user", "content": "출장비를 알려 주세요."},
        {"role": "assistant", "characters": len("하루 7만원입니다.")},
    ]
    assert asked_on_record(asked, content=False)["history"] == []
    permit = Permit(READER, frozenset({ONE}))
    again, searching = replayer(sqlite, found())
    again.replay(recorded(permit, asked, found()), permit)
    context = searching.asked[0][2]
    assert context is not None
    assert [(item.role, len(item.content)) for item in context.history] == [
        (item.role, len(item.content)) for item in turns
    ]
    assert not context.infer_filters


def test_a_replay_never_reads_more_than_either_might(sqlite: Database) -> None:
    asked_for = Permit(READER, frozenset({ONE, TWO}), None, None, RULES)
    row = recorded(asked_for, Asked(QUESTION, 8), found())
    first = next(iter(RULES))
    other = PassedRule(ONE, UUID(int=99))
    again, searching = replayer(sqlite, found())
    done = again.replay(row, Permit(READER, frozenset({ONE, UUID(int=3)}), None, None, frozenset({first, other})))
    searched = searching.asked[0][0]
    assert (searched.collections, searched.rules) == (frozenset({ONE}), frozenset({first}))
    assert {item.cause: dict(item.detail) for item in done.differences} == {
        Cause.COLLECTIONS: {"gone": [str(TWO)]},
        Cause.RIGHTS: {"rules": 1},
    }
    assert done.identical  # nothing was found then, and nothing now


def test_rights_of_many_rules_are_compared_by_their_digest(sqlite: Database) -> None:
    many = frozenset(PassedRule(ONE, UUID(int=number)) for number in range(1001))
    permit = Permit(READER, frozenset({ONE}), None, None, many)
    assert permit_on_record(permit)["rules"] is None
    row = recorded(permit, Asked(QUESTION, 8), found())
    again, _ = replayer(sqlite, found())
    assert again.replay(row, permit).differences == ()
    fewer = permit.passing(sorted(many)[1:])
    assert [item.cause for item in again.replay(row, fewer).differences] == [Cause.RIGHTS]


def test_what_differs_is_named(sqlite: Database) -> None:
    permit = Permit(READER, frozenset({ONE}))
    one, two = make_passage("하루 7만원까지 지급한다."), make_passage("영수증은 7일 안에 낸다.")
    row = recorded(permit, Asked(QUESTION, 8), found(one))
    moved = SearchResult(
        QUESTION,
        (two.at(1), type(one)(2, one.score / 2, one.chunk, one.source, one.legs)),
        SearchTrace(Language.KOREAN, ("sparse",), 2, 0, {}, space="kiwi/2", fusion="rrf"),
        "다른 질문",
    )
    again, _ = replayer(sqlite, moved)
    done = again.replay(row, permit)
    assert not done.identical
    causes = {item.cause: item.detail for item in done.differences}
    assert set(causes) == {Cause.SPACE, Cause.FUSION, Cause.WORDING, Cause.RANKING}
    assert causes[Cause.SPACE]["now"] == {"space": "kiwi/2"}
    expected = {"gone": [], "new": [str(two.chunk.id)], "moved": [str(one.chunk.id)], "rescored": [str(one.chunk.id)]}
    assert causes[Cause.RANKING] == expected


def test_other_files_under_the_same_names_are_another_version(sqlite: Database) -> None:
    permit, one = Permit(READER, frozenset({ONE})), make_passage("하루 7만원까지 지급한다.")

    def searched(space: str, reranker: str) -> SearchResult:
        look = RerankTrace("flag/bge/512", RerankState.DONE, 1, 1.0, reranker)
        trace = SearchTrace(
            Language.KOREAN, ("sparse",), 1, 0, {}, space="kiwi/1+bge-m3", rerank=look, fingerprint=space
        )
        return SearchResult(QUESTION, (one,), trace, QUESTION)

    def causes(row: AnswerRecord, now: SearchResult) -> list[tuple[Cause, Any]]:
        again, _ = replayer(sqlite, now)
        done = again.replay(row, permit)
        assert done.identical, "the passages are the same, and still it is not the same version"
        return [(item.cause, item.detail["now"]) for item in done.differences]

    row = recorded(permit, Asked(QUESTION, 8), searched("aa", "bb"))
    assert causes(row, searched("aa", "bb")) == []
    assert causes(row, searched("cc", "bb")) == [(Cause.SPACE, {"space": "kiwi/1+bge-m3", "space_fingerprint": "cc"})]
    [(cause, told)] = causes(row, searched("aa", "dd"))
    assert (cause, told["reranker_fingerprint"]) == (Cause.RERANKER, "dd")
    old = recorded(permit, Asked(QUESTION, 8), searched("", ""))
    assert old.stood_on is not None and "space_fingerprint" not in old.stood_on
    assert causes(old, searched("aa", "bb")) == [], "nobody knows which files it was"


@pytest.mark.parametrize("missing", ["permit", "asked", "stood_on", "question"])
def test_without_what_it_needs_nothing_is_asked(sqlite: Database, missing: str) -> None:
    permit = Permit(READER, frozenset({ONE}))
    row = recorded(permit, Asked(QUESTION, 8), found())
    setattr(row, missing, "" if missing == "question" else None)
    again, searching = replayer(sqlite, found())
    done = again.replay(row, permit)
    assert ([item.cause for item in done.differences], done.found, searching.asked) == ([Cause.NOT_KEPT], None, [])


def test_the_digest_of_a_prompt_tells_it_from_any_other() -> None:
    def digest(text: str) -> str:
        return digest_of(({"role": "user", "content": text},))

    assert digest("질문") == digest("질문") != digest("질문 ")
    assert len(digest(str(uuid4()))) == 64


def test_the_hash_on_record_is_of_the_try_that_was_answered() -> None:
    notes = [
        Note("prompt_sha256", "ab" * 32),
        Note("guard", "language: asked again"),
        Note("sent_again_sha256", "cd" * 32),
    ]
    following = [Note("prompt_sha256", "ef" * 32), Note("sent_again_sha256", "01" * 32)]

    def kept(*notes: Note) -> str:
        recording = Recording(
            Permit(READER, frozenset({ONE})), QUESTION, Surface.NATIVE, "grounded/1", Asked(QUESTION, 8)
        )
        recording.whole(AnswerOutcome(found(), "grounded/1", (), None, notes))
        return recording.rows(content=True)[0].prompt_hash

    assert kept(*notes, *following) == "cd" * 32, "of a report's first part, as it was sent at last"
    assert kept(*following) == "01" * 32 and kept(notes[0], *following) == "ab" * 32
    assert kept(notes[1]) == ""


def sources_of(sentences: tuple[Sentence, ...], notes: tuple[Note, ...], passages: tuple[Passage, ...]) -> set[UUID]:
    """Documents that an answer is kept as written from."""
    permit = Permit(READER, frozenset({ONE, TWO}), None, None, RULES)
    recording = Recording(permit, QUESTION, Surface.NATIVE, "x/1", Asked(QUESTION, 8))
    recording.whole(AnswerOutcome(found(*passages), "x/1", sentences, None, notes))
    return {item.document_id for item in recording.rows(content=True)[1]}


def test_an_answer_is_kept_with_all_that_its_words_may_come_from() -> None:
    cited, other = make_passage("하루 7만원까지 지급한다."), make_passage("인사팀이 구조조정을 준비한다.")
    other = replace(other, source=replace(other.source, document_id=uuid4(), version_id=uuid4()))
    quote = Sentence(cited.chunk.text, (Citation(1, cited, 0, len(cited.chunk.text)),), Support.VERBATIM)
    alone = Sentence("구조조정이 있다.", (), Support.UNSUPPORTED)
    sent = Note("prompt_sha256", "ab" * 32)
    both = {cited.source.document_id, other.source.document_id}
    assert sources_of((quote,), (), (cited, other)) == {cited.source.document_id}, "verbatim, from what it cites alone"
    assert sources_of((quote, alone), (), (cited, other)) == both
    assert sources_of((quote,), (sent,), (cited, other)) == both
