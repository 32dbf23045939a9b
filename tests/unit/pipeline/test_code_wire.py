"""What a child of the code lane answers comes through unchanged, and nothing of it is believed."""

from __future__ import annotations

import json
from array import array
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from ingest.parsing.wire import WireError
from ingest.pipeline.code_batch import BatchFile, read_batch, written_batch
from ingest.pipeline.code_cutting import NOBODY, CutFile, CutRules, Cutter, Screening
from ingest.pipeline.code_wire import decode_cut, encode_cut, packed, unpacked
from rag.domain.language import CollectionKind
from rag.domain.personal_data import PrivacyPolicy

SOURCE = b'''"""\xec\x8a\xb9\xec\x9d\xb8"""
import os

API_TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB"


class Gate:
    def open(self, amount: int) -> bool:
        return amount < 10
'''
SCREENING = Screening(PrivacyPolicy(), CollectionKind.CODE)


@pytest.fixture(scope="module")
def cut() -> CutFile:
    return Cutter(CutRules()).cut(SOURCE, "payments/gate.py", SCREENING)


def test_a_file_that_was_cut_comes_through(cut: CutFile) -> None:
    found = decode_cut(json.loads(encode_cut(cut)))

    assert found.chunks == tuple(chunk.identified(NOBODY) for chunk in cut.chunks)
    assert (found.outline, found.found, found.suspect) == (cut.outline, cut.found, cut.suspect)
    assert found.record.counts == {"token": 1}
    for ours, theirs in zip(found.sparse, cut.sparse, strict=True):
        assert (ours is None) == (theirs is None)  # Korean is left to the service
        if ours is not None and theirs is not None:
            assert ours.indices == theirs.indices and ours.values == pytest.approx(theirs.values)


def _weight(value: float) -> list[str]:
    return [b64encode(array(kind, [number]).tobytes()).decode() for kind, number in (("I", 7), ("f", value))]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("chunks"),
        lambda data: data.update(sparse=[]),
        lambda data: data["chunks"][0][8].update(imports=["os", "a\0"]),
        lambda data: data["chunks"][0][8].update(imports=["\ud800"]),
        lambda data: data["chunks"][-1][8].update(symbol=7),
        lambda data: data.update(sparse=[_weight(float("nan")) for _ in data["chunks"]]),
        lambda data: data.update(sparse=[_weight(-1.0) for _ in data["chunks"]]),
        lambda data: data.update(found=[[[-1, 0, 10**6, "token"]] for _ in data["chunks"]]),
        lambda data: data.update(found=[[[9, 0, 1, "token"]] for _ in data["chunks"]]),
        lambda data: data["chunks"][0].__setitem__(0, "a\0b"),
        lambda data: data["chunks"][0].__setitem__(0, "\ud800"),
        lambda data: data["chunks"][0].__setitem__(2, -1),
        lambda data: data["chunks"][0].__setitem__(6, "poem"),
        lambda data: data.update(suspect=["high", []]),
        lambda data: data.update(record=[{"token": "many"}, []]),
    ],
)
def test_what_is_no_answer_is_refused(cut: CutFile, spoil: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(encode_cut(cut))
    spoil(data)

    with pytest.raises(WireError):
        decode_cut(data)


def test_answers_are_read_as_far_as_they_are_whole() -> None:
    data = bytearray(packed(b"one") + packed(b"two") + packed(b"three")[:-1])

    assert [bytes(item) for item in unpacked(data)] == [b"one", b"two"]


def test_a_batch_is_read_as_it_was_written() -> None:
    files = [
        BatchFile("payments/gate.py", SOURCE),
        BatchFile("payments/빈.py", b""),
        BatchFile("b.bin", bytes(range(256))),
    ]

    with written_batch(SCREENING, files) as descriptor:
        assert read_batch(descriptor) == (SCREENING, files)
