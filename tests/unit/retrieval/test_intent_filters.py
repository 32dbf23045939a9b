from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from rag.domain.filters import DocumentFilter, Period
from rag.domain.principal import Permit, Principal
from rag.retrieval.intent_filters import stated_filters

RULES = UUID(int=5)
NAMES = {"인사규정": RULES}


def period(year: int, month: int = 1, until: tuple[int, int] | None = None) -> Period:
    return Period(datetime(year, month, 1, tzinfo=UTC), datetime(*(until or (year + 1, 1)), 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("question", "where", "left"),
    [
        ("2024년에 등록된 문서에서 연차 일수는?", DocumentFilter(uploaded=period(2024)), "연차 일수는?"),
        ("2024년 12월에 수정된 파일 중 보안 지침", DocumentFilter(modified=period(2024, 12)), "보안 지침"),
        ("2023년 5월에 작성한 자료에서만 예산", DocumentFilter(created=period(2023, 5, (2023, 6))), "예산"),
        ("pdf 파일 중 여비 규정", DocumentFilter(media_types=("application/pdf",)), "여비 규정"),
        (
            "여비 한도를 한글 문서에서 찾아줘",
            DocumentFilter(media_types=("application/x-hwp", "application/x-hwp-v3", "application/hwp+zip")),
            "여비 한도를 찾아줘",
        ),
        ("travel limits in the PDF files", DocumentFilter(media_types=("application/pdf",)), "travel limits"),
        ("travel limits in documents uploaded in 2024", DocumentFilter(uploaded=period(2024)), "travel limits"),
    ],
)
def test_what_is_said_in_so_many_words_is_a_filter(question: str, where: DocumentFilter, left: str) -> None:
    found = stated_filters(question, None, NAMES)
    assert (found.where, found.question) == (where, left)
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    "question",
    [
        "2024년에 등록된 법인은 몇 개인가요?",
        "2024년 연차 일수",
        "pdf 파일을 올리는 방법",
        "PDF 파일 형식은 지원하나요?",
        "문서는 어떻게 등록하나요?",
        "2023년에 등록된 문서에서 그리고 2024년에 등록된 문서에서",
        "pdf 파일 중",
        '"없는 컬렉션" 컬렉션에서 연차',
        "인사규정 컬렉션은 무엇인가요",
        "how do I open PDF files",
        "문서 중 제일 긴 것",
    ],
)
def test_anything_less_is_a_question(question: str) -> None:
    found = stated_filters(question, None, NAMES)
    assert (found.where, found.collection, found.question, found.notes) == (None, None, question, ())


def test_a_condition_of_the_request_is_not_touched() -> None:
    given = DocumentFilter(media_types=("text/plain",), uploaded=period(2020))
    for question in ("pdf 파일 중 여비", "2024년에 등록된 문서에서 연차"):
        assert stated_filters(question, given, NAMES).where is None


def test_several_filters_of_different_kinds_add_up() -> None:
    found = stated_filters("“인사규정” 컬렉션에서 2024년에 업로드된 pdf 파일 중 연차 일수", None, NAMES)
    assert found.collection == RULES
    assert found.where == DocumentFilter(media_types=("application/pdf",))
    assert found.question == "2024년에 업로드된 연차 일수"


def test_a_filter_only_narrows_a_permit() -> None:
    permit = Permit(Principal(UUID(int=1), "x", UUID(int=2), frozenset()), frozenset({RULES}))
    limited = permit.filtered(DocumentFilter(media_types=("application/pdf",)))
    assert (limited.collections, limited.as_of) == (permit.collections, None)
    further = limited.filtered(DocumentFilter(uploaded=period(2024)))
    assert further.where == DocumentFilter(media_types=("application/pdf",), uploaded=period(2024))
    with pytest.raises(ValueError, match="media_types"):
        further.filtered(DocumentFilter(media_types=("text/plain",)))
