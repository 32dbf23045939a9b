from __future__ import annotations

import json
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from rag.domain.errors import QuestionsInvalid
from rag.evaluation import sheet
from rag.evaluation.questions import Expected, Question
from rag.evaluation.reading import read_questions


def workbook(path: Path, rows: list[list[object]]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_korean_workbook(tmp_path: Path) -> None:
    rows = [
        ["번호", "질문", "기대 문서", "위치", "정답 문단", "컬렉션", "비고"],
        [1.0, "재택근무는 며칠까지?", "취업규칙.docx", "제19조의2", "1주에 2일까지", "규정", "담당: 인사부"],
        [None, None, None, None, None, None, None],
        [3, "여비 정산 기한은?", "여비규정.hwpx\n출장지침.pdf", None, None, None, None],
    ]
    found = read_questions(workbook(tmp_path / "문항.xlsx", rows), "ko")
    expected = (Expected(("취업규칙.docx",), "제19조의2", "1주에 2일까지"),)
    assert found.questions == (
        Question("1", "재택근무는 며칠까지?", expected, 2, "규정"),
        Question("3", "여비 정산 기한은?", (Expected(("여비규정.hwpx",)), Expected(("출장지침.pdf",))), 4),
    )


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("utf-8", ","), ("utf-8-sig", ";"), ("cp949", ","), ("utf-16", "\t")]
)
def test_a_csv_as_spreadsheet_programs_write_it(tmp_path: Path, encoding: str, delimiter: str) -> None:
    lines = ["질문,Expected document(s),쪽".replace(",", delimiter), "몇 자인가요?,정책.pdf,5".replace(",", delimiter)]
    found = read_questions(written(tmp_path / "q.csv", "\r\n".join(lines), encoding), "ko")
    assert found.questions == (Question("row-2", "몇 자인가요?", (Expected(("정책.pdf",), "5"),), 2),)


def test_a_sheet_may_have_a_title_above_its_columns(tmp_path: Path) -> None:
    rows = [
        ["한빛은행 검색 평가 문항, 2026년 11월", None, None],
        [None, None, None],
        ["번호", "질의", "근거문서"],
        [7, "여비 정산 기한은?", "여비규정.hwpx"],
        [8, None, "여비규정.hwpx"],
    ]
    with pytest.raises(QuestionsInvalid, match="5행: 질문이 비어 있습니다"):
        read_questions(workbook(tmp_path / "a.xlsx", rows), "ko")
    expected = (Expected(("여비규정.hwpx",)),)
    found = read_questions(workbook(tmp_path / "b.xlsx", rows[:-1]), "ko")
    assert found.questions == (Question("7", "여비 정산 기한은?", expected, 4),)
    text = "\n".join("\t".join("" if cell is None else str(cell) for cell in row) for row in rows[:-1])
    assert read_questions(written(tmp_path / "c.csv", text), "ko").questions == found.questions


@pytest.mark.parametrize("title", ["문항", "질문", "질의"])
@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_a_title_that_reads_like_a_column_is_no_header(tmp_path: Path, name: str, title: str) -> None:
    """Where documents need not be named, a cell is enough of a header: the row that names most columns is meant."""
    rows = [[title, None, None], ["번호", "질문", "문서"], [1, "여비?", "a.md"], [2, "질문", None]]
    if name.endswith("csv"):
        text = "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in rows)
        path = written(tmp_path / name, text)
    else:
        path = workbook(tmp_path / name, rows)
    assert sheet.asked(path) == ([("여비?", ["a.md"]), ("질문", [])], [])


def test_of_two_rows_that_name_as_much_the_first_is_the_header(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [["질문"], ["문항"], ["여비?"]])
    assert sheet.asked(path) == ([("문항", []), ("여비?", [])], [])


def test_a_column_twice_is_said_of_the_row_where_it_stands(tmp_path: Path) -> None:
    rows: list[list[object]] = [["평가 문항"], [None], ["질문", "문서", "question"], ["여비?", "a.md", "여비?"]]
    with pytest.raises(QuestionsInvalid, match="3행: 같은 뜻의 제목이 두 번"):
        read_questions(workbook(tmp_path / "a.xlsx", rows), "ko")


def test_one_document_may_have_several_places(tmp_path: Path) -> None:
    path = written(tmp_path / "q.csv", 'question,document,place\nWhat?,a.md,"2.3; 4.1"\n')
    [question] = read_questions(path, "en").questions
    assert question.expected == (Expected(("a.md",), "2.3"), Expected(("a.md",), "4.1"))


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    text = (
        "id,question,document,place,quote\nx,What?,,,\nx,,a.md,,\ny,Who?,a.md;b.md,1;2;3,\nz,Who?,a.md;b.md,,said so\n"
    )
    with pytest.raises(QuestionsInvalid) as caught:
        read_questions(written(tmp_path / "q.csv", text), "en")
    assert caught.value.message_en().splitlines()[1:] == [
        "row 2: the expected document is empty",
        "row 3: the question is empty",
        "row 3: the id occurs twice: x",
        "row 4: the number of places does not fit the number of documents: 3 / 2",
        "row 5: with a quote, name one document and at most one place",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "첫 줄에 제목이 필요합니다"),
        ("물음,답\n가,나\n", "첫 줄에 제목이 필요합니다"),
        ("질문,문서,question\n", "같은 뜻의 제목이 두 번"),
        ("질문,문서\n", "문항이 없습니다"),
        ("질문,문서,검토\n무엇?,가.pdf,\n", "검토한 문항이 없습니다"),
    ],
)
def test_what_is_wrong_is_said_in_korean(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(QuestionsInvalid) as caught:
        read_questions(written(tmp_path / "q.csv", text), "ko")
    assert said in caught.value.params["detail"]


def test_a_long_list_of_problems_is_cut_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "q.csv", "question,document\n" + "What?,\n" * 30)
    with pytest.raises(QuestionsInvalid, match="and 10 more"):
        read_questions(path, "en")


def test_no_workbook_is_no_crash(tmp_path: Path) -> None:
    with pytest.raises(QuestionsInvalid, match="can't be read"):
        read_questions(written(tmp_path / "q.xlsx", "not a zip"), "en")


@pytest.mark.parametrize("name", ["drafts.xlsx", "drafts.csv"])
def test_a_drafted_sheet_is_read_back_once_it_is_reviewed(tmp_path: Path, name: str) -> None:
    draft = {
        "question": "=cmd|'/c calc'!A0 은 무엇?",
        "document": "가.pdf",
        "quote": "- 제5조\n따른다",
        "collection": "규정",
    }
    rows = [{**draft, "reviewed": mark} for mark in ("예", "", "아니오")]
    sheet.write(tmp_path / name, rows, "ko")
    found = read_questions(tmp_path / name, "ko")
    assert found.left_out == 2
    [question] = found.questions
    assert question.expected == (Expected(("가.pdf",), "", "- 제5조\n따른다"),)
    assert question.text.lstrip("'") == rows[0]["question"]


def test_a_drafted_sheet_runs_no_formula(tmp_path: Path) -> None:
    row = {"question": "=1+1", "document": "가.pdf", "quote": "\x0b+1", "collection": "", "reviewed": ""}
    sheet.write(tmp_path / "d.xlsx", [row], "en")
    sheet.write(tmp_path / "d.csv", [row], "en")
    cells = [cell for line in load_workbook(tmp_path / "d.xlsx").active.iter_rows(min_row=2) for cell in line]
    assert [cell.data_type for cell in cells if cell.value] == ["s", "s", "s"]
    assert ",'=1+1" in "," + (tmp_path / "d.csv").read_text(encoding="utf-8-sig").splitlines()[1]


def beir(folder: Path, qrels: dict[str, str]) -> Path:
    folder.mkdir()
    (folder / "corpus.jsonl").write_text(
        json.dumps({"_id": "d1", "title": "취업규칙", "text": "본문"})
        + "\n"
        + json.dumps({"_id": "d2", "text": "둘"})
        + "\n"
    )
    (folder / "queries.jsonl").write_text(
        "\n".join(json.dumps({"_id": key, "text": f"{key}?"}) for key in ("q1", "q2", "q3"))
    )
    for name, text in qrels.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "qrels",
    [
        {"qrels.tsv": "q1\td1\t2\nq1\td2\t1\nq2\td2\t0\nq3\td2\t1\n"},
        {"qrels/train.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t1\n", "qrels/dev.tsv": "q3\td2\t1\n"},
    ],
)
def test_a_beir_folder(tmp_path: Path, qrels: dict[str, str]) -> None:
    found = read_questions(beir(tmp_path / "set", qrels), "en")
    assert [question.id for question in found.questions] == ["q1", "q3"]
    assert found.questions[0].expected == (Expected(("d1", "취업규칙"), grade=2), Expected(("d2",), grade=1))


def test_of_several_parts_of_a_beir_folder_the_test_counts(tmp_path: Path) -> None:
    qrels = {"qrels/test.tsv": "q1\td1\t2\n", "qrels/dev.tsv": "q3\td2\t1\n", "qrels/train.tsv": "broken\n"}
    [question] = read_questions(beir(tmp_path / "set", qrels), "en").questions
    assert question.id == "q1"


def test_a_beir_folder_says_what_is_missing_or_wrong(tmp_path: Path) -> None:
    folder = beir(tmp_path / "set", {"qrels.tsv": "q1 d1 1\n"})
    with pytest.raises(QuestionsInvalid, match=r"row 1: a line of the judgements can't be read: qrels\.tsv: q1 d1 1"):
        read_questions(folder, "en")
    (folder / "queries.jsonl").unlink()
    with pytest.raises(QuestionsInvalid, match=r"the file is missing: queries\.jsonl"):
        read_questions(folder, "en")
