"""A table of texts and their sentences: what answers and documents of this kind are written with."""

from __future__ import annotations

import time

import pytest

from rag.domain.language import Language
from rag.text.sentences import split_sentences

KOREAN = [
    # Endings
    "연차는 15일입니다.|병가는 60일입니다.",
    "신청하세요.|승인은 하루 걸려요.",
    "검토가 필요함.|승인을 받음.|완료됨.",
    "가격은 5만 원임.|할인 없음.",
    "할 수 있어요.|그래요?|네!",
    "가능할까요?|가능합니다.",
    "신청했다.|반려됐다!|다시 신청했다.",
    "회신 바람.|기한은 금요일임.",
    "그렇게 하시오.|이상 끝.",
    "보고하였음.|조치 중임.|추후 보고 예정임.",
    "제출한다.|다만, 예외로 한다.",
    "그는 갔다.|나는 남았다.|모두 알았다.",
    "왜 안 되나요?|승인이 없기 때문입니다.",
    # Quotations
    '회사는 "휴가를 준다."라고 정한다.|다음이다.',
    "“휴가를 준다.”고 규정한다.|끝이다.",
    "그는 '안 된다.'라고 말했다.|나는 물러났다.",
    "「근로기준법」 제60조에 따른다.|『시행령』도 같다.",
    "규정은 「취업규칙」이다.|그 규정은 2025년에 바뀌었다.",
    '"직원"이란 근로계약을 맺은 사람을 말한다.|"회사"란 은행을 말한다.',
    "임원(「상법」 제401조의2의 자를 포함한다)은 보고한다.|직원은 따른다.",
    # Numbers, dates, provisions
    "금리는 3.1%이다.|한도는 2.5억 원이다.",
    "매출은 1,234.5억원(+3.1%)이다.|이익은 줄었다.",
    "2024. 3. 1. 시행한다.|이후 개정한다.",
    "2024. 3. 1.부터 시행한다.|부칙은 따로 둔다.",
    "'24. 3. 1. 개정하였다.|다시 고쳤다.",
    "2024년 3월 1일에 시작한다.|2025년에 끝난다.",
    "회의는 14:00에 시작한다.|15:30에 끝난다.",
    "제3조. 목적은 다음과 같다.",
    "제3조(목적) 이 법은 이렇다.|제2항은 다르다.",
    "제24조의2 제1항에 따른다.|제3항은 준용한다.",
    "제1항에 따른다.|제2항은 제외한다.",
    "버전 1.2.3을 쓴다.|버전 2.0은 쓰지 않는다.",
    "비율은 3/4이다.|나머지는 1/4이다.",
    "전화는 02-123-4567이다.|팩스는 없다.",
    "면적은 33.5㎡이다.|층고는 2.7m이다.",
    "기온은 -3.5℃였다.|눈이 왔다.",
    # List marks
    "1. 첫째 사항을 정한다.",
    "가. 세부 사항을 정한다.",
    "(1) 첫째 항목이다.|설명을 붙인다.",
    "① 회사는 휴가를 준다.|② 직원은 쉰다.",
    "- 연차는 15일이다.|- 병가는 60일이다.".replace("|- 병", "\n|- 병"),
    "판단한다.|가. 주장한다.|나. 다툰다.",
    "1) 신청한다.\n|2) 승인한다.",
    # Abbreviations, names, addresses
    "㈜한빛은 은행이다.|㈜서고는 회사다.",
    "(주)한빛은 은행이다.|(주)서고는 회사다.",
    "예(e.g.)를 들어 보자.|No. 3을 본다.",
    "A사와 B사는 다르다.|C사는 같다.",
    "https://a.example/b.html을 연다.|로그인한다.",
    "메일은 a.b@c.example이다.|연락을 바란다.",
    "설정은 hpg.yaml에 있다.|값은 edge.listen이다.",
    "A.I. 기술을 도입하였다.|v1.2를 배포한다.",
    "Kim et al. (2020)을 참고한다.|결과는 같다.",
    # Ellipses and marks of sources
    "그런데… 모르겠다.|다시 본다.",
    "아직 아니다...|기다린다.",
    "연차는 15일이다 [1].|병가는 60일이다 [2].",
    "연차는 15일이다[1].|병가는 60일이다[2].",
    "연차는 15일이다.[1]|병가는 60일이다.[2]",
    "연차는 15일이다. [1]|병가는 60일이다. [2][3]|끝이다.",
    "연차는 15일입니다.[1][2]|병가는 60일입니다.[3]",
    "연차는 15일입니다. [1, 2]|병가는 60일입니다. [1-3]",
    "연차는 15일입니다.【1】|병가는 60일입니다.【2】",
    # Markdown
    "# 제목\n|연차는 15일이다.|병가는 60일이다.",
    "| 직급 | 한도 |\n|| 부장 | 1. 가. |".replace("\n||", "\n\x00|").replace("\x00", "|"),
    "**연차**는 15일이다.|`병가`는 60일이다.",
    "```python\n|x = 1. + 2.\n|y = f(x)\n|```\n|위 코드는 더한다.",
    "> 인용한 글이다.\n|본문이다.",
]

ENGLISH = [
    "Leave is 15 days.|Sick leave is 60 days.",
    "Is it so?|Yes!|Good.",
    "Wait...|It works.|No. 5 is out.",
    "See e.g. Fig. 3.|It is clear.",
    "See i.e. the first one.|Then stop.",
    "The fee, cf. Sec. 2, is due.|Pay it.",
    "Use v1.2.3.|It works.",
    "The rate was 3.1 percent.|In 2020 it rose.",
    "It costs $5.50.|That is cheap.",
    "Mr. Kim and Dr. Lee met.|They agreed.",
    "He works at Acme Inc.|The firm grew.",
    "The U.S. Government agreed.|Others did not.",
    "It ends at 5 p.m.|Then it starts again.",
    "At 9 a.m. sharp we begin.|Be there.",
    "See Art. 3(2).|It applies.",
    "Open config.yaml.|Edit it.",
    "Visit https://a.example/b.|Then log in.",
    "Write to a.b@c.example.|Wait for the answer.",
    'He said "Stop."|Then he left.',
    "She asked “Why?”|Nobody knew.",
    "(See the annex.)|It is long.",
    "Items 1, 2, etc. are listed.|They are short.",
    "Bring pens, paper, etc.|The rest is there.",
    "Leave is 15 days [1].|Sick leave is 60 days [2].",
    "Leave is 15 days.[1]|Sick leave is 60 days.[2]",
    "Leave is 15 days. [1]|Sick leave is 60 days. [2][3]|That is all.",
    "Leave is 15 days. [1, 3]|Sick leave is 60 days. [^2]",
    "- One item.\n|- Two items.",
    "1. First.\n|2. Second.",
    "# Heading\n|The text begins.|It ends.",
    "```\n|a. B\n|c. D\n|```\n|Done.",
    "~~~\n|rm -rf x. Now\n|~~~\n|Never do that.",
    "| Key | Value |\n|| a. B | 2. 3 |".replace("\n||", "\n\x00|").replace("\x00", "|"),
    "The dose was 3.1 mg vs. 4 mg.|Patients recovered.",
    "J. R. Smith wrote it.|Nobody read it.",
    "Really?!|Yes.",
    "First line ends here.\n\n|Second paragraph follows.",
]


def _parts(row: str) -> list[str]:
    """The sentences of a row: cut at bars that follow a stop, a closing or a line's end."""
    parts, start = [], 0
    for index, character in enumerate(row):
        if (
            character == "|"
            and index
            and (row[index - 1] == "\n" or row[index - 1] in '.?!…]】”"')
            and row[index + 1 : index + 2] != " "
        ):
            parts.append(row[start:index])
            start = index + 1
    return [*parts, row[start:]]


def _check(row: str, language: Language) -> None:
    parts = _parts(row)
    text = "".join(part if part.endswith("\n") else f"{part} " for part in parts).rstrip(" ")
    found = [text[start:end] for start, end in split_sentences(text, language)]
    assert found == [part.strip() for part in parts]


@pytest.mark.parametrize("row", KOREAN)
def test_korean(row: str) -> None:
    _check(row, Language.KOREAN)


@pytest.mark.parametrize("row", ENGLISH)
def test_english(row: str) -> None:
    _check(row, Language.ENGLISH)


def test_the_table_is_long() -> None:
    assert len(KOREAN) + len(ENGLISH) >= 100


@pytest.mark.parametrize("piece", [".", "Fig. ", ". . ", ".[1] ", "[1", "\n```", "a. ", "。[1]", "?!"])
def test_time_grows_with_the_text(piece: str) -> None:
    """By its square this would take many minutes."""
    start = time.monotonic()
    split_sentences(piece * (200_000 // len(piece)), Language.ENGLISH)
    assert time.monotonic() - start < 30
