"""Source code cut by its syntax."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking.base import TokenCounter
from ingest.chunking.structure import StructureChunker
from ingest.parsing.code import read_code
from rag.domain.anchor import LineAnchor
from rag.domain.document import Chunk, ElementKind, ParsedDocument
from rag.domain.language import Language
from tests.unit.chunking.documents import Limit, count_characters, count_words

VERSION = UUID(int=7)
PIECES = re.compile(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")


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
