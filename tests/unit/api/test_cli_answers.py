"""How an answer looks in a terminal: a source once, and code as it is written."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pytest
from rich.console import Console

from api.cli.commands import print_answer
from api.schemas.common import AnchorOut
from rag.domain.anchor import Anchor, LineAnchor

CODE = """```python
def fare(kilometres: int, nights: int) -> int:
    return kilometres * 150 + nights * 70000  # 실비와 숙박
```
"""


def cited(provision: str, anchor: Anchor, number: int = 1, place: str | None = None) -> dict[str, Any]:
    headings = ["여비 규정", "제2장 국내 출장"]
    return {
        "number": number,
        "source_key": "여비.md",
        "provision": provision,
        "anchor": AnchorOut.of(anchor, "ko").model_dump(),
        "heading_path": headings,
        "place": place,
    }


def shown(monkeypatch: pytest.MonkeyPatch, width: int, *sentences: tuple[str, list[dict[str, Any]]]) -> str:
    """What the terminal shows of an answer of these sentences."""
    return told_of(
        monkeypatch,
        width,
        *(("sentence", {"rendered": rendered, "citations": citations}) for rendered, citations in sentences),
    )


def told_of(monkeypatch: pytest.MonkeyPatch, width: int, *events: tuple[str, dict[str, Any]]) -> str:
    """The same of an answer of these events."""
    monkeypatch.setenv("SEOGO_LANG", "ko")
    told = [*events, ("done", {"status": "answered", "abstention": None})]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told)
    out = io.StringIO()
    with httpx.Client(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, text=body)), base_url="http://seogo"
    ) as client:
        assert print_answer(client, "질문", None, Console(file=out, width=width))
    return out.getvalue()


def test_a_passage_that_is_cited_at_several_provisions_is_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [
        ("철도운임은 실비이다. [1]", [cited("제5조제1항", LineAnchor(3, 4))]),
        (" 항공운임도 그렇다. [1][2]", [cited("제5조제2항", LineAnchor(5, 5)), cited("", LineAnchor(9, 9), 2)]),
        (" 다시 철도이다. [1]", [cited("제5조제1항", LineAnchor(3, 4))]),
    ]
    lines = shown(monkeypatch, 200, *sentences).splitlines()
    sources = [line for line in lines if line.startswith("[")]
    assert sources == [
        "[1] 여비.md 제5조제1항, 제5조제2항, 3-4행, 5행 (제2장 국내 출장)",
        "[2] 여비.md, 9행 (제2장 국내 출장)",
    ]


def test_places_of_a_source_stand_in_the_order_of_its_text_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [
        ("뒤 [1]", [cited("제9조", LineAnchor(231, 231))]),
        (" 앞 [1]", [cited("제8조", LineAnchor(229, 229))]),
        (" 뒤와 그다음 [1]", [cited("제9조", LineAnchor(231, 232)), cited("제11조", LineAnchor(1040, 1040))]),
    ]
    assert "[1] 여비.md 제8조, 제9조, 제11조, 229행, 231-232행, 1040행 (제2장 국내 출장)\n" in shown(
        monkeypatch, 200, *sentences
    )


def test_places_of_code_are_joined_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [
        cited("", LineAnchor(1, 2), 1, "pay/fare.py:1-2@abc"),
        cited("", LineAnchor(8, 9), 1, "pay/fare.py:8-9@abc"),
    ]
    assert "[1] pay/fare.py:1-2@abc; pay/fare.py:8-9@abc\n" in shown(monkeypatch, 200, ("코드 [1]", places))


def test_code_is_not_wrapped_at_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    prose = "운임은 실비로 지급하고 숙박비는 한도 안에서 지급한다. " * 3
    text = shown(monkeypatch, 40, (prose + "\n" + CODE, []), ("\n끝이다.", []))
    assert CODE in text and "끝이다." in text
    assert all(len(line) <= 40 for line in text.split("```")[0].splitlines())  # prose is wrapped as before


def test_documents_that_disagree_are_said_to_between_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, dict[str, Any]]] = [
        ("sentence", {"rendered": "일비는 3만원입니다. [1]", "citations": [cited("", LineAnchor(3, 3))]}),
        ("note", {"kind": "contradiction", "detail": "[1] [2]"}),
        ("sentence", {"rendered": "\n\n일비는 25,000원으로 한다. [2]", "citations": [cited("", LineAnchor(9, 9), 2)]}),
    ]
    lines = [line for line in told_of(monkeypatch, 200, *events).splitlines() if line]
    assert lines[:3] == [
        "일비는 3만원입니다. [1]",
        "⚠ 문서끼리 내용이 다릅니다: [1] [2]",
        "일비는 25,000원으로 한다. [2]",
    ]
