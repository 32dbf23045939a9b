"""Lengths of texts in tokens from the lengths of their words, remembered: program text repeats its words without end.

Exact, since WordPiece (Devlin et al. 2019) cuts a text at white space and around every punctuation mark before it looks for
pieces, and looks at each word by itself. Other tokenizers are asked as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from rag.text.plain import is_plain

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WORDS = re.compile(r"[A-Za-z0-9]+|[!-/:-@\[-`{-~]")
_FIELDS = re.compile(r"[^\t\n\r ]+")
"""What white space is around; other white space is left to the tokenizer."""
_SPECIAL = re.compile(r"\[[A-Z0-9_ ]{1,20}\]")
"""`[SEP]` in a text is one token, whatever stands around it, where the tokenizer has such a token: `[0]` is three."""
_MOST_WORDS = 1 << 18


def word_counter(tokenizer: Tokenizer) -> Callable[[Sequence[str]], list[int]]:
    """Texts to their uncut lengths, special tokens included, as `tokenizer` has them. Not thread-safe."""
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def asked(texts: Sequence[str]) -> list[int]:
        return [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(texts))]

    described = json.loads(tokenizer.to_str())
    if not _cuts_at_words(described):
        return asked
    return _WordCounts(asked, _WordPieces(described), _special_of(described)).count


def _cuts_at_words(described: dict[str, Any]) -> bool:
    kinds = [(described.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    added = described.get("added_tokens") or ()
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and all(
        _SPECIAL.fullmatch(token["content"]) for token in added
    )


def _special_of(described: dict[str, Any]) -> re.Pattern[str]:
    """What finds the tokenizer's own special tokens, or more: one sought in normalised text may be written otherwise."""
    tokens = described.get("added_tokens") or ()
    if not tokens or any(token.get("normalized", True) for token in tokens):
        return _SPECIAL
    return re.compile("|".join(re.escape(token["content"]) for token in tokens))


class _WordPieces:
    """How many pieces a word of ASCII letters and digits, or a mark, has: the longest that is known, again and again. The
    tokenizer says the same and takes ten times as long to be asked for a few words."""

    def __init__(self, described: dict[str, Any]) -> None:
        model = described["model"]
        self._lowers = bool(described["normalizer"]["lowercase"])
        self._most = int(model["max_input_chars_per_word"])
        mark = model["continuing_subword_prefix"]
        self._first = frozenset(model["vocab"])
        self._next = frozenset(piece[len(mark) :] for piece in model["vocab"] if piece.startswith(mark))
        self._longest = max(map(len, model["vocab"]))

    def of(self, word: str) -> int:
        """One where it is a whole piece, too long, or can't be put together."""
        if self._lowers:
            word = word.lower()
        if word in self._first or len(word) > self._most:
            return 1
        count, start, known = 0, 0, self._first
        while start < len(word):
            end = min(len(word), start + self._longest)
            while end > start and word[start:end] not in known:
                end -= 1
            if end == start:
                return 1
            count, start, known = count + 1, end, self._next
        return count


def _parted(text: str) -> tuple[str, list[str]]:
    """The plain fields of a text, and the others."""
    plain: list[str] = []
    others: list[str] = []
    for field in _FIELDS.findall(text):
        (plain if is_plain(field) else others).append(field)
    return " ".join(plain), others


class _WordCounts:
    """Token counts of words that were seen before."""

    def __init__(
        self, asked: Callable[[Sequence[str]], list[int]], pieces: _WordPieces, special: re.Pattern[str]
    ) -> None:
        self._asked, self._pieces, self._special = asked, pieces, special
        [self._around] = asked([""])
        self._known: dict[str, int] = {}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Lengths of n texts. Where some words hold other characters, such as Hangul, those alone are asked for, each once, and
        those of all texts together: what is asked for alone takes ten times as long."""
        self._make_room()
        mixed = {text: _parted(text) for text in texts if not is_plain(text)}
        known = self._known
        new = [
            field
            for field in dict.fromkeys(chain.from_iterable(mixed[text][1] for text in mixed))
            if field not in known
        ]
        if new:
            known.update((field, count - self._around) for field, count in zip(new, self._asked(new), strict=True))
        return [self._of_text(text, mixed.get(text)) for text in texts]

    def _of_text(self, text: str, parts: tuple[str, list[str]] | None) -> int:
        if "[" in text and self._special.search(text) is not None:
            return self._asked([text])[0]
        if parts is None:
            return self._of_words(text)
        plain, others = parts
        return sum(map(self._known.__getitem__, others)) + self._of_words(plain)

    def _of_words(self, text: str) -> int:
        words, known = _WORDS.findall(text), self._known
        try:
            return self._around + sum(map(known.__getitem__, words))
        except KeyError:
            pass
        known.update((word, self._pieces.of(word)) for word in dict.fromkeys(words) if word not in known)
        return self._around + sum(map(known.__getitem__, words))

    def _make_room(self) -> None:
        if len(self._known) > _MOST_WORDS:
            self._known.clear()
