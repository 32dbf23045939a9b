"""AsciiDoc and reStructuredText: what a reader of the page sees, on the lines it stands on."""

from __future__ import annotations

import time

import pytest

from rag.domain.anchor import LineAnchor
from rag.domain.document import ElementKind
from tests.unit.parsing.documents import outline, parse, texts

ADOC = """\
:product: 한빛 게이트웨이
// 보이지 않는 메모
= 운영 안내서
홍길동 <gd@hanbit.example>
v1.2, 2026-03-02
:env: 운영

[[intro]]
== 개요

{product}의 *한도* 설정은 _{env}_ 환경에서 `limit.yml` 로 합니다. link:https://intra.example/a[양식]을 쓰세요. +
둘째 줄입니다.footnote:[각주의 글]

NOTE: 변경은 승인 뒤에 합니다.

[WARNING]
====
되돌릴 수 없습니다.

두 번째 문단.
====

.설정 절차
. 파일을 연다.
.. 백업한다.
.. 잠근다.
. 저장한다.
+
이어지는 문단.

* 글머리
** 안쪽

여신:: 돈을 빌려 주는 일

.등급별 한도
[%header,cols="1,2,1"]
|===
|등급 |한도 |비고

|A |10억 2+|없음
.2+|B
|5억 |심사
|3억 |특례
|===

[source,python]
----
def f():
    return "|==="
----

image::images/org.png[조직도, width=200]

include::secret.adoc[]

////
숨은 블록
////

뒷글

----
열린 채 끝나는 블록
"""


def test_asciidoc(tmp_path):
    path = tmp_path / "a.adoc"
    path.write_text(ADOC)
    document = parse(path)
    lines = ADOC.split("\n")
    assert document.title == "운영 안내서"
    assert document.metadata.author == "홍길동"
    assert document.metadata.modified_at == "2026-03-02"
    assert dict(document.metadata.attributes) == {"version": "1.2"}
    assert document.warnings == ("includes_not_followed",)
    assert outline(document) == [(1, "운영 안내서"), (2, "개요")]
    found = {element.text: element for element in document.elements}
    paragraph = (
        "한빛 게이트웨이의 한도 설정은 운영 환경에서 limit.yml 로 합니다. 양식을 쓰세요.\n둘째 줄입니다. (각주의 글)"
    )
    assert found[paragraph].line_anchors == (LineAnchor(11, 11), LineAnchor(12, 12))
    assert "NOTE: 변경은 승인 뒤에 합니다." in found
    assert "WARNING: 되돌릴 수 없습니다." in found
    assert "두 번째 문단." in found
    for item in (
        "1. 파일을 연다.",
        "1. 백업한다.",
        "2. 잠근다.",
        "2. 저장한다.",
        "글머리",
        "안쪽",
        "여신: 돈을 빌려 주는 일",
    ):
        assert found[item].kind is ElementKind.LIST_ITEM, item
    table = next(element for element in document.elements if element.kind is ElementKind.TABLE)
    assert table.text.split("\n") == [
        "| 등급 | 한도 | 비고 |",
        "| --- | --- | --- |",
        "| A | 10억 | 없음 |",
        "| B | 5억 | 심사 |",
        "| B | 3억 | 특례 |",
    ]
    assert lines[table.line_anchors[2].first - 1].startswith("|A")
    code = found['def f():\n    return "|==="']
    assert lines[code.anchor.first - 1 : code.anchor.last] == code.text.split("\n")
    assert "조직도" in found
    everything = "\n".join(found)
    assert "숨은 블록" not in everything and "보이지 않는 메모" not in everything and "cols" not in everything
    assert "뒷글" in everything and "열린 채 끝나는 블록" in everything


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("제목\n====\n\n둘째 제목\n---------\n\n글", [(1, "제목"), (2, "둘째 제목")]),
        ("== 하나\n\n=== 둘\n", [(2, "하나"), (3, "둘")]),
        ("# 하나\n\n## 둘 ##\n", [(1, "하나"), (2, "둘")]),
    ],
)
def test_asciidoc_headings(tmp_path, source, expected):
    path = tmp_path / "a.asciidoc"
    path.write_text(source)
    assert outline(parse(path)) == expected


@pytest.mark.parametrize(
    ("source", "row"),
    [
        ("|===\n|a |b\n\n2+|넓은 칸\n|===", "| 넓은 칸 |  |"),
        ("|===\n^h| 코드 ^h| 이름\n| s | 강함\n|===", "| s | 강함 |"),
        ('[cols="2*"]\n|===\n|a\n|b\n|c\n|여러\n줄\n|===', "| c | 여러 줄 |"),
        (',===\na,b\n"c,d",e\n,===', "| c,d | e |"),
        ("[format=dsv]\n|===\na:b\nc:d\n|===", "| c | d |"),
        ("|===\n|a|b|\n|c|d|\n|===", "| c | d |"),
        ("|===\n|a |b\n3*|셋\n|d\n|===", "| 셋 | d |"),
        ("|===\n|a |b\na|* 목록 | c \\| d\n|===", "| * 목록 | c \\| d |"),
    ],
)
def test_asciidoc_tables(tmp_path, source, row):
    path = tmp_path / "a.adoc"
    path.write_text(source)
    (table,) = parse(path).elements
    assert row in table.text.split("\n")


RST = """\
=========
운영 안내
=========

:Author: 홍길동
:Date: 2026-03-02
:Version: 1.2

첫 *문단*\\ 은
``두 줄`` 이다. :ref:`한도 설정 <limit>` 참조 [1]_

한도
====

1. 하나
2. 둘

   - 안쪽

.. note:: 승인 뒤에 합니다.

.. versionadded:: 2.0
   새 기능입니다.

.. code-block:: python
   :linenos:

   def f():
       return 1

.. list-table:: 등급표
   :header-rows: 1

   * - 등급
     - 한도
   * - A
     - 10억

+------+-----------+
| 등급 | 한도      |
+======+=====+=====+
| B    | 5억 | 3억 |
+------+-----+-----+

.. include:: /etc/passwd

.. raw:: html

   <script>alert(1)</script>

.. comment 보이지 않음

용어
   뜻풀이

.. [1] 각주의 글
"""


def test_rst(tmp_path):
    path = tmp_path / "a.rst"
    path.write_text(RST)
    document = parse(path)
    lines = RST.split("\n")
    assert document.title == "운영 안내"
    assert (document.metadata.author, document.metadata.created_at + document.metadata.modified_at) == (
        "홍길동",
        "2026-03-02",
    )
    assert dict(document.metadata.attributes) == {"version": "1.2"}
    assert document.warnings == ("includes_not_followed",)
    assert outline(document) == [(1, "운영 안내"), (2, "한도")]
    assert [lines[e.anchor.first - 1] for e in document.elements if e.kind is ElementKind.HEADING] == [
        "운영 안내",
        "한도",
    ]
    found = {element.text: element for element in document.elements}
    paragraph = found["첫 문단은\n두 줄 이다. 한도 설정 참조 [1]"]
    assert paragraph.line_anchors == (LineAnchor(9, 9), LineAnchor(10, 10))
    assert found["1. 하나"].kind is found["안쪽"].kind is ElementKind.LIST_ITEM
    assert "NOTE: 승인 뒤에 합니다." in found
    assert "2.0\n새 기능입니다." in found
    code = found["def f():\n    return 1"]
    assert code.kind is ElementKind.CODE
    assert lines[code.anchor.first - 1].strip() == "def f():"
    assert "| 등급 | 한도 |\n| --- | --- |\n| A | 10억 |" in found
    assert "| B | 5억 | 3억 |" in "\n".join(found)
    assert "용어" in found and "뜻풀이" in found and "각주의 글" in found
    everything = "\n".join(found)
    assert "root:" not in everything and "alert" not in everything and "보이지 않음" not in everything


@pytest.mark.parametrize("name", ["a.rst", "a.adoc"])
@pytest.mark.parametrize(
    "source",
    [
        "*" * 20_000,
        "`" * 9_999 + "a",
        "[" * 10_000,
        "((" * 8_000,
        ("a_" * 9_000),
        "|===\n" + "|a" * 30_000,
        "{a}" * 5_000,
        "\\" * 20_000,
        "<<" * 8_000 + ">",
    ],
    ids=lambda source: source[:4],
)
def test_marks_without_end_take_no_time(tmp_path, name, source):
    path = tmp_path / name
    path.write_text(f"글\n\n{source}\n")
    begin = time.process_time()
    parse(path)
    assert time.process_time() - begin < 20


def test_attributes_that_name_each_other_stay_small(tmp_path):
    path = tmp_path / "a.adoc"
    bomb = ":a0: lol\n" + "".join(f":a{n}: {f'{{a{n - 1}}}' * 10}\n" for n in range(1, 12))
    path.write_text(f"= 제목\n{bomb}\n글 {{a11}}\n")
    assert sum(map(len, texts(parse(path)))) < 5_000
