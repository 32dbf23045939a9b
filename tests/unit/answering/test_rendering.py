from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.rendering import RenderedSentence, render
from rag.domain.answer import Citation, Sentence, Support
from rag.domain.language import Language
from rag.domain.passage import Passage
from tests.support.markup_attacks import ATTACKS
from tests.support.passages import make_passage
from tests.support.shown import foreign

RULE = make_passage("연차휴가는 15일이다. 병가는 60일이다.")
TRAVEL = make_passage("출장비는 5만원이다.", rank=2)


def verbatim(passage: Passage, number: int = 1) -> Sentence:
    text = passage.chunk.text
    return Sentence(text, (Citation(number, passage, 0, len(text)),), Support.VERBATIM)


def supported(text: str, *numbers: int) -> Sentence:
    return Sentence(text, tuple(Citation(number, RULE, 0, 5) for number in numbers), Support.SUPPORTED)


def rendered_in_a_row(*sentences: Sentence) -> list[RenderedSentence]:
    found: list[RenderedSentence] = []
    for sentence in sentences:
        found.append(render(sentence, found[-1].end if found else 0))
    return found


def table(*lines: str) -> str:
    return render(verbatim(make_passage("\n".join(lines))), 0).text


def test_a_sentence_carries_its_marks() -> None:
    assert render(supported("연차가 있다.", 1, 2), 0).text == "연차가 있다. [1][2]"


def test_what_a_model_writes_about_code_is_prose_with_its_own_fences() -> None:
    code = make_passage("def limit() -> int:\n    return 3", language=Language.CODE)
    cited = (Citation(1, code, 0, len(code.chunk.text)),)
    prose = Sentence("`limit`은 3을 돌려줍니다.", cited, Support.SUPPORTED)
    assert render(prose, 0).text == "`limit`은 3을 돌려줍니다. [1]"
    fenced = Sentence("```python\nlimit()\n```", cited, Support.SUPPORTED)
    assert render(fenced, 0).text == "```python\nlimit()\n```\n[1]"
    assert render(verbatim(code), 0).text == "```\ndef limit() -> int:\n    return 3\n```\n[1]"


def test_a_passage_cited_twice_is_marked_once() -> None:
    spans = (Citation(3, RULE, 0, 5), Citation(3, RULE, 6, 12))
    found = render(Sentence("연차휴가는\n15일이다.", spans, Support.VERBATIM), 0)
    assert found.text.endswith(" [3]")
    assert [item.number for item in found.citations] == [3]


@given(
    st.lists(
        st.sampled_from([supported("연차가 있다.", 1), verbatim(TRAVEL, 2), supported("병가도 있다.", 1, 2)]),
        max_size=6,
    )
)
def test_offsets_point_into_the_whole_answer(sentences: list[Sentence]) -> None:
    found = rendered_in_a_row(*sentences)
    whole = "".join(item.text for item in found)
    for item, sentence in zip(found, sentences, strict=True):
        assert whole[item.start : item.end] == item.text.strip()
        assert whole[item.start : item.end].startswith(sentence.text)
    assert all(second.start == first.end + 2 for first, second in pairwise(found))
    assert not found or found[-1].end == len(whole)


def test_a_sentence_that_is_not_held_says_so_in_its_own_language() -> None:
    assert render(Sentence("그렇습니다.", (), Support.UNSUPPORTED), 0).text == "그렇습니다. (근거에서 확인되지 않음)"
    english = Sentence("So it is.", supported("So it is.", 1).citations, Support.UNSUPPORTED)
    assert render(english, 0).text == "So it is. [1] (not confirmed by the sources)"


@pytest.mark.parametrize("gap", [" ", "\n", "\n\n"])
def test_sentences_are_apart_as_they_were_written(gap: str) -> None:
    second = replace(supported("연차가 있다.", 1), gap=gap)
    found = rendered_in_a_row(second, second)
    assert "".join(item.text for item in found) == f"연차가 있다. [1]{gap}연차가 있다. [1]"
    assert found[1].start == found[0].end + len(gap)


def test_a_table_row_gets_its_header_a_rule_and_its_marks_outside() -> None:
    assert table("| 직급 | 한도 |", "| 부장 | 100만원 |") == "| 직급 | 한도 |\n| --- | --- |\n| 부장 | 100만원 |\n\n[1]"


def test_a_header_alone_has_no_rule() -> None:
    assert table("| 직급 | 한도 |") == "| 직급 | 한도 |\n[1]"


def test_a_pipe_inside_a_header_cell_is_no_column() -> None:
    _, rule, *_ = table("| A \\| B | 한도 |", "| 1 | 2 |").split("\n")
    assert rule == "| --- | --- |"


def test_code_is_fenced() -> None:
    passage = make_passage("def 휴가():\n    return 15", language=Language.CODE)
    assert render(verbatim(passage), 0).text == "```\ndef 휴가():\n    return 15\n```\n[1]"


def test_a_fence_inside_code_does_not_end_it() -> None:
    passage = make_passage('"""예:\n```\nleave(15)\n```\n"""', language=Language.CODE)
    first, *_ = render(verbatim(passage), 0).text.split("\n")
    assert len(first) > 3


EVIL = "https://evil.example/p?q=1"


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_words_load_or_lead_away(attack: str) -> None:
    """Whether a model writes them, or a document that is quoted; also next to each other."""
    sentences = [
        replace(supported("앞의 말이다.", 1), gap=" "),
        replace(Sentence(attack, (), Support.UNSUPPORTED), gap=" "),
        replace(verbatim(make_passage(attack), 2), gap=" "),
        replace(Sentence(attack, (), Support.UNSUPPORTED), gap="\n"),
        replace(supported("끝의 말이다.", 1), gap=" "),
    ]
    text = "".join(item.text for item in rendered_in_a_row(*sentences))
    assert foreign(text) == [], text


def test_code_of_a_document_stays_code() -> None:
    passage = make_passage(f"# ![x]({EVIL})\u200b\nprint('<img>')", language=Language.CODE)
    text = render(verbatim(passage), 0).text
    assert text.startswith(f"```\n# ![x]({EVIL})\nprint('<img>')\n```") and foreign(text) == []


def test_code_begins_on_a_line_of_its_own() -> None:
    code = replace(supported("```\nx\n```", 1), gap=" ")
    first, second = rendered_in_a_row(supported("예:", 1), code)
    assert second.text == "\n```\nx\n```\n[1]" and second.start == first.end + 1


def test_what_nobody_sees_is_not_shown() -> None:
    assert render(supported("연\u200b차는\U000e0041 15일", 1), 0).text == "연차는 15일 [1]"
