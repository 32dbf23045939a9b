"""Whether a document seems to speak to a model: the score of its texts, with what was hidden in the file."""

from __future__ import annotations

from ingest.parsing.hidden_text import HIDDEN_TEXT
from ingest.parsing.seen import counted
from rag.domain.document import ParsedDocument
from rag.text.injection import InjectionScore, injection_score


def suspicion(parsed: ParsedDocument, source_key: str) -> InjectionScore:
    """The score of what a parser made of the file `source_key`: name, title, what the file says of itself, and all texts."""
    said = (value for _, value in parsed.metadata.attributes)
    texts = (source_key, parsed.title, parsed.metadata.author, *said, *(element.text for element in parsed.elements))
    hidden = any(warning.partition(":")[0] == HIDDEN_TEXT for warning in parsed.warnings)
    return injection_score(filter(None, texts), hidden_text=hidden, unseen=counted(parsed.warnings))
