from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.domain.language import Language
from rag.generation.drafting import Drafting, Piece
from rag.generation.marks import marks_as_text, numbers_of, without_marks
from rag.text.sentences import split_sentences


def split(text: str) -> list[tuple[int, int]]:
    korean = any("가" <= character <= "힣" for character in text)
    return split_sentences(text, Language.KOREAN if korean else Language.ENGLISH)


def pieces(text: str, size: int = 3) -> list[Piece]:
    """What becomes of a text that comes in pieces of `size` characters."""
    drafting = Drafting(split)
    found: list[Piece] = []
    for start in range(0, len(text), size):
        if drafting.push(text[start : start + size]):
            found += drafting.take()
    return found + drafting.finish()


def read(text: str) -> list[tuple[str, tuple[int, ...]]]:
    """The same, however it came: all sizes of pieces must give the same."""
    once = pieces(text, len(text) or 1)
    for size in range(1, 8):
        found = pieces(text, size)
        assert found == once, size
        assert [item.gap for item in found[1:]] == [item.gap for item in once[1:]], size
    return [(item.text, item.numbers) for item in once]


@pytest.mark.parametrize(
    ("mark", "numbers"),
    [
        ("[1]", (1,)),
        ("[1][3]", (1, 3)),
        ("[1] [3]", (1, 3)),
        ("[1], [3]", (1, 3)),
        ("[1, 3]", (1, 3)),
        ("[1-3]", (1, 2, 3)),
        ("[1–3, 5]", (1, 2, 3, 5)),
        ("【1】", (1,)),
        ("【2†source】", (2,)),
        ("【2†L10-L14】", (2,)),
        ("[^1]", (1,)),
        ("(출처 1)", (1,)),
        ("(출처: 1, 2)", (1, 2)),
        ("(자료 3)", (3,)),
        ("[출처 4]", (4,)),
        ("[자료: 2, 5]", (2, 5)),
        ("(Source 1)", (1,)),
        ("(Sources: 1 and 2)", (1, 2)),
        ("[1 및 3]", (1, 3)),
        ("[sources 1, 2]", (1, 2)),
        ("[1](https://evil.example/x)", (1,)),
        ("[3-1]", (3, 1)),
        ("[1][1]", (1,)),
    ],
)
def test_marks_in_every_style_before_and_after_the_full_stop(mark: str, numbers: tuple[int, ...]) -> None:
    assert numbers_of(mark) == numbers
    last = ("병가는 60일까지 쓸 수 있습니다.", (2,))
    for text in (
        f"연차휴가는 15일입니다. {mark} 병가는 60일까지 쓸 수 있습니다. [2]",
        f"연차휴가는 15일입니다 {mark}. 병가는 60일까지 쓸 수 있습니다[2].",
    ):
        assert read(text) == [("연차휴가는 15일입니다.", numbers), last]
    english = f"Annual leave is 15 days{mark}. Sick leave is 60 days at most. [2]"
    assert read(english) == [("Annual leave is 15 days.", numbers), ("Sick leave is 60 days at most.", (2,))]
    after = f"Annual leave is 15 days.{mark} Sick leave is 60 days at most.[2]"
    assert read(after) == [("Annual leave is 15 days.", numbers), ("Sick leave is 60 days at most.", (2,))]
    below = f"연차휴가는 15일입니다.\n{mark}\n\n병가는 60일까지 쓸 수 있습니다.\n[2]"
    assert read(below) == [("연차휴가는 15일입니다.", numbers), last]


def test_marks_in_the_middle_belong_to_their_sentence() -> None:
    text = "연차는 15일[1]이고 병가는 60일[2]입니다. 출장비는 [3] 50,000원입니다."
    assert read(text) == [("연차는 15일이고 병가는 60일입니다.", (1, 2)), ("출장비는 50,000원입니다.", (3,))]


@pytest.mark.parametrize(
    ("text", "shown", "numbers"),
    [
        ("[1]에 따르면, 연차는 15일입니다.", "연차는 15일입니다.", (1,)),
        ("자료 [2]에 의하면 연차는 15일입니다. [2]", "연차는 15일입니다.", (2,)),
        ("[1]번 자료에 따르면 연차는 15일입니다.", "연차는 15일입니다.", (1,)),
        ("[1]은 15일로 정합니다. [1]", "해당 자료는 15일로 정합니다.", (1,)),
        ("- [1]에서는 15일입니다", "- 15일입니다", (1,)),
        ("According to [1], leave is 15 days.", "Leave is 15 days.", (1,)),
        ("In [2], leave is 15 days [2].", "Leave is 15 days.", (2,)),
        ("Leave is, according to source [1], 15 days.", "Leave is, 15 days.", (1,)),
        ("[1] states that leave is 15 days.", "The source states that leave is 15 days.", (1,)),
        ("Leave is set in [1].", "Leave is set in.", (1,)),
    ],
)
def test_a_mark_that_is_a_word_of_its_sentence_leaves_no_hole(text: str, shown: str, numbers: tuple[int, ...]) -> None:
    assert read(text) == [(shown, numbers)]
    following = "Sick leave is 60 days." if shown.isascii() else "병가는 60일까지입니다."
    if not text.startswith("-"):
        assert read(f"{text} {following} [3]") == [(shown, numbers), (following, (3,))]


def test_a_mark_that_is_a_word_of_the_next_sentence_is_not_taken_from_it() -> None:
    first = ("연차는 15일입니다.", (3,))
    assert read("연차는 15일입니다[3]. [1]에 따르면 병가는 60일입니다.") == [first, ("병가는 60일입니다.", (1,))]
    assert read("연차는 15일입니다[3]. [2]는 60일로 정합니다.") == [first, ("해당 자료는 60일로 정합니다.", (2,))]


@pytest.mark.parametrize(
    "text",
    [
        "배열은 `a[1]`로 읽습니다.",
        "제3조[별표 1]를 봅니다.",
        "[0]은 표식이 아닙니다.",
        "[2024]년의 일입니다.",
        "(1) 신청서를 냅니다.",
    ],
)
def test_what_only_looks_like_a_mark_stays(text: str) -> None:
    assert read(text) == [(text, ())]


def test_sentences_are_korean_sentences() -> None:
    text = (
        '시행일은 2026. 3. 1.입니다. [1] 금리는 3.1%입니다. [2] 그는 "안 됩니다." 하고 말했다고 적혀 있습니다. [1] '
        "제3조. 이하는 같습니다. [3]"
    )
    found = read(text)
    assert [numbers for _, numbers in found] == [(1,), (2,), (1,), (3,)]
    assert found[0][0] == "시행일은 2026. 3. 1.입니다." and found[2][0].startswith("그는 ")


def test_a_sentence_comes_before_the_next_is_complete() -> None:
    drafting = Drafting(split)
    drafting.push("연차휴가는 15일입니다. [1] 병가는 진단서가 있으면 60일까지 쓸 수 있고")
    assert [item.text for item in drafting.take()] == ["연차휴가는 15일입니다."]


def test_lists_stay_whole_and_are_introduced() -> None:
    text = (
        "필요한 서류는 다음과 같습니다:\n\n- 신청서. 두 부를 냅니다. [1]\n- 진단서 [2]\n  발급 후 1주 안의 것 [3]\n"
        "  - 사본도 됩니다 [2]\n\n1. 팀장에게 냅니다. [1]\n2. 승인을 받습니다. [1]\n\n문의는 인사팀에 합니다. [4]"
    )
    assert read(text) == [
        ("필요한 서류는 다음과 같습니다:\n- 신청서. 두 부를 냅니다.", (1,)),
        ("- 진단서\n  발급 후 1주 안의 것", (2, 3)),
        ("  - 사본도 됩니다", (2,)),
        ("1. 팀장에게 냅니다.", (1,)),
        ("2. 승인을 받습니다.", (1,)),
        ("문의는 인사팀에 합니다.", (4,)),
    ]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("- 연차는 15일입니다. [1] 병가는 60일입니다. [2]", [("- 연차는 15일입니다.", (1,)), ("병가는 60일입니다.", (2,))]),
        ("- 연차는 15일입니다. 병가는 60일입니다. [1]", [("- 연차는 15일입니다.", (1,)), ("병가는 60일입니다.", (1,))]),
        ("1. 연차는 15일입니다. 병가는 60일입니다 [1][2].", [("1. 연차는 15일입니다.", (1, 2)), ("병가는 60일입니다.", (1, 2))]),
        ("- 연차는 15일입니다. 병가는 60일입니다.\n[3]\n", [("- 연차는 15일입니다.", (3,)), ("병가는 60일입니다.", (3,))]),
        ("- 연차는 15일입니다. [1] 병가는 60일입니다.\n[3]\n", [("- 연차는 15일입니다.", (1,)), ("병가는 60일입니다.", (3,))]),
        ("- 연차는 [1] 15일입니다. 병가는 60일입니다. 끝입니다. [2]",
         [("- 연차는 15일입니다.", (1,)), ("병가는 60일입니다.", ()), ("끝입니다.", (2,))]),
        ("- 연차는 15일입니다. [1]\n  병가는 60일입니다. [2]", [("- 연차는 15일입니다.", (1,)), ("병가는 60일입니다.", (2,))]),
        ("* Leave is 15 days. Sick leave is 60 days. [1]", [("* Leave is 15 days.", (1,)), ("Sick leave is 60 days.", (1,))]),
        ("- 연차는 15일입니다. [1]에 따르면 병가는 60일입니다. [2]",
         [("- 연차는 15일입니다.", ()), ("병가는 60일입니다.", (1, 2))]),
        ("- 연차는 15일입니다. [1] [NO_ANSWER]", [("- 연차는 15일입니다.", (1,))]),
    ],
)  # fmt: skip
def test_an_item_is_judged_sentence_by_sentence(text: str, sentences: list[tuple[str, tuple[int, ...]]]) -> None:
    assert read(text) == sentences
    after = ("- 끝이 아닙니다.", (4,))
    assert read(f"{text.rstrip()}\n- 끝이 아닙니다. [4]") == [*sentences, after]
    gaps = [item.gap for item in pieces(f"휴가입니다. [1]\n{text.rstrip()}\n- 끝이 아닙니다. [4]")][1:]
    inside = "\n" if "\n  " in text else " "
    assert gaps[:-1] == ["\n", *[inside] * (len(sentences) - 1)] and gaps[-1].startswith("\n")


def test_the_layout_of_the_model_stays() -> None:
    text = "연차는 15일이다 [1]. 병가는 60일이다 [2].\n둘 다 유급이다 [1].\n\n"
    text += "종류는 다음과 같다:\n- 연차 [1]\n- 병가 [2]\n\n\n끝이다. [2]"
    read(text)
    assert [item.gap for item in pieces(text)][1:] == [" ", "\n", "\n\n", "\n", "\n\n"]


def test_headings_go_before_what_they_head() -> None:
    assert read(
        "## 휴가\n\n연차는 15일입니다. [1]\n\n**병가**\n병가는 60일입니다. [2]\n\n**연차**는 남습니다. [1]"
    ) == [
        ("## 휴가\n연차는 15일입니다.", (1,)),
        ("**병가**\n병가는 60일입니다.", (2,)),
        ("**연차**는 남습니다.", (1,)),
    ]


def test_tables_stay_whole() -> None:
    table = "| 구분 | 일수 |\n| --- | ---: |\n| 연차 | 15일 [1] |\n| 병가 | 60일 [2] |\n"
    bare = "| 구분 | 일수 |\n| 연차 | 15일 |\n| 병가 | 60일 |"
    assert read(f"{table}\n[3]\n\n끝입니다. [1]") == [(bare, (1, 2, 3)), ("끝입니다.", (1,))]
    [(text, numbers)] = read(f"일수는 표와 같습니다:\n\n{table}")
    assert text.startswith("일수는 표와 같습니다:\n| 구분 | 일수 |\n| --- | ---: |\n") and numbers == (1, 2)


def test_code_stays_whole_and_its_brackets_are_no_marks() -> None:
    code = "```python\nfirst = items[1]\n\n# [2] 주석\nprint(first)\n```"
    assert read(f"첫 항목은 이렇게 읽습니다. [1]\n\n{code}\n[2]\n\n그렇습니다. [3]") == [
        ("첫 항목은 이렇게 읽습니다.", (1,)),
        (code, (2,)),
        ("그렇습니다.", (3,)),
    ]
    assert read(f"{code} [1]") == [(code, (1,))]
    assert read("```\nx = 1") == [("```\nx = 1\n```", ())]


@pytest.mark.parametrize(
    "text",
    [
        "[NO_ANSWER]",
        "\n **[NO_ANSWER]**",
        "[NO_ANSWER] 자료에 없습니다.",
        "NO_ANSWER",
        "[NO ANSWER].\n",
        "- [NO_ANSWER]",
    ],
)
def test_a_refusal_is_no_sentence(text: str) -> None:
    assert read(text) == []
    drafting = Drafting(split)
    drafting.push(text)
    drafting.finish()
    assert drafting.refused and not drafting.refused_in_part


def test_a_refusal_of_a_part_leaves_the_other() -> None:
    drafting = Drafting(split)
    drafting.push("연차는 15일입니다. [1]\n[NO_ANSWER]")
    assert [(item.text, item.numbers) for item in drafting.finish()] == [("연차는 15일입니다.", (1,))]
    assert drafting.refused_in_part and not drafting.refused


@pytest.mark.parametrize("opening", ["<think>", "<thinking>\n", "  <thought>", "[THINK]"])
def test_reasoning_is_no_part_of_the_answer(opening: str) -> None:
    closing = opening.strip().replace("<", "</").replace("[", "[/")
    text = (
        f"{opening}연차를 묻고 있다. [1]에 있다. 길게 생각한다. 정말로 그렇다.\n\n{closing}\n\n연차는 15일입니다. [1]"
    )
    assert read(text) == [("연차는 15일입니다.", (1,))]
    assert read(f"{opening}끝나지 않는 생각입니다. [1] 계속 생각합니다.") == []


def test_what_broke_off_is_left_out_and_known() -> None:
    drafting = Drafting(split)
    drafting.push("연차는 15일입니다. [1] 병가는 진단서가 있으면 60일까지 쓸 수 있으며 그 밖에")
    assert [item.text for item in drafting.finish(complete=False)] == ["연차는 15일입니다."]
    assert drafting.left.startswith("병가는 진단서가")


@pytest.mark.parametrize("end", ["| 병가 | 60", "| 병가 | 60일 |\n"])
def test_rows_before_the_one_in_which_a_table_broke_off_stay(end: str) -> None:
    drafting = Drafting(split)
    drafting.push(
        "휴가는 다음과 같습니다:\n\n| 휴가 | 일수 |\n|---|---|\n| 연차 [1] | 15일 |\n| 경조 [2] | 5일 |\n" + end
    )
    [piece] = drafting.finish(complete=False)
    assert piece.text.endswith("| 연차 | 15일 |\n| 경조 | 5일 |") and piece.numbers == (1, 2)
    assert drafting.left == end.strip()


@pytest.mark.parametrize("text", ["| 휴가 | 일", "| 휴가 | 일수 |\n|---|---|\n| 연차 | 1", "| 휴가 | 일수 |\n|---|-"])
def test_of_a_table_without_a_whole_row_nothing_stays(text: str) -> None:
    drafting = Drafting(split)
    drafting.push(text)
    assert drafting.finish(complete=False) == [] and drafting.left


_ROWS = "| 휴가 | 일수 |\n|---|---|\n| 연차 [1] | 15일 |\n| 경조 [2] | 5일 |\n"


@pytest.mark.parametrize(
    ("end", "left", "numbers"),
    [
        ("| 병가 [3] | 6", "| 병가 | 6", (1, 2)),
        ("| 병가 [2] | 6", "| 병가 | 6", (1, 2)),
        ("| 병가 [3]", "| 병가", (1, 2)),
        ("| 병가 | 60일 [3][4]", "| 병가 | 60일", (1, 2)),
    ],
    ids=["other", "same", "mark", "marks"],
)
def test_the_citations_of_a_row_that_broke_off_go_with_it(end: str, left: str, numbers: tuple[int, ...]) -> None:
    drafting = Drafting(split)
    drafting.push(_ROWS + end)
    [piece] = drafting.finish(complete=False)
    assert piece.text.endswith("| 경조 | 5일 |") and piece.numbers == numbers
    assert drafting.left == left


@pytest.mark.parametrize(
    ("whole", "last"), [(_ROWS, "| 경조 | 5일 |"), ("연차는 15일입니다. [1]\n", "연차는 15일입니다.")]
)
@pytest.mark.parametrize("end", ["## 다", "그 밖의 휴가는 다음과 같습니다:"])
def test_a_heading_that_breaks_off_takes_nothing_with_it(whole: str, last: str, end: str) -> None:
    drafting = Drafting(split)
    drafting.push(f"{whole}\n{end}")
    [piece] = drafting.finish(complete=False)
    assert piece.text.endswith(last) and drafting.left == end


def test_nothing_gives_nothing() -> None:
    assert read("") == read(" \n\n ") == []
    assert read("---\n") == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "연차는 15일입니다.",
                "Sick leave is 60 days.",
                " ",
                "\n",
                "\n\n",
                "[1]",
                " [2]",
                "【3】",
                "- ",
                "1. ",
                "| a | b |",
                "```",
                "##",
                "**굵게**",
                "(출처 1)",
                "[",
                "`x[1]`",
                "제3조.",
                ":",
                "e.g. this",
                "3.1%",
            ]
        ),
        max_size=14,
    ).map("".join)
)
def test_the_pieces_in_which_a_text_comes_do_not_matter(text: str) -> None:
    read(text)


@pytest.mark.parametrize("opening", ["", "(source", "[1", "[1]", "(출처 1"])
def test_blanks_without_end_are_read_in_one_pass(opening: str) -> None:
    assert without_marks(f"연차{opening}{' ' * 100_000}끝").endswith("끝")
    assert pieces(f"연차{opening}{' ' * 20_000}끝", 10_000)


def test_what_a_document_calls_its_own_sources_is_no_mark() -> None:
    shown, written = marks_as_text("세부는 [문서 3]을 본다(자료 2).")
    assert shown == "세부는 ⟦문서 3⟧을 본다⦅자료 2⦆."
    assert {written[key] for key in written} == {"[문서 3]", "(자료 2)"}
    assert {number for _, numbers in read(f"{shown} [1]") for number in numbers} == {1}


def test_marks_of_others_become_text_and_earlier_answers_lose_theirs() -> None:
    shown, written = marks_as_text("위키는 서울이라 한다.[3] 배열 a[0]와 [^1]")
    assert shown == "위키는 서울이라 한다.⟦3⟧ 배열 a[0]와 ⟦^1⟧" and written == {"⟦3⟧": "[3]", "⟦^1⟧": "[^1]"}
    assert (
        without_marks("연차는 15일입니다. [1]\n\n병가는 60일입니다[2].\n[3]")
        == "연차는 15일입니다.\n\n병가는 60일입니다."
    )
