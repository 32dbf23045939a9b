"""What is read of source code: definitions, uses, imports, tests, in every language and encoding."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.parsing.code import read_code
from ingest.parsing.code_comments import plain_comment
from ingest.parsing.code_grammars import parsed
from ingest.parsing.code_languages import language_of
from ingest.parsing.code_outline import CODE_TOO_LARGE
from ingest.parsing.text import CHARSET_WARNING
from ingest.parsing.wire import decode_document, encode_document
from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeOutline
from tests.unit.parsing.code_samples import SAMPLES, Sample

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])


def outline_of(source: str, name: str) -> CodeOutline:
    outline = read_code(source.encode(), name).outline
    assert outline is not None
    return outline


@each_sample
def test_definitions_are_found_with_path_signature_and_documentation(sample: Sample) -> None:
    symbols = outline_of(sample.source, sample.name).symbols
    assert set(sample.symbols) <= {(item.kind.value, item.path) for item in symbols}
    assert set(sample.signatures) <= {(item.path, item.signature) for item in symbols}
    assert set(sample.docs) <= {(item.path, item.doc) for item in symbols}
    assert {item.path for item in symbols if item.test and item.kind.value != "class"} == set(sample.tests)


@each_sample
def test_uses_and_imports_are_found(sample: Sample) -> None:
    outline = outline_of(sample.source, sample.name)
    uses = {(item.role.value, item.qualifier, item.name, item.enclosing) for item in outline.references}
    assert set(sample.uses) <= uses
    assert tuple((item.module, item.names) for item in outline.imports) == sample.imports


@each_sample
def test_lines_of_definitions_and_uses_hold_their_names(sample: Sample) -> None:
    outline = outline_of(sample.source, sample.name)
    lines = sample.source.split("\n")
    for symbol in outline.symbols:
        assert symbol.name.rpartition(".")[2] in "\n".join(lines[symbol.first - 1 : symbol.last])
        assert 1 <= symbol.first <= symbol.last <= len(lines)
    for reference in outline.references:
        assert list(reference.lines) == sorted(set(reference.lines))
        assert all(reference.name in "\n".join(lines[line - 1 : line + 2]) for line in reference.lines)
    assert [item.first for item in outline.symbols] == sorted(item.first for item in outline.symbols)


@each_sample
def test_an_outline_comes_through_the_sandbox_unchanged(sample: Sample) -> None:
    document = read_code(sample.source.encode(), sample.name)
    assert decode_document(encode_document(document)) == document


def test_locals_are_not_symbols_and_comments_behind_code_are_no_documentation() -> None:
    outline = outline_of("x = 1  # 끝\ndef f(a):\n    local = a\n    return local\n", "a.py")
    assert [item.path for item in outline.symbols] == ["x", "f"]
    assert [item.doc for item in outline.symbols] == ["", ""]


def test_a_comment_apart_is_no_documentation() -> None:
    [symbol] = outline_of("# 저작권\n\ndef f(): ...\n", "a.py").symbols
    assert (symbol.doc, symbol.first) == ("", 3)


def test_what_is_broken_is_said_and_the_rest_is_read() -> None:
    outline = outline_of("def f(:\n    pass\n\ndef good():\n    return 1\n", "a.py")
    assert outline.broken
    assert "good" in [item.name for item in outline.symbols]


KOREAN = "# 한도 안에서 승인한다\ndef approve(amount):\n    return charge(amount)  # 결제\n"


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "cp949", "euc-kr", "utf-16", "utf-16-le"])
def test_korean_comments_are_read_in_every_encoding(charset: str) -> None:
    document = read_code(KOREAN.encode(charset), "a.py")
    [element] = document.elements
    assert element.text == KOREAN.rstrip("\n")
    assert document.outline is not None
    assert [item.doc for item in document.outline.symbols] == ["한도 안에서 승인한다"]
    assert document.warnings == ()


def test_bytes_of_no_encoding_keep_the_lines_where_they_are() -> None:
    document = read_code(KOREAN.encode() + b"# \xff\xfe\xff broken\n" + b"def last(): ...\n", "a.py")
    assert CHARSET_WARNING in document.warnings
    assert document.outline is not None
    assert [(item.name, item.first) for item in document.outline.symbols] == [("approve", 1), ("last", 4)]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_of_all_kinds_count_once(end: str) -> None:
    outline = outline_of(f"import os{end}{end}def f():{end}    return 1\n\ndef g(): ...\n", "a.py")
    assert [(item.name, item.first, item.last) for item in outline.symbols] == [("f", 3, 4), ("g", 6, 6)]


def test_form_feeds_and_nuls_do_not_move_lines() -> None:
    document = read_code(b"def f():\n    return 1\n\x0c\ndef g():\n    return '\x00'\n", "a.py")
    assert document.outline is not None
    assert [(item.name, item.first) for item in document.outline.symbols] == [("f", 1), ("g", 4)]
    assert "\0" not in document.elements[0].text
    assert document.elements[0].anchor == LineAnchor(1, 5)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.js", "function f(){\n" * 1000 + "}\n" * 1000),
        ("a.py", "x = " + "(" * 50_000),
        ("a.rs", "fn f() { " * 2000),
        ("a.cpp", "a<b<c<d<" * 2000),
        ("a.html", '<div id="a">' * 2000),
        ("a.json", '{"a":' * 3000),
        ("a.yaml", "- " * 2000 + "\n" + "".join(f"{' ' * n}a:\n" for n in range(300))),
        ("a.sh", "$(" * 2000),
        ("a.kt", "{" * 2000),
    ],
)
def test_deep_nesting_ends_in_an_outline(name: str, source: str) -> None:
    outline = outline_of(source, name)
    assert len(outline.symbols) <= 4000


def test_a_file_that_takes_too_many_steps_is_left_to_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsing.code_grammars._PATIENCE", 5)
    monkeypatch.setattr("ingest.parsing.code_grammars._PATIENCE_PER_KB", 0)
    source = "x = 1\n" * 2000
    assert parsed("python", source.encode()) is None
    document = read_code(source.encode(), "a.py")
    assert document.warnings == (CODE_TOO_LARGE,)
    assert document.outline == CodeOutline("python", broken=True)


def test_a_file_over_the_limit_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsing.code_outline._MAX_BYTES", 100)
    assert read_code(b"x = 1\n" * 50, "a.py").warnings == (CODE_TOO_LARGE,)


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("src/a.py", "", "python"),
        ("bin/run", "#!/usr/bin/env -S python3 -u\n", "python"),
        ("run", "#!/bin/bash\n", "shell"),
        ("a.h", "int f(void);", "c"),
        ("a.h", "namespace a {", "c++"),
        ("Gemfile", "", "ruby"),
        ("deploy/Dockerfile.prod", "", "dockerfile"),
        ("a.vue", "<template>", "vue"),
        ("a.unknown", "x", ""),
        ("LICENSE", "MIT", ""),
    ],
)
def test_the_language_is_told_by_name_and_first_line(name: str, text: str, language: str) -> None:
    assert language_of(name, text) == language


@pytest.mark.parametrize(
    ("comments", "text"),
    [
        (["/** 결제\n * 서비스\n */"], "결제\n 서비스".replace("\n ", "\n")),
        (["// 하나", "// 둘"], "하나\n둘"),
        (["/// <summary>요약</summary>"], "요약"),
        (["# -----", "# 제목", "# -----"], "제목"),
        (["-- 표"], "표"),
        (["<!-- 쪽 -->"], "쪽"),
    ],
)
def test_comments_lose_their_markers(comments: list[str], text: str) -> None:
    assert plain_comment(comments).strip() == text


sources = st.text(alphabet="aA1_ \n\t(){}[]<>:;,.=\"'#/*@$가", max_size=200)
names = st.sampled_from([sample.name for sample in SAMPLES])


@settings(max_examples=150, deadline=None)
@given(sources, names)
def test_no_text_makes_reading_fail(source: str, name: str) -> None:
    text = f"x{source}"
    document = read_code(text.encode(), name)
    [element] = document.elements
    assert document.outline is not None
    count = element.text.count("\n") + 1
    assert isinstance(element.anchor, LineAnchor)
    assert element.anchor.last - element.anchor.first + 1 == count
    for symbol in document.outline.symbols:
        assert 1 <= symbol.first <= symbol.last
    assert decode_document(encode_document(document)) == document
