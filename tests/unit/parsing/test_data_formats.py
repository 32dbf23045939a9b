"""Records and recordings: JSON, JSON Lines, XML, subtitles; and e-books."""

from __future__ import annotations

import json

import pytest

from ingest.parsing import json_events, media_types
from ingest.parsing.identify import identify
from ingest.parsing.xml_data import is_prose
from rag.domain.anchor import LineAnchor, ParagraphAnchor
from rag.domain.document import ElementKind
from rag.domain.errors import FileDamaged, FileEncrypted, NoTextFound
from tests.unit.parsing.documents import outline, parse, texts, zip_bytes


def written(tmp_path, name: str, content: str | bytes):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_json_records_become_a_table(tmp_path):
    data = '[\n  {"등급": "A", "한도": 1000},\n  {"등급": "B", "한도": 5.50, "비고": null},\n  {"등급": "C|D", "한도": true}\n]\n'
    (table,) = parse(written(tmp_path, "a.json", data)).elements
    assert table.text.split("\n") == [
        "| 등급 | 한도 |",
        "| --- | --- |",
        "| A | 1000 |",
        "| B | 5.50 |",
        "| C\\|D | true |",
    ]
    assert table.line_anchors[2:] == (LineAnchor(2, 2), LineAnchor(3, 3), LineAnchor(4, 4))


def test_json_objects_become_lines_with_their_paths(tmp_path):
    data = '{\n "title": "규정",\n "장": [\n  '
    data += '{"조": {"번호": 1, "글": "첫 줄\\n둘째 줄"}},\n  {"조": {"번호": 2}}\n ],\n "빈": {}\n}'
    document = parse(written(tmp_path, "a.json", data))
    assert document.title == "규정"
    assert texts(document) == ["title: 규정", "조.번호: 1\n조.글: 첫 줄\n둘째 줄", "조.번호: 2"]
    assert document.elements[1].line_anchors == (LineAnchor(4, 4),) * 3


def test_json_lines(tmp_path):
    rows = [{"_id": str(n), "text": f"문서 {n}의 본문. " * 20} for n in range(3)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    document = parse(written(tmp_path, "a.jsonl", "\n".join([lines[0], "", *lines[1:], "{broken"])))
    assert [element.anchor for element in document.elements] == [LineAnchor(n, n) for n in (1, 3, 4, 5)]
    assert document.elements[1].text.startswith("_id: 1\ntext: 문서 1의 본문.")
    assert document.elements[3].text == "{broken"
    assert document.warnings == ("damaged_lines",)


@pytest.mark.parametrize("data", ['// 설명\n{"a": 1}', '{"a": 1,}', "[1, 2", '{"a" 1}', '{"a": "열린 글', "[1] 2"])
def test_what_is_no_json_is_kept_as_it_is(tmp_path, data):
    (element,) = parse(written(tmp_path, "a.json", data)).elements
    assert element.kind is ElementKind.CODE
    assert element.text == data


@pytest.mark.parametrize(
    "data",
    [
        "1",
        '"글"',
        "[]",
        "{}",
        '[{"a": [1, {"b": null}], "c": -1.5e3}, [], "\\ud55c\\n"]',
        '{"": {"": ""}}',
        "[[[[1]]]]",
    ],
)
def test_json_values_are_those_of_the_standard_library(data):
    def walk(node, path=()):
        if isinstance(node, dict) and node:
            for key, item in node.items():
                yield from walk(item, (*path, key))
        elif isinstance(node, list) and node:
            for key, item in enumerate(node):
                yield from walk(item, (*path, key))
        else:
            yield path, node if isinstance(node, str) else "" if node in (None, [], {}) else json.dumps(node)

    found = [(value.path, value.text) for value in json_events.values(data)]
    assert [path for path, _ in found] == [path for path, _ in walk(json.loads(data))]
    for (_, text), (_, expected) in zip(found, walk(json.loads(data)), strict=True):
        assert text == expected or float(text) == float(expected)


def test_deep_json_is_no_crash(tmp_path):
    assert parse(written(tmp_path, "a.json", "[" * 100_000)).elements[0].kind is ElementKind.CODE
    with pytest.raises(NoTextFound):
        parse(written(tmp_path, "b.json", "[" * 150 + "]" * 150))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("data.json", media_types.JSON),
        ("app/package.json", media_types.SOURCE_CODE),
        (".eslintrc.json", media_types.SOURCE_CODE),
        ("a.ndjson", media_types.JSONL),
        ("a.ipynb", media_types.SOURCE_CODE),
    ],
)
def test_json_that_is_code(tmp_path, name, expected):
    assert identify(written(tmp_path, "x", '{"a": 1}'), name).media_type == expected


LAW = """<?xml version="1.0" encoding="{encoding}"?>
<법령 법령키="0001">
  <기본정보>
    <법령명_한글><![CDATA[전자금융거래법]]></법령명_한글>
    <시행일자>20260101</시행일자>
  </기본정보>
  <조문>
    <조문단위>
      <조문제목>목적</조문제목>
      <조문내용><![CDATA[제1조(목적) 이 법은 전자금융거래의 법률관계를 명확히 하여 전자금융거래의 안전성과 신뢰성을
확보함을 목적으로 한다.]]></조문내용>
    </조문단위>
    <조문단위>
      <조문제목>정의</조문제목>
      <조문내용>제2조(정의) 이 법에서 사용하는 <em>용어</em>의 정의는 다음과 같다. &amp; 그 밖의 용어는 대통령령으로 정하는
      바에 따르며 이용자와 금융회사 사이의 약정이 있으면 그에 따른다.</조문내용>
      <참조 법="민법" 조="3"/>
    </조문단위>
  </조문>
</법령>
"""


@pytest.mark.parametrize(("encoding", "codec"), [("utf-8", "utf-8"), ("euc-kr", "cp949"), ("utf-16", "utf-16")])
def test_xml_written_for_readers(tmp_path, encoding, codec):
    path = written(tmp_path, "law.xml", LAW.format(encoding=encoding).encode(codec))
    document = parse(path)
    assert document.media_type == media_types.XML
    assert document.title == "전자금융거래법"
    assert outline(document) == [(1, "전자금융거래법"), (2, "목적"), (2, "정의")]
    assert "시행일자: 20260101" in texts(document)
    assert any("이 법에서 사용하는 용어의 정의는 다음과 같다. & 그 밖의" in text for text in texts(document))
    assert texts(document)[-1] == "참조: 법=민법, 조=3"
    lines = LAW.split("\n")
    for element in document.elements:
        if element.kind is ElementKind.HEADING:
            assert element.text in lines[element.anchor.first - 1]


def test_xml_that_is_code(tmp_path):
    pom = "<project>" + "<dependency><groupId>org.example</groupId><artifactId>core</artifactId></dependency>" * 30
    assert not is_prose(pom)
    assert identify(written(tmp_path, "x", pom + "</project>"), "pom.xml").media_type == media_types.SOURCE_CODE
    layout = "<LinearLayout>" + '<TextView android:text="@string/hello" android:layout_width="match_parent"/>' * 30
    assert identify(written(tmp_path, "x", layout), "main.xml").media_type == media_types.SOURCE_CODE


def test_entities_of_an_xml_file_are_not_expanded(tmp_path):
    words = "이 글은 사람이 읽으라고 쓴 것이며 여러 문장으로 되어 있습니다. " * 10
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    path = written(
        tmp_path, "a.xml", f"<!DOCTYPE d [{entities}<!ENTITY x SYSTEM 'file:///etc/passwd'>]><d>{words} &a9; &x;</d>"
    )
    (element,) = parse(path).elements
    assert "&a9; &x;" in element.text
    assert len(element.text) < 2 * len(words)


def test_broken_xml_is_kept_as_it_is(tmp_path):
    broken = LAW.format(encoding="utf-8")[:400]
    (element,) = parse(written(tmp_path, "a.xml", broken)).elements
    assert element.kind is ElementKind.CODE
    assert parse(written(tmp_path, "b.xml", "<a>글 " * 500)).elements[0].kind is ElementKind.CODE


VTT = """WEBVTT - 이사회 녹취

NOTE 보이지 않는 메모

STYLE
::cue { color: red }

1
00:01.000 --> 00:03.000 align:left
<v 김 부장>한도는 <b>그대로</b>입니다.

00:03.500 --> 00:05.000
<v.loud 이 과장>알겠습니다.
다음 안건으로 가시죠.

01:02:03.000 --> 01:02:05.000
&lt;끝&gt;
"""


def test_webvtt(tmp_path):
    document = parse(written(tmp_path, "a.vtt", VTT))
    assert document.title == "이사회 녹취"
    assert texts(document) == [
        "[00:00:01] 김 부장: 한도는 그대로입니다.\n[00:00:03] 이 과장: 알겠습니다. 다음 안건으로 가시죠.",
        "[01:02:03] <끝>",
    ]
    first, last = document.elements
    assert first.line_anchors == (LineAnchor(9, 10), LineAnchor(12, 14))
    assert last.anchor == LineAnchor(16, 17)


def test_subrip(tmp_path):
    content = "1\r\n00:00:20,000 --> 00:00:24,400\r\n{\\an8}<i>자막</i> 첫 줄\r\n둘째 줄\r\n\r\n"
    content += "2\r\n00:02:00,000 --> 00:02:01,000\r\n끝\r\n"
    document = parse(written(tmp_path, "a.srt", content.encode("cp949")))
    assert document.media_type == media_types.SRT
    assert texts(document) == ["[00:00:20] 자막 첫 줄 둘째 줄", "[00:02:00] 끝"]
    assert document.elements[0].anchor == LineAnchor(2, 4)


CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>사내 규정집</dc:title><dc:creator>총무팀</dc:creator>
<dc:creator>법무팀</dc:creator><dc:date>2026-01-02</dc:date><dc:language>ko</dc:language>
<meta property="dcterms:modified">2026-02-03T00:00:00Z</meta></metadata>
<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="b" href="text/tw%6F.xhtml" media-type="application/xhtml+xml"/>
<item id="bad" href="../../../etc/passwd" media-type="application/xhtml+xml"/>
<item id="pic" href="a.png" media-type="image/png"/></manifest>
<spine><itemref idref="nav"/><itemref idref="b"/><itemref idref="pic"/><itemref idref="a"/><itemref idref="bad"/>
</spine></package>"""
NAV = """<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body><nav epub:type="toc"><ol>
<li><a href="text/two.xhtml#x">머리말</a></li><li><a href="text/one.xhtml">제1편</a></li></ol></nav></body></html>"""


def book(**changes: str | None) -> bytes:
    parts: dict[str, str | None] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": PACKAGE,
        "OEBPS/nav.xhtml": NAV,
        "OEBPS/text/one.xhtml": "<html><head><title/></head><body><h1>총칙</h1><p>첫 글</p></body></html>",
        "OEBPS/text/two.xhtml": "<?xml version='1.0'?><html><body><p>머리말의 글<br/>둘째 줄</p></body></html>",
    }
    for name, content in changes.items():
        parts[name] = content
    return zip_bytes({name: content.encode() for name, content in parts.items() if content is not None})


def test_epub_follows_the_reading_order(tmp_path):
    document = parse(written(tmp_path, "a.epub", book()))
    assert document.title == "사내 규정집"
    assert texts(document) == ["머리말", "머리말의 글\n둘째 줄", "총칙", "첫 글"]
    assert outline(document) == [(1, "머리말"), (1, "총칙")]
    assert [e.anchor for e in document.elements] == [ParagraphAnchor(n, n) for n in (1, 1, 2, 3)]
    said = document.metadata
    assert (said.author, said.created_at, said.modified_at) == (
        "총무팀, 법무팀",
        "2026-01-02",
        "2026-02-03T00:00:00+00:00",
    )
    assert dict(said.attributes) == {"language": "ko"}


ENCRYPTION = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"
xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:EncryptionMethod Algorithm="{algorithm}"/>
</enc:EncryptedData></encryption>"""


def test_locked_books_are_told_from_books_with_mangled_fonts(tmp_path):
    locked = ENCRYPTION.format(algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    fonts = ENCRYPTION.format(algorithm="http://www.idpf.org/2008/embedding")
    with pytest.raises(FileEncrypted):
        parse(written(tmp_path, "a.epub", book(**{"META-INF/encryption.xml": locked})))
    assert parse(written(tmp_path, "b.epub", book(**{"META-INF/encryption.xml": fonts}))).elements


@pytest.mark.parametrize("part", ["META-INF/container.xml", "OEBPS/book.opf"])
@pytest.mark.parametrize("content", [None, "<broken", "<a/>", "글"])
def test_damaged_books(tmp_path, part, content):
    with pytest.raises((FileDamaged, NoTextFound)):
        parse(written(tmp_path, "a.epub", book(**{part: content})))


def test_epub_2_contents(tmp_path):
    package = PACKAGE.replace(
        'id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"',
        'id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"',
    )
    ncx = """<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>여는 글</text></navLabel>
<content src="text/two.xhtml"/></navPoint></navMap></ncx>"""
    document = parse(written(tmp_path, "a.epub", book(**{"OEBPS/book.opf": package, "OEBPS/toc.ncx": ncx})))
    assert outline(document) == [(1, "여는 글"), (1, "총칙")]
