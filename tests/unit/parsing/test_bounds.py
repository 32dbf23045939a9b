"""What one document may hold."""

from __future__ import annotations

import pytest

from ingest.parsing import bounds
from ingest.parsing.bounds import ELEMENT_CHARACTERS, bounded
from ingest.parsing.code import read_code
from rag.domain.anchor import LineAnchor, ParagraphAnchor
from rag.domain.document import Element, ElementKind, ParsedDocument
from rag.domain.errors import ParseLimitExceeded


def document(*elements: Element) -> ParsedDocument:
    return ParsedDocument("", "text/plain", "text/1", elements)


def test_an_ordinary_document_is_left_alone():
    parsed = document(Element(ElementKind.TEXT, "글\n" * 100, ParagraphAnchor(1, 1)))
    assert bounded(parsed, "a.txt") is parsed


def test_a_ledger_of_some_hundred_thousand_rows_is_no_harm():
    parsed = document(*[Element(ElementKind.TABLE, "| 1 |" * 4000, ParagraphAnchor(1, 1))] * 1100)
    assert bounded(parsed, "원장.csv") is parsed


def test_a_long_text_is_cut_at_blanks_and_loses_nothing():
    text = "한도 규정 " * 20_000
    parts = bounded(document(Element(ElementKind.TEXT, text, ParagraphAnchor(3, 3))), "a.txt").elements
    assert "".join(part.text.replace("\n", "") for part in parts) == text
    assert all(len(part.text) <= ELEMENT_CHARACTERS and part.anchor == ParagraphAnchor(3, 3) for part in parts)
    assert all(line.endswith(("규정 ", "한도 ")) for part in parts for line in part.text.split("\n"))


def test_lines_keep_their_anchors():
    lines = [f"{number} " + "가" * 500 for number in range(200)]
    anchors = tuple(LineAnchor(n, n) for n in range(1, 201))
    element = Element(ElementKind.CODE, "\n".join(lines), LineAnchor(1, 200), line_anchors=anchors)
    parts = bounded(document(element), "a.py").elements
    assert len(parts) > 1
    assert [line for part in parts for line in part.text.split("\n")] == lines
    assert tuple(anchor for part in parts for anchor in part.line_anchors) == anchors
    assert (parts[0].anchor.first, parts[-1].anchor.last) == (1, 200)


def test_a_table_repeats_its_header():
    rows = ["| 등급 | 한도 |", "| --- | --- |", *(f"| {n} | {'1' * 90} |" for n in range(1000))]
    parts = bounded(document(Element(ElementKind.TABLE, "\n".join(rows), ParagraphAnchor(1, 1001))), "a.html").elements
    assert all(part.text.startswith("| 등급 | 한도 |\n| --- | --- |\n| ") for part in parts)
    assert [row for part in parts for row in part.text.split("\n")[2:]] == rows[2:]


def test_a_run_of_letters_without_a_blank_is_cut_all_the_same():
    parts = bounded(
        document(Element(ElementKind.HEADING, "a" * 100_000, ParagraphAnchor(1, 1), level=1)), "a.html"
    ).elements
    assert "".join(part.text.replace("\n", "") for part in parts) == "a" * 100_000
    assert all(part.kind is ElementKind.TEXT and part.level == 0 for part in parts)


@pytest.mark.parametrize(("name", "resource"), [("MAX_CHARACTERS", "text"), ("MAX_ELEMENTS", "elements")])
def test_too_much_is_refused(monkeypatch, name, resource):
    monkeypatch.setattr(bounds, name, 3)
    elements = [Element(ElementKind.TEXT, "글", ParagraphAnchor(1, 1))] * 4
    with pytest.raises(ParseLimitExceeded) as caught:
        bounded(document(*elements), "a.txt")
    assert caught.value.params["resource"] == resource


def test_source_code_stays_whole_for_the_chunker_that_reads_its_syntax():
    content = "".join(f"def f{n}():\n    return {n}\n\n\n" for n in range(1500)).encode()
    parsed = read_code(content, "generated.py")
    assert len(content) > ELEMENT_CHARACTERS and bounded(parsed, "generated.py") is parsed
