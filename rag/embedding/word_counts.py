"""Lengths of texts in tokens from the lengths of their words, remembered: program text repeats its words without end.

Exact, since WordPiece (Devlin et al. 2019) cuts a text at white space and around every punctuation mark before it looks for
pieces, and looks at each word by itself. Other tokenizers are asked as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WORDS = re.compile(r"[A-Za-z0-9]+|[!-/:-@\[-`{-~]")
_PLAIN = re.compile(r"[\t\n\r -~]*")
_SPECIAL = re.compile(r"\[[A-Z0-9_ ]{1,20}\]")
"""`[SEP]` in a text is one token, whatever stands around it."""
_MOST_WORDS = 1 << 18


def word_counter(tokenizer: Tokenizer) -> Callable[[Sequence[str]], list[int]]:
    """Texts to their uncut lengths, special tokens included, as `tokenizer` has them. Not thread-safe."""
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def asked(texts: Sequence[str]) -> list[int]:
        return [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(texts))]

    described = json.loads(tokenizer.to_str())
    return _WordCounts(asked, _WordPieces(described)).count if _cuts_at_words(described) else asked


def _cuts_at_words(described: dict[str, Any]) -> bool:
    kinds = [(described.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    added = described.get("added_tokens") or ()
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and all(
        _SPECIAL.fullmatch(token["content"]) for token in added
    )


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


class _WordCounts:
    """Token counts of words that were seen before."""

    def __init__(self, asked: Callable[[Sequence[str]], list[int]], pieces: _WordPieces) -> None:
        self._asked, self._pieces = asked, pieces
        [self._around] = asked([""])
        self._known: dict[str, int] = {}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Lengths of n texts."""
        return [self._of_words(text) if _is_plain(text) else self._asked([text])[0] for text in texts]

    def _of_words(self, text: str) -> int:
        words, known = _WORDS.findall(text), self._known
        try:
            return self._around + sum(map(known.__getitem__, words))
        except KeyError:
            new = [word for word in dict.fromkeys(words) if word not in known]
        if len(known) > _MOST_WORDS:
            known.clear()
            new = list(dict.fromkeys(words))
        known.update((word, self._pieces.of(word)) for word in new)
        return self._around + sum(map(known.__getitem__, words))


def _is_plain(text: str) -> bool:
    return text.isascii() and _PLAIN.fullmatch(text) is not None and _SPECIAL.search(text) is None
