"""Counting words is counting tokens."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from rag.embedding.sentence_transformer import default_minilm_folder
from rag.embedding.word_counts import word_counter

_ROOT = Path(__file__).resolve().parents[3]
_ODD = [
    "",
    "a",
    "x" * 300,
    "[SEP] [MASK]",
    "a\x0bb\x00c",
    "결재 금액 approve()",
    "antidisestablishmentarianism 3f2a" + "9c" * 60 + " " + "a" * 100 + " " + "b" * 101,
    "café __init__ 'it''s' a.b->c::d",
    "\t\n ",
    "한도 limit\n한도를\u3000넘는 Ⅳ é e\u0301 \u0301x ΣΑΣ ß ﬁ 漢字kana 你好\u200bz",
    "a\x1cb\u00a0c\x0cd [sep] [ SEP] 결재[MASK] x",
]


def _tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(default_minilm_folder() / "tokenizer.json"))


def test_counts_are_those_of_the_tokenizer() -> None:
    texts = [path.read_text() for path in sorted((_ROOT / "rag" / "text").glob("*.py"))]
    texts += [
        path.read_text("utf-8", "replace") for path in sorted(Path(sysconfig.get_path("stdlib")).glob("[a-c]*.py"))
    ]
    plain = _tokenizer()
    plain.no_truncation()
    plain.no_padding()
    expected = [len(item.ids) for item in plain.encode_batch([*texts, *_ODD])]

    count = word_counter(_tokenizer())

    assert count([*texts, *_ODD]) == expected
    assert count([*texts, *_ODD]) == expected  # from memory


def test_words_of_other_scripts_are_asked_for_once_for_all_texts() -> None:
    asked: list[list[str]] = []

    class Watched:
        """A tokenizer that notes what it is asked."""

        def __init__(self, inner: Tokenizer) -> None:
            self._inner = inner

        def encode_batch_fast(self, texts: list[str]) -> list[object]:
            asked.append(texts)
            return list(self._inner.encode_batch_fast(texts))

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

    count = word_counter(Watched(_tokenizer()))  # type: ignore[arg-type]
    asked.clear()

    count(["결재 a", "승인 b 결재", "c"])
    assert asked == [["결재", "승인"]]

    asked.clear()
    count(["d[0] = e[I]", "[ERROR] f"])
    assert asked == []  # no token of its own, however much it looks like one


def test_another_tokenizer_is_asked_itself() -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))

    assert word_counter(tokenizer)(["return 1 + 2"]) == [len(tokenizer.encode("return 1 + 2").ids)]
