from __future__ import annotations

import pytest

from ingest.parsing.titles import document_title, usable_title
from rag.domain.anchor import LineAnchor
from rag.domain.document import Element, ElementKind


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ("정보보호 규정", "정보보호 규정"),
        ("Microsoft Word - 취업규칙.docx", "취업규칙"),
        ("  보고서\r\n 2026 ", "보고서 2026"),
        ("정보보호 규정".encode("cp949").decode("latin-1"), "정보보호 규정"),
        ("Résumé of the year", "Résumé of the year"),
        ("\x81\x8d\xff\xfe\xfd", ""),
        ("0000320193-22-000070", ""),
        ("PowerPoint 프레젠테이션", ""),
        ("Document1", ""),
        ("제목 없음", ""),
        ("", ""),
    ],
)
def test_usable_title(metadata, title):
    assert usable_title(metadata) == title


def heading(text: str, level: int) -> Element:
    return Element(ElementKind.HEADING, text, LineAnchor(1, 1), level=level)


def test_the_highest_heading_near_the_beginning():
    assert document_title("", [heading("한빛저축은행", 3), heading("정책", 1), heading("총칙", 2)]) == "정책"
    assert document_title("Slide 1", []) == ""
    body = [Element(ElementKind.TEXT, "x", LineAnchor(1, 1))] * 50
    assert document_title("", [*body, heading("늦게", 2), heading("더 늦게", 3)]) == "늦게"


@pytest.mark.parametrize(
    ("above", "title"),
    [
        ("금융지주회사법", "금융지주회사법"),
        ("금융지주회사법\n[시행 2024. 2. 9.] [법률 제19234호]", "금융지주회사법"),
        ("대외비\n여신업무 취급 세칙 [2026. 3. 1. 개정]", "여신업무 취급 세칙"),
        ("이 문서는 규정을 설명한다.", ""),
        ("한빛은행 내부 규정\n여신업무 취급세칙", "여신업무 취급세칙"),
        ("개인정보 보호법 [시행 2025. 10. 2.] [법률 제20897호, 2025. 4. 1., 일부개정]", "개인정보 보호법"),
        ("정보보호 안내\n처리 방법", ""),
        ("관련 법", ""),
        ("상법", "상법"),
        ("대외비", ""),
        ("법", ""),
    ],
)
def test_the_name_of_rules_above_their_first_part(above, title):
    text = Element(ElementKind.TEXT, above, LineAnchor(1, 1))
    articles = [heading("제1조(목적)", 5), heading("제2조(정의)", 5)]
    assert document_title("", [text, *articles]) == title
    assert document_title("", [text, heading("Scope", 1), heading("Use", 1)]) == ""


def test_a_heading_beside_others_is_no_title():
    chapters = [heading("제1장 총칙", 2), heading("제1조(목적)", 5), heading("제2장 심사", 2)]
    assert document_title("", chapters) == ""
    assert document_title("", [heading("여신규정", 1), *chapters]) == "여신규정"
    assert document_title("", chapters[:2]) == "제1장 총칙"  # an extract
    slides = [heading("Install", 1), heading("Use", 1)]
    assert document_title("", slides) == ""
    assert document_title("", slides, beside=True) == "Install"
    assert document_title("", slides, styled="Manual") == "Manual"
    assert document_title("Handbook", slides, styled="Manual") == "Handbook"
