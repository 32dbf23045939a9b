from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.text.inert import defused, inert, starts_with_code
from tests.support.markup_attacks import ATTACKS
from tests.support.shown import foreign


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_loads_and_nothing_leads_away(attack: str) -> None:
    shown = inert(attack)
    assert foreign(shown) == [], shown
    assert foreign(inert(shown)) == []


def test_they_are_attacks() -> None:
    assert sum(bool(foreign(attack)) for attack in ATTACKS) >= 45


@pytest.mark.parametrize(("first", "second"), list(itertools.product(ATTACKS, ATTACKS[::12])))
def test_no_text_opens_another(first: str, second: str) -> None:
    """Sentences are made inert one by one, and read together."""
    for gap in (" [1] ", "\n", "\n\n"):
        for start, end in ((first, second), (second, first)):
            one, other = inert(start), inert(end)
            gap = "\n" if starts_with_code(other) and "\n" not in gap else gap
            end_of_code = "\n" if one.endswith(("```", "~~~")) else ""
            text = f"{one}{end_of_code}{gap}{other}"
            assert foreign(text) == [], text


PIECES = st.sampled_from(
    [*"[]()<>!`\\|:&;~\n \"'#-", "](", "]:", "![", "```", "~~~", "    ", "- ", "> ", "| --- |", "https://e.io/x", "www.e.io",
     "e.io", "a@e.io", "<img src=x>", "</a>", "<a href=", "&lt;", "&#96;", "javascript:", "\u200b", "가", "a", "[1]", "\\`"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join), st.lists(PIECES, max_size=8).map("".join))
def test_any_text_is_inert(first: str, second: str) -> None:
    one, other = inert(first), inert(second)
    assert foreign(one) == [], one
    gap = "\n" if starts_with_code(other) or one.endswith(("```", "~~~")) else " "
    assert foreign(f"{one}{gap}{other}") == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("연차휴가는 15일이다. 3 < 5, a<=b, AT&T", "연차휴가는 15일이다. 3 < 5, a<=b, AT&T"),
        ("**굵게** `cat a | grep b` 그리고 `a.b()`", "**굵게** `cat a | grep b` 그리고 `a.b()`"),
        ("| 구분 | 값 |\n| --- | --- |\n| 가 | 1 |", "| 구분 | 값 |\n| --- | --- |\n| 가 | 1 |"),
        ("```python\nif a < b: print('<img>')\n```", "```python\nif a < b: print('<img>')\n```"),
        ("- [ ] 할 일\n1. [제3조] 가", "- [ ] 할 일\n1. [제3조] 가"),
        ("[여기](https://evil.com)를 누르세요", "여기를 누르세요"),
        ("끝 ![상태](https://evil.com/a.png)", "끝 상태"),
        (
            "문의: hr@company.co.kr, https://intra.company.kr/a?b=1.",
            "문의: `hr@company.co.kr`, `https://intra.company.kr/a?b=1`.",
        ),
        ("[주의]: 오늘까지", "[주의] : 오늘까지"),
        ("비용은 1.5배, 제2.1절, v3.2, e.g. 10:30", "비용은 1.5배, 제2.1절, v3.2, e.g. 10:30"),
        ("List<String> 가<b>나</b>", "List&lt;String> 가&lt;b>나&lt;/b>"),
        ("닫히지 않은 ` 하나", "닫히지 않은 ' 하나"),
    ],
)
def test_words_stay(text: str, shown: str) -> None:
    assert inert(text) == shown


def test_what_goes_is_counted() -> None:
    found = defused("![a](https://e.io) [b](https://e.io) <img src=x> [c]: https://e.io")
    assert (found.images, found.links, found.tags) == (1, 1, 1)
    assert found.removed == "images: 1, links: 1, tags: 1"
    assert defused("[c]: https://e.io\n말").links == 1
    assert defused("그냥 글").removed == ""


def test_time_is_linear() -> None:
    for piece in ("[", "](", "![a](", "<a ", "`", "a.", "가나다", "a@", "http://", "&#", "[a]: ", "\\", "<!--"):
        inert(piece * 4000)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Rechnungsprüfung<http://www.w.de/a.html>", "Rechnungsprüfung `http://www.w.de/a.html`"),
        ("보고서<https://www.w.de/a>를 본다", "보고서 `https://www.w.de/a` 를 본다"),
        ("<http://www.w.de/a><http://www.w.de/b>", "`http://www.w.de/a` `http://www.w.de/b`"),
        ("(<http://www.w.de/a>), 끝", "(`http://www.w.de/a`), 끝"),
    ],
)
def test_addresses_in_brackets_stay_apart_from_words(text: str, shown: str) -> None:
    assert inert(text) == shown
