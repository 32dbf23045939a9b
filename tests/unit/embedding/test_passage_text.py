"""What the legs and a reranker see of code: its names as words, and the head of what a piece is part of."""

from __future__ import annotations

from uuid import UUID

from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext
from rag.domain.document import Chunk, ElementKind
from rag.domain.language import Language
from rag.embedding.passage_text import dense_text, lexical_text, reranked_text

SIGNATURE = "def approve(self, amount: int) -> bool"
DOC = "승인 한도를 본다.\n나머지는 심사로 간다."


def piece(text: str, headings: tuple[str, ...], code: CodeContext | None) -> Chunk:
    return Chunk(
        id=UUID(int=1), ordinal=0, text=text, anchor=LineAnchor(10, 12), heading_path=headings, language=Language.CODE,
        kind=ElementKind.CODE, code=code,
    )  # fmt: skip


def context(**changes: object) -> CodeContext:
    values = {"symbol": "PaymentService.approve", "kind": "method", "signature": SIGNATURE, "doc": DOC}
    return CodeContext("python", **{**values, **changes})  # type: ignore[arg-type]


def test_a_head_that_is_looked_for_up_to_a_blank_has_to_have_it() -> None:
    begins = f"def approve({'a' * 65},"  # what is looked for ends with the blank behind it
    code = context(signature=f"{begins} second_argument)", doc="")
    assert len(begins) == 78 and f"{begins} "[:80] == code.signature[:79]

    glued, spread = (piece(f"{begins}{blank}second_argument)", (), code) for blank in ("x", " \n\t "))
    assert code.signature in dense_text(glued)
    assert code.signature not in dense_text(spread)


def test_a_definition_has_its_names_as_words_and_its_head_once() -> None:
    chunk = piece(f"{SIGNATURE}:\n    '''{DOC}'''", ("pay/service.py",), context(symbols=("PaymentService.approve",)))
    assert dense_text(chunk) == f"payment service approve\n{chunk.text}"
    assert lexical_text(chunk) == f"pay/service.py\npython payment service approve\n{chunk.text}"
    assert reranked_text(chunk) == f"pay/service.py\n{chunk.text}"


def test_a_piece_from_the_middle_says_what_it_is_part_of() -> None:
    chunk = piece("    return amount < self.limit", ("pay/service.py", SIGNATURE), context())
    assert dense_text(chunk) == f"payment service approve\n{SIGNATURE}\n승인 한도를 본다.\n{chunk.text}"
    assert lexical_text(chunk).split("\n") == [
        "pay/service.py", SIGNATURE, "python payment service approve", "승인 한도를 본다.", chunk.text,
    ]  # fmt: skip
    assert reranked_text(chunk).split("\n") == ["pay/service.py", SIGNATURE, "승인 한도를 본다.", chunk.text]


def test_what_nobody_outlined_is_read_by_pattern_as_before() -> None:
    chunk = piece("def write_off(x):\n    pass", ("pay/loss.py",), None)
    assert dense_text(chunk) == f"write off\n{chunk.text}"
    assert reranked_text(chunk) == chunk.search_text
    without = piece("limit = 3", ("pay/limits.py",), CodeContext("python"))
    assert dense_text(without) == "limit = 3"


def test_hidden_prose_stays_hidden_and_many_names_stay_few_words() -> None:
    shown = piece("    return 1", ("a.py",), context().without_prose())
    assert "심사" not in lexical_text(shown) + dense_text(shown) + reranked_text(shown)
    assert "한도" not in lexical_text(shown)
    names = tuple(f"VeryLongClassNameNumber{i}.withSomeMethodName{i}" for i in range(50))
    many = piece("x = 1", ("a.py",), context(symbol="", signature="", doc="", symbols=names))
    assert len(dense_text(many).split("\n")[0].split()) <= 16
