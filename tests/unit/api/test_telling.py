"""What stands beside the sentences of an answer, for clients that are shown its text alone."""

from __future__ import annotations

from starlette.requests import Request

from api.openai.questions import Put
from api.openai.telling import Telling
from rag.answering.report import SECTION_TRUNCATED
from rag.domain.answer import Note


def telling() -> Telling:
    return Telling(Request({"type": "http", "headers": [(b"accept-language", b"en")]}), Put("How many days?"))


def test_a_section_that_ended_at_its_longest_is_named() -> None:
    told = telling()
    told.note(Note(SECTION_TRUNCATED, "Leave"))
    assert "‘Leave’ ended at its longest" in told.rest()


def test_a_refusal_has_no_sections() -> None:
    told = telling()
    told.note(Note(SECTION_TRUNCATED, "Leave"))
    told.refused()
    assert told.rest() == ""


def test_what_is_said_of_a_slow_model_holds_for_clients_that_show_text_alone() -> None:
    assert telling().slow() == "The model has not answered yet; still waiting."
