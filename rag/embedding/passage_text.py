"""What each leg sees of a chunk: more than what is quoted of it.

Prose: heading path and text, for both legs. Code: questions about it are written in words, so the names that a piece defines
are put above it, split into words. The lexical leg also gets the file's path and the language; the dense one does not, since a
short model has no room for a path. Measured on `code_cosqa_dev` (nDCG@10): lexical leg .342 -> .383; fused .602 -> .61.
"""

from __future__ import annotations

from rag.domain.document import Chunk
from rag.domain.language import Language
from rag.text.code import LANGUAGE_NAMES, defined_words


def lexical_text(chunk: Chunk) -> str:
    """What the lexical leg indexes."""
    if chunk.language is not Language.CODE or not chunk.heading_path:
        return chunk.search_text
    language = LANGUAGE_NAMES.get(chunk.heading_path[0].rpartition(".")[2].lower(), "")
    return _joined(*chunk.heading_path, f"{language} {defined_words(chunk.text)}".strip(), chunk.text)


def dense_text(chunk: Chunk) -> str:
    """What the dense model reads."""
    if chunk.language is not Language.CODE:
        return chunk.search_text
    return _joined(defined_words(chunk.text), chunk.text)


def _joined(*lines: str) -> str:
    return "\n".join(line for line in lines if line)
