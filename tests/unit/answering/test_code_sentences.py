"""Sentences about code: places, names between backticks, exact lines; and what of a definition is quoted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rag.answering.contract import DEFAULT_RULES, Examiner
from rag.answering.contract_code import code_names
from rag.answering.contract_support import SupportChecker
from rag.answering.rendering import render
from rag.answering.report import source_notes
from rag.domain.anchor import LineAnchor
from rag.domain.answer import Citation, Sentence, Support
from rag.domain.code import CodeContext, MirrorText
from rag.domain.document import Chunk, ElementKind
from rag.domain.language import CollectionKind, Language
from rag.domain.passage import Passage, Source
from rag.domain.told_places import without_places
from rag.generation.base import Draft
from rag.generation.code_quotes import WINDOW, quoted_lines
from rag.generation.grounded_prompt import PromptWriter, prompt_name
from tests.support.passages import SOURCE, make_passage
from tests.support.proposals import request_for, sentences_of
from tests.support.questions import READER

COMMIT = "abc123def4567890abc123def4567890abc123de"
LOGIN = '''# 로그인 시도 제한
MAX_FAILURES = 5
LOCK_MINUTES = 30

def login(user, password):
    """비밀번호를 확인한다."""
    if not verify(user, password):
        raise PermissionError(user)
    return open_session(user)'''


def code(text: str, *, first: int = 10, commit: str = COMMIT, context: CodeContext | None = None) -> Passage:
    """A passage of a repository's file, from line `first` on."""
    base = make_passage(text, language=Language.CODE, kind=ElementKind.CODE)
    anchor = LineAnchor(first, first + text.count("\n"))
    chunk = Chunk(base.chunk.id, 0, text, anchor, (), Language.CODE, ElementKind.CODE, code=context)
    source = replace(
        SOURCE, source_key="payments/src/login.py", title="login.py", commit=commit, collection_kind=CollectionKind.CODE
    )
    return Passage(1, 1.0, chunk, source)


PASSAGE = code(LOGIN)


def examined(text: str, passage: Passage = PASSAGE) -> tuple[list[str], list[str]]:
    """Problems of a sentence, and the lines that it is cited with."""
    finding = Examiner([passage], SupportChecker.lexical(), DEFAULT_RULES).examine(Draft(text=text, cites=(0,)))
    lines = [passage.chunk.text[span.start : span.end] for span in finding.draft.spans]
    return [problem.kind.value for problem in finding.problems], lines


# Places


@pytest.mark.parametrize(
    "place",
    ["payments/src/login.py:11", "src/login.py:10-18", "login.py:14", f"payments/src/login.py:10-12@{COMMIT[:12]}"],
)
def test_a_place_inside_the_passage_is_no_number(place: str) -> None:
    assert ":1" not in without_places(f"`{place}`에 있습니다.", [PASSAGE])


@pytest.mark.parametrize(
    "place",
    ["payments/src/login.py:9", "login.py:10-19", "logout.py:11", "in.py:11", f"login.py:11@{'9' * 12}", "10:30"],
)
def test_a_place_that_lies_in_none_stays(place: str) -> None:
    assert without_places(f"`{place}`에 있습니다.", [PASSAGE]) == f"`{place}`에 있습니다."


def test_a_place_of_a_document_stays() -> None:
    assert without_places("login.py:1", [make_passage("연차는 15일이다.")]) == "login.py:1"


def test_a_made_up_line_number_is_not_held() -> None:
    good = "`MAX_FAILURES`는 `login.py:11`에서 5로 정합니다."
    assert [item.support for item in sentences_of([Draft(text=good, cites=(0,))], [PASSAGE])] == [Support.SUPPORTED]
    bad = good.replace(":11", ":47")
    assert [item.support for item in sentences_of([Draft(text=bad, cites=(0,))], [PASSAGE])] == [Support.UNSUPPORTED]


# Names and lines


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("`MAX_FAILURES`는 5입니다.", "MAX_FAILURES = 5"),
        ("잠금 시간 `LOCK_MINUTES`는 30분입니다.", "LOCK_MINUTES = 30"),
        ("`login`은 `open_session(user)`의 결과를 돌려줍니다.", "return open_session(user)"),
        ("The limit `MAX_FAILURES` is 5.", "MAX_FAILURES = 5"),
    ],
)
def test_the_lines_that_tell_are_quoted(text: str, line: str) -> None:
    problems, lines = examined(text)
    assert not problems
    assert line in "\n".join(lines)
    assert all(item in LOGIN and not item.startswith((" " * 9, "\n")) for item in lines)
    assert {part for item in lines for part in item.split("\n")} <= set(LOGIN.split("\n"))


@pytest.mark.parametrize("name", ["MAX_RETRIES", "logout", "PaymentService.login", "LIMIT = 9"])
def test_a_name_that_the_lines_do_not_have_is_not_held(name: str) -> None:
    problems, _ = examined(f"`login`은 `{name}`을 씁니다.")
    assert problems


def test_a_definition_may_be_called_by_its_path() -> None:
    context = CodeContext("python", "Session.login", "method", "def login(user, password)")
    assert not examined("`Session.login`은 `verify`로 비밀번호를 확인합니다.", code(LOGIN, context=context))[0]


def test_what_is_between_backticks() -> None:
    assert code_names("`a.b()`와 ``x`y`` 그리고 ```\n블록\n``` `f(1, 2)`") == ("a.b", "x`y", "f")


# Labels


def test_a_citation_of_code_is_called_by_path_lines_and_commit() -> None:
    start = LOGIN.index("MAX_FAILURES")
    item = Citation(1, PASSAGE, start, start + len("MAX_FAILURES = 5"))
    assert (item.spot, item.place) == ("payments/src/login.py:11", "payments/src/login.py:11@abc123def456")
    assert Citation(1, make_passage("연차는 15일이다."), 0, 3).spot == ""
    uploaded = Citation(1, code("A = 1", first=1, commit=""), 0, 5)
    assert uploaded.place == uploaded.spot == "payments/src/login.py:1"
    [note] = source_notes([Sentence("MAX_FAILURES = 5", (item,), Support.VERBATIM)], Language.KOREAN)
    assert note.detail == "[1] `payments/src/login.py:11@abc123def456`"


def test_the_message_of_a_commit_is_called_by_its_repository() -> None:
    source: Source = replace(PASSAGE.source, source_key="payments", mirrored=MirrorText(SOURCE.document_id))
    item = Citation(1, Passage(1, 1.0, PASSAGE.chunk, source), 0, 5)
    assert (item.spot, item.place) == ("payments", "payments@abc123def456")


def test_a_backtick_in_a_path_ends_no_code() -> None:
    odd = Passage(1, 1.0, PASSAGE.chunk, replace(PASSAGE.source, source_key="a`b\nc.py"))
    text = render(Sentence(LOGIN, (Citation(1, odd, 0, len(LOGIN)),), Support.VERBATIM), 0).text
    assert text.startswith("`a b c.py:10-18@abc123def456`\n```\n# 로그인")


# What is quoted of a definition


def test_head_and_telling_lines_of_a_long_definition() -> None:
    body = [f"    step_{number}()" for number in range(40)]
    body[30] = "    lock(user)  # 다섯 번 틀리면 잠근다"
    text = "\n".join(["def login(user):", '    """비밀번호를 확인한다."""', *body])
    passage = code(text, context=CodeContext("python", "login", "function", "def login(user)"))
    ranges = quoted_lines(passage, dict.fromkeys(READER.content_terms("잠근다 lock"), 1.0), READER.terms_of)
    lines = text.split("\n")
    assert ranges[0] == (0, 2)
    first, last = ranges[1]
    assert body[30] in lines[first:last]
    assert sum(end - start for start, end in ranges) <= WINDOW


FEES = """//! Fees.

/// 수수료를 계산한다
pub fn fee(amount: u64, grade: Grade) -> u64 {
    match grade {
        Grade::Vip => 0,
        Grade::Normal => amount / 1000,
    }
}

pub enum Grade {
    Vip,
    Normal,
}

pub struct FeeTable {
    rows: Vec<u64>,
}

impl FeeTable {
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|row| fee(*row, Grade::Normal)).sum()
    }
}"""


def test_a_short_definition_that_is_asked_about_is_quoted_with_its_body() -> None:
    passage = code(FEES, context=CodeContext("rust", "fee", "function", "pub fn fee"))
    lines = FEES.split("\n")
    asked = dict.fromkeys(READER.content_terms("수수료 계산 fee"), 1.0)
    [(start, end), *others] = quoted_lines(passage, asked, READER.terms_of)
    assert lines[start:end] == lines[:9]
    assert end - start + sum(last - first for first, last in others) <= WINDOW
    table = dict.fromkeys(
        READER.content_terms("FeeTable total rows"), 1.0
    )  # what matters stands below: its lines, not this body
    [head, (first, last)] = quoted_lines(passage, table, READER.terms_of)
    assert head == (0, 4) and "impl FeeTable {" in lines[first:last]


def test_a_part_of_a_definition_has_no_head() -> None:
    text = "\n".join(f"    if step_{number}():" for number in range(40))
    passage = code(text, context=CodeContext("python", "login", "function", "def login(user)"))
    assert len(quoted_lines(passage, {}, READER.terms_of)) == 1


# The prompt


def test_a_prompt_about_code_has_places_and_its_own_rules() -> None:
    request = replace(request_for([PASSAGE]), language=Language.KOREAN)
    written = PromptWriter().write(request, 8000)
    assert written.identity == "grounded_code.ko.v1"
    user = str(written.messages[-1]["content"])
    assert "자리: payments/src/login.py:10-18" in user and "커밋: abc123def456" in user


def test_which_prompt_is_written() -> None:
    prose = make_passage("연차는 15일이다.")
    assert prompt_name([PASSAGE, prose, prose]) == prompt_name([prose, PASSAGE]) == "grounded_code"
    assert prompt_name([prose, prose, PASSAGE]) == prompt_name([]) == "grounded"
