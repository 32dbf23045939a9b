"""Rows for classifiers (BERT, XLM-RoBERTa, …): the tokenizer's own template says which special tokens stand where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from rag.domain.errors import ConfigurationError


class TemplatePrompt:
    """A `PairPrompt` read off a fast tokenizer, by looking at how it puts a pair together."""

    def __init__(self, serialised: str) -> None:
        """Take a tokenizer of its own: transformers' wrapper changes a shared one at every call, which is not thread-safe.

        Args:
            serialised: the tokenizer's own JSON (`tokenizer.json`).

        Raises:
            ConfigurationError: it has no template for pairs.
        """
        self._tokenizer = _plain(serialised)
        pair = self._tokenizer.encode("a", "b")
        first = [i for i, part in enumerate(pair.sequence_ids) if part == 0]
        second = [i for i, part in enumerate(pair.sequence_ids) if part == 1]
        if not first or not second or first[-1] > second[0]:
            raise ConfigurationError(
                detail="the reranker's tokenizer can't put a question and a passage together",
                detail_ko="재순위화 모델의 토크나이저로 질문과 문단을 함께 넣을 수 없습니다",
            )
        self._before = pair.ids[: first[0]]
        self._between = pair.ids[first[-1] + 1 : second[0]]
        self._tail = pair.ids[second[-1] + 1 :]
        self._typed = any(pair.type_ids)

    @property
    def tail(self) -> list[int]:
        """See `PairPrompt`."""
        return self._tail

    def head(self, query: str, limit: int) -> list[int]:
        """See `PairPrompt`."""
        ids = self._tokenizer.encode(query, add_special_tokens=False).ids[:limit]
        return [*self._before, *ids, *self._between]

    def passages(self, texts: Sequence[str]) -> list[list[int]]:
        """See `PairPrompt`."""
        return [one.ids for one in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def types(self, head: int, rest: int) -> list[int]:
        """See `PairPrompt`."""
        return [0] * head + [1] * rest if self._typed else []


class ChatPrompt:
    """A `PairPrompt` of the Qwen3-Reranker kind: a chat that asks for yes or no (format: the model's card)."""

    _BEFORE = (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. "
        'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    )
    _AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    DEFAULT_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

    def __init__(self, serialised: str, instruction: str) -> None:
        """Take a tokenizer of its own; `instruction` is the task, empty for the card's default."""
        self._tokenizer = _plain(serialised)
        self._instruction = instruction or self.DEFAULT_INSTRUCTION
        self._before = self._ids(self._BEFORE)
        self._tail = self._ids(self._AFTER)

    @property
    def tail(self) -> list[int]:
        """See `PairPrompt`."""
        return self._tail

    def head(self, query: str, limit: int) -> list[int]:
        """See `PairPrompt`."""
        found = self._tokenizer.encode(query, add_special_tokens=False)
        if len(found.ids) > limit:
            query = query[: found.offsets[limit - 1][1]]
        return self._before + self._ids(self._asked(self._instruction, query))

    @staticmethod
    def _asked(instruction: str, query: str) -> str:
        # The space after the last colon belongs to the passage's first token, as it does where all is tokenised at once.
        return f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>:"

    @classmethod
    def around(cls, instruction: str) -> str:
        """All that is put around a question and a passage, for whoever has to leave room for it without the tokenizer."""
        return cls._BEFORE + cls._asked(instruction or cls.DEFAULT_INSTRUCTION, "") + cls._AFTER

    def passages(self, texts: Sequence[str]) -> list[list[int]]:
        """See `PairPrompt`."""
        spaced = [f" {text}" for text in texts]
        return [one.ids for one in self._tokenizer.encode_batch_fast(spaced, add_special_tokens=False)]

    def types(self, head: int, rest: int) -> list[int]:
        """See `PairPrompt`."""
        return []

    def token(self, word: str) -> int:
        """Id of a word that is one token.

        Raises:
            ConfigurationError: the tokenizer does not have it.
        """
        found = self._tokenizer.token_to_id(word)
        if found is None:
            raise ConfigurationError(
                detail=f"the reranker's tokenizer has no token {word!r}",
                detail_ko=f"재순위화 모델의 토크나이저에 토큰 {word!r}이(가) 없습니다",
            )
        return int(found)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def serialised_tokenizer(folder: Path) -> str:
    """The text of `tokenizer.json`.

    Raises:
        ConfigurationError: the folder has none.
    """
    try:
        return (folder / "tokenizer.json").read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            detail=f"the model in {folder} has no fast tokenizer (tokenizer.json)",
            detail_ko=f"{folder}의 모델에 빠른 토크나이저(tokenizer.json)가 없습니다",
        ) from error


def _plain(serialised: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(serialised)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
