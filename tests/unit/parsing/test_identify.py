from __future__ import annotations

import io
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest

from ingest.parsing import media_types
from ingest.parsing.code import read_code
from ingest.parsing.identify import identify, is_source_code
from ingest.parsing.registry import PARSERS, best, candidates
from rag.domain.errors import EmptyFile, FileDamaged, FileEncrypted, ParseLimitExceeded, UnsupportedFormat
from rag.domain.messages import localized
from tests.unit.parsing.documents import PdfPage, pdf_bytes, zip_bytes
from tests.unit.parsing.opendocument import NAMESPACES


def office(kind: str) -> bytes:
    out = io.BytesIO()
    match kind:
        case "docx":
            docx.Document().save(out)
        case "xlsx":
            openpyxl.Workbook().save(out)
        case "pptx":
            pptx.Presentation().save(out)
    return out.getvalue()


def ole(*streams: str) -> bytes:
    """A compound file with empty streams of these names ([MS-CFB]): header, one FAT sector, one directory sector."""
    end, free = b"\xfe\xff\xff\xff", b"\xff\xff\xff\xff"
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\x00\x03\x00\xfe\xff\x09\x00\x06\x00" + bytes(6)
    header += bytes(4) + b"\x01\0\0\0" + b"\x01\0\0\0" + bytes(4) + b"\0\x10\0\0" + end + bytes(4) + end + bytes(4)
    header += bytes(4) + free * 108
    fat = b"\xfd\xff\xff\xff" + end + free * 126

    def entry(name: str, kind: int, right: int, child: int) -> bytes:
        raw = name.encode("utf-16-le")
        links = free + right.to_bytes(4, "little") + child.to_bytes(4, "little")
        size = (len(raw) + 2).to_bytes(2, "little")
        return raw.ljust(64, b"\0") + size + bytes([kind, 1]) + links + bytes(36) + end + bytes(8)

    entries = [entry("Root Entry", 5, 0xFFFFFFFF, 1)]
    for number, name in enumerate(streams, start=1):
        entries.append(entry(name, 2, number + 1 if number < len(streams) else 0xFFFFFFFF, 0xFFFFFFFF))
    return (header + fat + b"".join(entries)).ljust(512 * 3 + 512, b"\0")


@pytest.fixture
def media_type(tmp_path: Path):
    def identify_bytes(data: bytes, name: str) -> str:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return identify(path, name).media_type

    return identify_bytes


@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx"])
def test_office_files_are_told_by_their_content_types(media_type, kind):
    expected = {"docx": media_types.DOCX, "xlsx": media_types.XLSX, "pptx": media_types.PPTX}[kind]
    assert media_type(office(kind), "x.bin") == expected


def test_extension_does_not_decide_what_a_binary_file_is(media_type):
    pdf = pdf_bytes([PdfPage().text(50, 50, "Hello")])
    assert media_type(pdf, "규정.docx") == media_types.PDF
    assert media_type(office("docx"), "report.pdf") == media_types.DOCX
    assert media_type(b"just words\n", "report.docx") == media_types.TEXT


def test_pdf_after_junk(media_type):
    assert media_type(b"\r\n--boundary\r\n" + pdf_bytes([PdfPage().text(5, 5, "x")]), "a") == media_types.PDF


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.md", "# Title\n", media_types.MARKDOWN),
        ("a.csv", "a,b\n1,2\n", media_types.CSV),
        ("a.py", "import os\n", media_types.SOURCE_CODE),
        ("identify.py", '"""Readers accept junk before `%PDF-`."""\n', media_types.SOURCE_CODE),
        ("Dockerfile", "FROM scratch\n", media_types.SOURCE_CODE),
        ("src/.gitignore", "*.pyc\n", media_types.SOURCE_CODE),
        ("a.txt", "<!DOCTYPE html>\n<html><body>x</body></html>", media_types.HTML),
        ("a", "<?xml version='1.0'?>\n<!-- saved -->\n<html lang='ko'>", media_types.HTML),
        ("view.jsp", "<html><body><%= x %></body></html>", media_types.SOURCE_CODE),
        ("a.log", "2026-01-01 start\n", media_types.TEXT),
        ("mail", "From: a@b.kr\nTo: c@d.kr\nSubject: x\n\nbody", media_types.EMAIL),
        ("매출.xls", "<table border=1><tr><td>구분</td></tr></table>", media_types.HTML),
        ("매출.xls", "\ufeff<meta http-equiv='Content-Type' content='text/html'>\n<table>", media_types.HTML),
        ("매출.xls", "<style>td{mso-number-format:'\\@'}</style><table>", media_types.HTML),
        ("매출.xls", "부서별 매출\n\n구분\t매출\n여신\t100\n", media_types.TSV),
        ("매출.xls", "부서별 매출\n구분 없음\n", media_types.TEXT),
        ("공문.doc", "<!-- 그룹웨어 --><div class='a'>시행 문서</div>", media_types.HTML),
        ("공문.doc", "<p>시행 문서</p>", media_types.HTML),
        ("공문.hwp", "<표 1> 현황\n", media_types.TEXT),
        ("a.txt", "<table> 태그를 쓴다\n", media_types.TEXT),
        ("a.vbs", "<table>\n", media_types.SOURCE_CODE),
        ("note.txt", "Note: remember\nDate: never\n", media_types.TEXT),
    ],
)
def test_kinds_of_text(media_type, name, text, expected):
    assert media_type(text.encode(), name) == expected


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be"])
def test_korean_text_in_every_charset(tmp_path, charset):
    text = "제1조(목적) 이 규정은 정보보호에 관한 사항을 정한다.\n둘째 줄입니다.\n"
    path = tmp_path / "규정.txt"
    path.write_bytes(text.encode(charset))
    found = identify(path, path.name)
    assert found.media_type == media_types.TEXT
    assert path.read_bytes().decode(found.charset).lstrip("\ufeff") == text


def test_western_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Café crème, déjà vu: naïve façade\n".encode("cp1252"))
    assert identify(path, "a.txt").charset == "cp1252"


def test_text_cut_in_the_middle_of_a_character(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(("한글 문서입니다. " * 30).encode()[:-2])
    assert identify(path, "a.txt").charset == "utf-8"


def test_sample_that_ends_inside_a_character(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" + "한".encode() * 400_000)
    assert identify(path, "a.txt").charset == "utf-8"


def test_words_that_look_like_a_signature_are_text(media_type):
    assert media_type(b"MZ is how old programs begin.\n", "a.txt") == media_types.TEXT
    assert media_type(b"BZh and so on, in words.\n", "a.txt") == media_types.TEXT


def test_noise_is_refused(media_type):
    noise = bytes((i * 197 + i // 7) % 256 for i in range(5000))
    for name in ("a.txt", "a.py"):
        with pytest.raises(UnsupportedFormat):
            media_type(noise, name)
        assert not is_source_code(noise, name)


STRANGE = "def fare():\n    # 거리 요금\n    return ".encode() + b"'\xff\xfe\x80'\n"
"""No encoding explains the last line."""


def test_a_program_with_bytes_that_no_encoding_explains_is_read_all_the_same(tmp_path, media_type):
    path = tmp_path / "fare.py"
    path.write_bytes(STRANGE)
    found = identify(path, path.name)
    assert (found.media_type, found.charset) == (media_types.SOURCE_CODE, "utf-8")
    assert is_source_code(STRANGE, "src/fare.py")
    document = read_code(STRANGE, "fare.py")
    assert "거리 요금" in document.elements[0].text and "\ufffd" in document.elements[0].text
    assert [item.name for item in document.outline.symbols] == ["fare"] and document.warnings
    with pytest.raises(UnsupportedFormat):
        media_type(STRANGE, "fare.txt")
    for strange in (b"\x81\x8d" * 40 + b"x = 1\n", STRANGE + b"\0", STRANGE + b"\x01\x02" * 4):
        assert not is_source_code(strange, "fare.py"), "most of it is strange, or it has what no program has"


def test_empty(media_type):
    with pytest.raises(EmptyFile):
        media_type(b"", "a.pdf")


def test_truncated_docx_is_damaged(media_type):
    data = office("docx")
    with pytest.raises(FileDamaged):
        media_type(data[: len(data) // 2], "a.docx")


def test_encrypted_office_file(media_type):
    with pytest.raises(FileEncrypted):
        media_type(ole("EncryptionInfo", "EncryptedPackage"), "a.docx")


@pytest.mark.parametrize("head", [b"\x9b DRMONE  This Document is encrypted and protected", b"SCDSA004\0\1\2\3"])
def test_documents_locked_by_drm(media_type, head):
    with pytest.raises(FileEncrypted):
        media_type(head + bytes(range(256)) * 4, "a.hwp")


@pytest.mark.parametrize(
    ("stream", "expected"),
    [("WordDocument", "application/msword"), ("Workbook", "application/vnd.ms-excel")],
)
def test_old_office_files(media_type, stream, expected):
    assert media_type(ole(stream), "a.doc") == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"mimetype": b"application/hwp+zip", "Contents/section0.xml": b"<x/>"}, media_types.HWPX),
        ({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<x/>"}, media_types.ODT),
        ({"word/document.xml": b"<x/>"}, media_types.DOCX),
        ({"photo.jpg": b"..."}, media_types.ZIP),
    ],
)
def test_other_zip_containers(media_type, entries, expected):
    assert media_type(zip_bytes(entries), "a.zip") == expected


def test_unreadable_formats_are_named(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"GIF89a" + bytes(50))
    with pytest.raises(UnsupportedFormat) as caught:
        candidates(identify(path, "a.gif"), "a.gif", PARSERS)
    assert caught.value.params["found"] == "GIF"


def test_zip_bomb(media_type):
    with pytest.raises(ParseLimitExceeded) as caught:
        media_type(zip_bytes({"[Content_Types].xml": b"x", "word/document.xml": bytes(200 << 20)}), "a.docx")
    assert caught.value.params["resource"] == "unpacked size"


def test_zip_with_too_many_entries(media_type):
    with pytest.raises(ParseLimitExceeded):
        media_type(zip_bytes({f"{n}": b"" for n in range(20_500)}), "a.docx")


def test_registry_agrees_with_the_parsers():
    for key, entry in PARSERS.items():
        parser = entry.factory()
        assert parser.media_types == entry.media_types
        assert parser.name.startswith(key)


def test_best_bid_wins():
    from ingest.parsing.base import Identified

    class Bidder:
        def __init__(self, name: str, amount: int) -> None:
            self.name, self.amount, self.media_types = name, amount, ("x/y",)

        def bid(self, identified):
            return self.amount

        def parse(self, path, source):
            raise NotImplementedError

    low, high, other = Bidder("low", 50), Bidder("high", 80), Bidder("other", 80)
    assert best(Identified("x/y"), "f", {"a": low, "b": high, "c": other}) is high
    with pytest.raises(UnsupportedFormat):
        best(Identified("x/y"), "f", {"a": Bidder("none", 0)})


def test_word_2003_xml_under_a_name_of_office_is_for_the_converter(tmp_path):
    path = tmp_path / "공문.doc"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<?mso-application progid="Word.Document"?>\n'
        '<w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"><w:body/></w:wordDocument>'
    )
    assert candidates(identify(path, path.name), path.name, PARSERS) == ("legacy",)
    assert identify(path, "공문.xml").media_type in (media_types.XML, media_types.SOURCE_CODE)


@pytest.mark.parametrize(
    ("data", "korean", "english"),
    [
        (b"\0\0\1\0\1\0\x10\x10" + bytes(range(256)), "이진 데이터", "binary data"),
        (b"MZ" + bytes(range(256)), "실행 파일", "a Windows"),
    ],
)
def test_the_format_is_named_in_the_language_of_the_message(tmp_path, data, korean, english):
    path = tmp_path / "a.ico"
    path.write_bytes(data)
    with pytest.raises(UnsupportedFormat) as caught:
        candidates(identify(path, "a.ico"), "a.ico", PARSERS)
    assert korean in localized(caught.value, "ko") and english not in localized(caught.value, "ko")
    assert english in localized(caught.value, "en")


RSS = '<?xml version="1.0"?><rss><channel><title>소식</title><item><description>{}</description></item></channel></rss>'


@pytest.mark.parametrize("name", ["a.dat", "a.txt", "소식"])
def test_xml_is_told_by_its_declaration(media_type, name):
    prose = RSS.format("새 규정이 오늘부터 모든 부서에 적용되니 꼭 읽어 주시기 바랍니다. " * 8)
    assert media_type(prose.encode(), name) == media_types.XML
    assert media_type(b'<?xml version="1.0"?><settings><a b="c" d="e"/></settings>', name) == media_types.SOURCE_CODE
    assert media_type(b"<?php echo 1; ?> plain words", name) == media_types.TEXT


TABLE = [
    "번호,이름,부서,금액",
    '1,김철수,"여신, 심사",5000',
    "2,이영희,총무,",
    "3,박민수(대리),감사,700",
    "4,최지우,여신,800",
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_separated_values_are_told_by_their_shape(media_type, delimiter):
    text = "\n".join(TABLE).replace(",", delimiter).replace(f"여신{delimiter} ", "여신, ")
    assert media_type(text.encode(), "명단.txt") == media_types.CSV
    assert media_type(text.encode(), "명단.md") == media_types.MARKDOWN
    dates = ["일자,적요,잔액 합계", *(f"2026-03-0{day} 09:00,이체,{day}원" for day in range(1, 6))]
    assert media_type("\n".join(dates).replace(",", delimiter).encode(), "a.log") == media_types.CSV


NUMBERS = ["1,2,3", "4,5,6", "7,8,9", "1,2,3", "4,5,6"]


@pytest.mark.parametrize(
    "lines",
    [
        TABLE[:4],  # too few
        [*TABLE, "합계,5700"],  # not all the same
        [line.replace(",", ", ") for line in TABLE],  # a list in a sentence looks like that
        [",".join(line.split(",")[:2]) for line in TABLE],  # two fields
        [line.replace(",", "|") for line in TABLE],  # so are logs and drawings written
        ["2024,2025,2026", *NUMBERS],  # no names above it
        ["가,가,나", *NUMBERS],  # not each name once
        ["가,나,다라마.", *NUMBERS],  # a sentence
        ["가,나,다1", *NUMBERS],  # no word
        ["가,나,다", *NUMBERS, "7,8,[9]"],  # brackets of code
        ["가,나,다", *NUMBERS, "7,8,f(9)"],
        ["가,나,다", *NUMBERS, "7,8,9;"],
        ['가,나,"다', *NUMBERS],  # a quotation mark that nothing closes
        ["가,나,다", "1,,", "a,,", "a,,3", "a,,", "a,,"],  # hardly any number in a column
        ["홍길동,서울,과장", "김철수,부산,대리", "이영희,대구,부장", "박민수,대전,사원", "최지우,광주,사원"],
        ["INFO\tmain\t시작", "WARN\tmain\t지연", "INFO\tdb\t연결", "INFO\tdb\t끝", "INFO\tdb\t연결"],
        [f"2026-03-01 09:0{minute},INFO,시작" for minute in range(6)],
        [f"[2026-11-30 09:00:0{second}]\tINFO\t시작" for second in range(6)],
        [f"Nov 30 09:00:0{second},web,start" for second in range(6)],
        [f"{name}(a,b,c)" for name in ("foo", "bar", "baz", "qux", "quux")],
        [f"int {name},b,c;" for name in "adefg"],
    ],
)
def test_what_may_be_no_table_stays_a_text(media_type, lines):
    assert media_type("\n".join(lines).encode(), "a.txt") == media_types.TEXT


def test_a_long_table_cut_off_in_its_sample_is_one_all_the_same(media_type):
    rows = [f"{number},김철수,여신,{number}" for number in range(8000)]
    assert media_type("\n".join([TABLE[0], *rows]).encode(), "a.txt") == media_types.CSV


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text", media_types.ODT),
        ("text-template", media_types.ODT),
        ("spreadsheet", media_types.ODS),
        ("presentation", media_types.ODP),
        ("graphics", "application/vnd.oasis.opendocument.graphics"),
    ],
)
def test_flat_opendocument(media_type, kind, expected):
    root = f'<?xml version="1.0"?>\n<office:document {NAMESPACES} office:mimetype="application/vnd.oasis.opendocument.{kind}">'
    for name in ("a.fodt", "a.xml", "a.txt"):
        assert media_type(f"{root}<office:body/></office:document>".encode(), name) == expected
    other = root.replace("urn:oasis", "urn:other")
    assert media_type(f"{other}<office:body/></office:document>".encode(), "a.dat") == media_types.SOURCE_CODE
