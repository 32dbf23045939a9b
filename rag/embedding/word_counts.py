"""Lengths of texts in tokens from the lengths of their words, remembered: program text repeats its words without end.

Exact, since WordPiece (Devlin et al. 2019) cuts a text at white space and around every punctuation mark before it looks for
pieces, and looks at each word by itself. Other tokenizers are asked as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

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

    return _WordCounts(asked).count if _cuts_at_words(tokenizer) else asked


def _cuts_at_words(tokenizer: Tokenizer) -> bool:
    described = json.loads(tokenizer.to_str())
    kinds = [(described.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"]


class _WordCounts:
    """Token counts of words that were seen before."""

    def __init__(self, asked: Callable[[Sequence[str]], list[int]]) -> None:
        self._asked = asked
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
        known.update(zip(new, (count - self._around for count in self._asked(new)), strict=True))
        return self._around + sum(map(known.__getitem__, words))


def _is_plain(text: str) -> bool:
    return text.isascii() and _PLAIN.fullmatch(text) is not None and _SPECIAL.search(text) is None
