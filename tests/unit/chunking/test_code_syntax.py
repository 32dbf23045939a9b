"""Source code cut by its syntax."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking.base import TokenCounter
from ingest.chunking.code_layout import Layout
from ingest.chunking.structure import StructureChunker
from ingest.parsing.code import read_code
from rag.domain.anchor import LineAnchor
from rag.domain.document import Chunk, ElementKind, ParsedDocument
from rag.domain.language import Language
from tests.unit.chunking.documents import Limit, count_characters, count_words
from tests.unit.parsing.code_samples import SAMPLES, Sample

VERSION = UUID(int=7)
PIECES = re.compile(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")


@given(st.text(st.sampled_from("aZ09_.+ \t\n\r(é가\u00a0\x0b\x1c")))
def test_lines_weigh_what_their_pieces_do(text: str) -> None:
    lines = text.split("\n")
    layout = Layout(lines)
    for number, line in enumerate(lines):
        assert layout.weight(number, number) == len(PIECES.findall(line)) * 1.25


def count_pieces(texts: Sequence[str]) -> list[int]:
    return [len(PIECES.findall(text)) for text in texts]


def chunked(
    source: str, limit: int = 60, name: str = "payments/src/a.py", count: TokenCounter = count_pieces
) -> list[Chunk]:
    return StructureChunker(Limit(limit, count)).chunk(read_code(source.encode(), name), VERSION, name)


def assert_covers(parsed: ParsedDocument, chunks: Sequence[Chunk]) -> None:
    """Every line that is not blank lies in a chunk whose anchor is exact, in order, and nothing lies in two."""
    [element] = parsed.elements
    assert isinstance(element.anchor, LineAnchor)
    lines = dict(enumerate(element.text.split("\n"), start=element.anchor.first))
    seen = ""
    for chunk in chunks:
        assert isinstance(chunk.anchor, LineAnchor)
        first, last = chunk.anchor.first, chunk.anchor.last
        whole = "\n".join(lines[number] for number in range(first, last + 1))
        assert chunk.text == whole or (first == last and chunk.text in whole)
        assert chunk.line_anchors == ()
        assert chunk.anchor_of(0, len(chunk.text)) == chunk.anchor
        seen += chunk.text
    assert "".join(seen.split()) == "".join(element.text.split())


SERVICE = '''"""결제."""
import os
from payments.gateway import Gateway


class PaymentService:
    """승인과 취소."""

    limit = 1000

    def approve(self, amount: int) -> bool:
        """한도 안의 금액을 승인한다."""
        if amount > self.limit:
            return False
        return self.gateway.charge(amount)

    def cancel(self, number: str) -> None:
        self.gateway.refund(number)


def main() -> None:
    print(os.environ)
'''


def test_methods_stand_below_the_signature_of_their_class() -> None:
    chunks = chunked(SERVICE)
    approve = next(chunk for chunk in chunks if "def approve" in chunk.text)
    assert approve.heading_path == ("payments/src/a.py", "class PaymentService")
    assert (approve.language, approve.kind) == (Language.CODE, ElementKind.CODE)
    assert approve.code is not None
    assert (approve.code.symbol, approve.code.kind) == ("PaymentService.approve", "method")
    assert approve.code.signature == "def approve(self, amount: int) -> bool"
    assert approve.code.doc == "한도 안의 금액을 승인한다."
    assert approve.code.imports == ("os", "payments.gateway")
    assert_covers(read_code(SERVICE.encode(), "a.py"), chunks)


def test_a_file_that_fits_is_one_chunk() -> None:
    [chunk] = chunked(SERVICE, limit=400)
    assert chunk.heading_path == ("payments/src/a.py",)
    assert chunk.code is not None
    assert chunk.code.symbols[:3] == ("PaymentService", "PaymentService.limit", "PaymentService.approve")


def test_a_long_function_is_cut_at_its_statements_below_its_own_signature() -> None:
    body = "".join(f"    if order.kind == {n}:\n        total += order.amount * {n}\n" for n in range(40))
    chunks = chunked(f"def settle(order, total):\n{body}    return total\n", limit=80)
    assert len(chunks) > 4
    assert all(chunk.tokens <= 80 for chunk in chunks)
    assert chunks[0].heading_path == ("payments/src/a.py",)
    for chunk in chunks[1:]:
        assert chunk.heading_path[1:] == ("def settle(order, total)",)
        assert chunk.text.startswith(("    if", "    return"))
        assert chunk.code is not None
        assert chunk.code.symbol == "settle"


def test_imports_go_with_the_first_definition_and_short_neighbours_go_together() -> None:
    chunks = chunked("import os\n\n\ndef a():\n    return 1\n\n\ndef b():\n    return 2\n", limit=100)
    assert [chunk.text.count("def ") for chunk in chunks] == [2]


def test_ids_are_the_same_again_and_differ_between_chunks() -> None:
    first, second = chunked(SERVICE), chunked(SERVICE)
    assert [chunk.id for chunk in first] == [chunk.id for chunk in second]
    assert len({chunk.id for chunk in first}) == len(first)


words = st.sampled_from(
    ["def f():", "class A:", "    x = 1", "        return f(1)", "    def g(self):", "", "# 주석", "}", "if x:"]
)


@settings(max_examples=60)
@given(
    st.lists(words, min_size=1, max_size=80),
    st.integers(12, 90),
    st.sampled_from([count_pieces, count_words, count_characters]),
)
def test_every_line_lies_in_one_chunk_with_an_exact_anchor(lines: list[str], limit: int, count: TokenCounter) -> None:
    source = "\n".join([*lines, "end"])
    assert_covers(read_code(source.encode(), "a.py"), chunked(source, limit, "a.py", count))


@pytest.mark.parametrize("limit", [20, 50, 240])
def test_chunks_keep_to_the_limit(limit: int) -> None:
    for chunk in chunked(SERVICE * 3, limit):
        [size] = count_pieces([chunk.search_text])
        assert size <= limit


def test_a_line_over_the_limit_is_cut_and_its_parts_have_its_anchor() -> None:
    source = "var a = 1;\n" + "b(1);" * 200 + "\nvar c = 2;\n"
    chunks = chunked(source, 60, "a.js")
    assert_covers(read_code(source.encode(), "a.js"), chunks)
    parts = [chunk for chunk in chunks if chunk.anchor == LineAnchor(2, 2)]
    assert len(parts) > 10
    assert all(chunk.tokens <= 60 for chunk in parts)


@pytest.mark.parametrize("name", ["page.vue", "list.jsp", "main.scala", "script.pl", "no_suffix"])
def test_languages_without_rules_are_cut_at_lines(name: str) -> None:
    source = "".join(f"object Part{n} {{\n  def go = {n}\n\n  def stop = {n}\n}}\n" for n in range(30))
    chunks = chunked(source, 60, name)
    assert_covers(read_code(source.encode(), name), chunks)
    assert len(chunks) > 5
    assert all(chunk.tokens <= 60 for chunk in chunks)


_BODY = "  {let} fee = amount * {n}\n\n  {let} rest = amount - fee\n\n  {back} rest + {n}\n{end}\n"
FOREIGN = {
    "scala": ("def settle{n}(amount: Int): Int = {{\n", "val", "", "}"),
    "swift": ("func settle{n}(amount: Int) -> Int {{\n", "let", "return", "}"),
    "lua": ("function settle{n}(amount)\n", "local", "return", "end"),
}
"""Head of a function, and words of its body, in languages that only langchain's splitters know."""


@pytest.mark.parametrize("suffix", FOREIGN)
def test_languages_of_langchain_s_splitters_are_cut_before_definitions(suffix: str) -> None:
    """Blank lines inside of the functions are places to cut as well, but worse ones."""
    head, let, back, end = FOREIGN[suffix]
    source = "".join(head.format(n=n) + _BODY.format(n=n, let=let, back=back, end=end) for n in range(30))
    chunks = chunked(source, 50, f"main.{suffix}")
    assert_covers(read_code(source.encode(), f"main.{suffix}"), chunks)
    assert len(chunks) > 10
    word = head.split("{n}")[0]
    assert [chunk.text.lstrip().startswith(word) for chunk in chunks] == [True] * len(chunks)
    anyhow = chunked(source, 50, "main.xyz")
    assert not all(chunk.text.lstrip().startswith(word) for chunk in anyhow), "by blank lines alone they would not"


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
def test_every_sample_is_covered_and_its_definitions_are_named(sample: Sample) -> None:
    document = read_code(sample.source.encode(), sample.name)
    assert document.outline is not None
    chunks = chunked(sample.source, 40, sample.name)
    assert_covers(document, chunks)
    begun = {path for chunk in chunks if chunk.code for path in chunk.code.symbols}
    assert begun == {symbol.path for symbol in document.outline.symbols}


def test_long_signatures_leave_half_of_the_budget_to_the_text() -> None:
    head = "class " + "Long" * 30 + "(" + ", ".join(f"Base{n}" for n in range(30)) + "):\n"
    chunks = chunked(head + "".join(f"    def m{n}(self):\n        return {n} * {n}\n" for n in range(20)), 40)
    for chunk in chunks:
        [above] = count_pieces(["\n".join(chunk.heading_path)])
        assert above <= 20
        assert chunk.heading_path[:1] in ((), ("payments/src/a.py",))


def test_korean_comments_of_cp949_files_are_in_the_chunks() -> None:
    source = "# 한도 안에서 승인한다\ndef approve(amount):\n    return charge(amount)\n"
    [chunk] = StructureChunker(Limit(100, count_pieces)).chunk(
        read_code(source.encode("cp949"), "a.py"), VERSION, "a.py"
    )
    assert chunk.text == source.rstrip("\n")


class Counting:
    """Counts pieces, and how many characters it was asked about."""

    def __init__(self) -> None:
        self.characters = 0

    def __call__(self, texts: Sequence[str]) -> list[int]:
        self.characters += sum(map(len, texts))
        return count_pieces(texts)


def test_the_tokenizer_sees_about_all_characters_once() -> None:
    source = "\n".join(SERVICE.replace("Payment", f"Payment{n}") for n in range(200))
    counter = Counting()
    chunked(source, 120, "a.py", counter)
    assert counter.characters < 1.5 * len(source)
