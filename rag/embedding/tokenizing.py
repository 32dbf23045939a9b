"""Token ids and lengths of texts, from a model's fast tokenizer alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.inference.batches import Padding, TokenIds


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """A fast tokenizer and how its model wants texts cut and padded.

    Attributes:
        serialised: the tokenizer's own JSON (`tokenizer.json`).
        limit: longest text in tokens, special ones included.
        cut: side that a longer text loses, `left` or `right`.
    """

    serialised: str
    limit: int
    cut: str
    padding: Padding

    def functions(self) -> tuple[Callable[[Sequence[str]], list[TokenIds]], Callable[[Sequence[str]], list[int]]]:
        """Texts to token ids cut at `limit`, and texts to uncut lengths: each on a tokenizer of its own.

        transformers' wrapper switches cutting on and off on one shared object at every call, which is not thread-safe.
        """
        from tokenizers import Tokenizer

        cutting, counting = Tokenizer.from_str(self.serialised), Tokenizer.from_str(self.serialised)
        for tokenizer in (cutting, counting):
            tokenizer.no_padding()
            tokenizer.no_truncation()
        cutting.enable_truncation(self.limit, direction=self.cut)

        def tokenize(texts: Sequence[str]) -> list[TokenIds]:
            return [encoding.ids for encoding in cutting.encode_batch_fast(list(texts))]

        def count_tokens(texts: Sequence[str]) -> list[int]:
            return [len(encoding.ids) for encoding in counting.encode_batch_fast(list(texts))]

        return tokenize, count_tokens

    def decoder(self) -> Callable[[Sequence[int]], str | None]:
        """Token ids back to their text; None for ids that this tokenizer would not have given for it.

        Clients that cut texts by tokens often have another model's tokenizer. Its ids are mostly valid here too, and mean
        other words. That they don't come back from their text gives them away, but for a few whole words in a row.
        """
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self.serialised)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        size = tokenizer.get_vocab_size(with_added_tokens=True)
        around = set(tokenizer.encode("").ids)

        def decode(token_ids: Sequence[int]) -> str | None:
            plain = [token for token in token_ids if token not in around]
            if not plain or not all(0 <= token < size for token in plain):
                return None
            text = tokenizer.decode(plain, skip_special_tokens=False)
            return text if tokenizer.encode(text, add_special_tokens=False).ids == plain else None

        return decode
