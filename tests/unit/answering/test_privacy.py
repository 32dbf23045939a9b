from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from rag.access.keys import Keys
from rag.access.personal_data.detector import Detector
from rag.access.policy import Action, Policy
from rag.answering.privacy import without_hidden
from rag.domain.answer import Citation, Note, Sentence, Support
from rag.domain.findings import Finding
from rag.domain.passage import Passage
from rag.domain.personal_data import CustomPattern, PrivacyPolicy, Treatment
from rag.domain.principal import Permit, Scope
from rag.store.collection import Collection
from rag.store.session import Database
from tests.support.passages import make_passage
from tests.support.stores import add_collection

PASSAGE = make_passage("김민수의 주민등록번호는 900101-1******이고 대표번호는 02-345-6789이다.")


def permit(database: Database, policy: PrivacyPolicy, scope: Scope) -> Permit:
    collection = add_collection(database, tenant="은행")
    with database.write() as session:
        session.get_one(Collection, collection.id).privacy = policy.to_json() or None
    keys = Keys(database)
    secret, _ = keys.create("은행", "시험", [scope])
    return Policy(database).authorize(keys.authenticate(secret), Action.ASK)


def said(text: str, passage: Passage | None = None) -> Sentence:
    cites = () if passage is None else (Citation(1, passage, 0, len(passage.chunk.text)),)
    return Sentence(text, cites, Support.UNSUPPORTED)


def told(
    database: Database, asked: Permit, events: Sequence[Sentence | Note], passages: Sequence[Passage] = (PASSAGE,)
) -> tuple[list[Sentence], list[Note]]:
    async def given() -> AsyncGenerator[Sentence | Note, None]:
        for event in events:
            yield event

    async def run() -> list[Sentence | Note]:
        async with aclosing(without_hidden(given(), database, asked, passages)) as shown:
            return [event async for event in shown]

    found = asyncio.run(run())
    return [e for e in found if isinstance(e, Sentence)], [e for e in found if isinstance(e, Note)]


MASKING = PrivacyPolicy(default=Treatment.MASK)


def test_a_number_that_a_model_writes_by_itself_is_hidden(database: Database) -> None:
    asked = permit(database, MASKING, Scope.READ)
    sentences, notes = told(database, asked, [said("그 번호는 900101-1234567입니다.", PASSAGE)])
    assert [item.text for item in sentences] == ["그 번호는 900101-1******입니다."]
    assert sentences[0].support is Support.UNSUPPORTED and sentences[0].citations
    assert [note.kind for note in notes] == ["hidden"] and "1234567" not in notes[0].detail


def test_what_the_passages_show_may_be_said(database: Database) -> None:
    asked = permit(database, MASKING, Scope.READ)
    sentence = said("대표번호는 02-345-6789입니다.", PASSAGE)
    assert told(database, asked, [sentence]) == ([sentence], [])


def test_who_sees_raw_values_gets_the_answer_as_it_is(database: Database) -> None:
    asked = permit(database, MASKING, Scope.ADMIN)
    sentence = said("그 번호는 900101-1234567입니다.")
    assert told(database, asked, [sentence]) == ([sentence], [])


def test_kinds_that_are_not_hidden_stay(database: Database) -> None:
    policy = PrivacyPolicy(kinds={"resident_number": Treatment.MASK})
    asked = permit(database, policy, Scope.READ)
    sentences, _ = told(database, asked, [said("010-2345-6789, 900101-1234567")])
    assert [item.text for item in sentences] == ["010-2345-6789, 900101-1******"]


def watched_finds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every text that a detector looks through, with the name of the thread."""
    seen: list[tuple[str, str]] = []
    find = Detector.find

    def noted(detector: Detector, text: str) -> tuple[Finding, ...]:
        seen.append((text, threading.current_thread().name))
        return find(detector, text)

    monkeypatch.setattr(Detector, "find", noted)
    return seen


def test_collections_that_look_for_the_same_are_looked_for_once(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = PrivacyPolicy(kinds={"phone": Treatment.MASK})
    shop = PrivacyPolicy(default=Treatment.MASK, patterns=(CustomPattern("shop", "가게[0-9]{3}"),))
    for name, policy in (("하나", MASKING), ("둘", MASKING), ("셋", shops), ("넷", shop), ("다섯", PrivacyPolicy())):
        collection = add_collection(sqlite, name, tenant="은행")
        with sqlite.write() as session:
            session.get_one(Collection, collection.id).privacy = policy.to_json() or None
    asked = permit(sqlite, MASKING, Scope.READ)
    seen = watched_finds(monkeypatch)
    sentences, _ = told(sqlite, asked, [said("010-2345-6789, 가게123, 900101-1234567")])
    assert [item.text for item in sentences] == ["010-****-6789, *****, 900101-1******"]
    assert len(seen) == 2  # one detector with the pattern, and one for all others


def test_a_long_text_is_looked_through_beside_the_loop(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = permit(sqlite, MASKING, Scope.READ)
    seen = watched_finds(monkeypatch)
    long = "그 번호는 900101-1234567입니다. " + "가" * 2000
    sentences, _ = told(sqlite, asked, [said("짧다"), said(long)])
    assert sentences[1].text == long.replace("234567", "******")
    loop = threading.current_thread().name
    assert [(text, name == loop) for text, name in seen] == [("짧다", True), (long, False)]


def test_the_answer_behind_is_closed_with_its_reader(sqlite: Database) -> None:
    asked = permit(sqlite, MASKING, Scope.READ)
    closed: list[bool] = []

    async def given() -> AsyncGenerator[Sentence | Note, None]:
        try:
            while True:
                yield Note("model", "x")
        finally:
            closed.append(True)

    async def run() -> None:
        async with aclosing(without_hidden(given(), sqlite, asked, [PASSAGE])) as shown:
            async for _ in shown:
                break

    asyncio.run(run())
    assert closed == [True]
