from __future__ import annotations

import pytest

from rag.domain.document import Chunk
from rag.domain.provision import Path, ProvisionMark, covering_label, path_at, provision_label
from tests.support.passages import make_chunk


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ((), ""),
        (("제24조", "제1항", "제2호", "가목"), "제24조제1항제2호가목"),
        (("제12조의2", "제1항"), "제12조의2제1항"),
        (("부칙", "제1조", "제2항"), "부칙 제1조제2항"),
        (("부칙", "제1항"), "부칙 제1항"),
        (("별표 1", "제2호", "가목"), "별표 1 제2호가목"),
        (("별지 제1호서식", "제2호"), "별지 제1호서식 제2호"),
        (("제2장",), "제2장"),
        (("Article 3",), "Article 3"),
    ],
)
def test_a_provision_is_written_as_statutes_cite_themselves(path: Path, label: str) -> None:
    assert provision_label(path) == label


@pytest.mark.parametrize(
    ("paths", "label"),
    [
        ([], ""),
        ([()], ""),
        ([("제3조",)], "제3조"),
        ([("제3조", "제1항"), ("제3조", "제2항"), ("제3조", "제4항")], "제3조제1항–제4항"),
        ([("제3조", "제1항"), ("제3조", "제1항", "제1호")], "제3조제1항"),
        ([("제3조", "제1항", "제2호"), ("제3조", "제1항", "제5호")], "제3조제1항제2호–제5호"),
        ([("제3조", "제1항", "제2호"), ("제3조", "제2항")], "제3조제1항–제2항"),
        ([("제3조",), ("제3조", "제1호")], "제3조"),
        ([("제3조", "제2항"), ("제4조", "제1항")], "제3조–제4조"),
        ([("제70조",), ("부칙", "제1조")], "제70조–부칙"),
        ([("부칙", "제1조"), ("부칙", "제3조")], "부칙 제1조–제3조"),
        ([("제3조",), (), ("제3조",)], "제3조"),
    ],
)
def test_the_label_of_several_provisions_covers_them(paths: list[Path], label: str) -> None:
    assert covering_label(paths) == label


def marked(*marks: ProvisionMark) -> Chunk:
    chunk = make_chunk("머리말\n① 휴가는 15일이다.\n② 병가는 60일이다.")
    return Chunk(chunk.id, 0, chunk.text, chunk.anchor, provisions=marks)


def test_each_part_of_a_chunk_has_its_own_provision() -> None:
    first, second = ProvisionMark(4, ("제7조", "제1항")), ProvisionMark(17, ("제7조", "제2항"))
    chunk = marked(first, second)
    assert chunk.text[4] == "①" and chunk.text[17] == "②"
    assert (chunk.provision_of(0, 4), chunk.provision_of(4, 17)) == ("", "제7조제1항")
    assert (chunk.provision_of(17, len(chunk.text)), chunk.provision_of(16, 18)) == ("제7조제2항", "제7조제1항–제2항")
    assert chunk.provision == "제7조제1항–제2항"
    assert [path_at((first, second), offset) for offset in (3, 4, 16, 17, 99)] == [
        (), first.path, first.path, second.path, second.path
    ]  # fmt: skip


def test_a_chunk_outside_rules_has_no_provision() -> None:
    chunk = marked()
    assert (chunk.provision, chunk.provision_of(0, 5), chunk.references) == ("", "", ())
