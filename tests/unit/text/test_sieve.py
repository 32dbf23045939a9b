from __future__ import annotations

import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.data import FOLDER, unpacked
from rag.text.injection_rules import SAID, is_said, may_be_said
from rag.text.normalize import clean_characters
from rag.text.sieve import sieve_of, widened
from tests.support.attacks import in_korean

_STRETCH = 1500


@pytest.mark.parametrize(
    ("pattern", "wide"),
    [
        (r"\bforget\b[^.!?\n]{0,40}\brules?\b", r"forget[^.!?\n]*rules?"),
        (r"(?:[^.!?\n]|[.!?](?=\S))", r"(?:[^.!?\n]|[.!?])"),
        (r"your answer\b(?! to (?:this|an?)\b) now", "your answer now"),
        (r"[\w`'\".-]{1,60} ?tool", r"[\w\x{80}-\x{10ffff}`'\".-]+ ?tool"),
        (r"a(?!\(\)) \w", r"a [\w\x{80}-\x{10ffff}]"),
        (r"[({]{2,}", r"[({]+"),
    ],
)
def test_a_wider_pattern(pattern: str, wide: str) -> None:
    assert widened(pattern) == wide


def test_words_that_korean_letters_touch_are_let_through() -> None:
    sieve = sieve_of([r"\bai\b", r"도구 \w+", r"x{24}"])
    assert [sieve(text) for text in ("지금ai에게", "ai", "도구 송금", "x" * 24, "도구 ", "x" * 23)] == [True] * 4 + [
        False
    ] * 2


def _texts() -> Iterator[str]:
    libraries = Path(sysconfig.get_path("stdlib"))
    for path in sorted(libraries.glob("[a-h]*.py")):
        yield path.read_text("utf-8", "replace")
    for path in sorted(Path("tests/unit/text").glob("*.py")):  # with orders to models in both languages
        yield path.read_text("utf-8")
    if (FOLDER / "sec_injection.tar.xz").is_file():
        with unpacked("sec_injection") as folder:
            rows = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
        for row in rows:
            yield row["text"]
            yield in_korean(row["text"], row["metadata"]["category"])


def test_nothing_that_a_rule_finds_is_held_back() -> None:
    found = 0
    for text in _texts():
        plain = clean_characters(text).lower()
        for start in range(0, len(plain), _STRETCH):
            stretch = plain[start : start + _STRETCH]
            said = any(is_said(sign, stretch) for sign in SAID)
            found += said
            assert may_be_said(stretch) or not said, stretch
    assert found > 20
