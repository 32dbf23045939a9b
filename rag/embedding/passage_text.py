"""What embedders see of a chunk: more than what is quoted of it."""

from __future__ import annotations

from rag.domain.document import Chunk
from rag.domain.language import Language
from rag.text.code import code_summary


def passage_text(chunk: Chunk) -> str:
    """Heading path and text; above code also its language and the names that it defines, as words.

    Questions about code are written in words: the line is worth 4 points of nDCG@10 to the lexical leg on
    `code_cosqa_dev` (.342 to .384).
    """
    if chunk.language is not Language.CODE or not chunk.heading_path:
        return chunk.search_text
    suffix = chunk.heading_path[0].rpartition(".")[2].lower()
    summary = code_summary(chunk.text, suffix)
    return "\n".join(part for part in (*chunk.heading_path, summary, chunk.text) if part)
