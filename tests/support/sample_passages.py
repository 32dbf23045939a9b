"""The bundled samples as passages, parsed and cut as a service does it, without a service."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from uuid import uuid5

from ingest.chunking.structure import StructureChunker
from ingest.parsing import media_types
from ingest.parsing.base import SourceFile
from ingest.parsing.markdown import MarkdownParser
from ingest.parsing.xlsx import XlsxParser
from rag.domain.document import NAMESPACE
from rag.domain.language import CollectionKind
from rag.domain.passage import Passage, Source
from tests.unit.chunking.documents import Limit

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/samples/employment-rules.md"
SECURITY = ROOT / "docs/samples/security-policy.md"
GATEWAY = ROOT / "ingest/samples/hanbit-gateway-manual.md"
LIMITS = ROOT / "ingest/samples/거래한도표.xlsx"
_WORDS = 160
"""Of a passage, about as many as the embedded model's 256 tokens hold."""


@lru_cache
def passages_of(path: Path) -> tuple[Passage, ...]:
    """The passages of one sample, in its order."""
    document = uuid5(NAMESPACE, path.name)
    spreadsheet = path.suffix == ".xlsx"
    parser = XlsxParser() if spreadsheet else MarkdownParser()
    media_type = media_types.XLSX if spreadsheet else media_types.MARKDOWN
    parsed = parser.parse(path, SourceFile(path.name, media_type, "" if spreadsheet else "utf-8"))
    source = Source(
        document_id=document,
        version_id=uuid5(document, "1"),
        version_number=1,
        collection_id=NAMESPACE,
        collection_name="samples",
        collection_kind=CollectionKind.DOCUMENTS,
        source_key=path.name,
        title=parsed.title or path.stem,
        media_type=media_type,
    )
    chunks = StructureChunker(Limit(_WORDS)).chunk(parsed, source.version_id, path.name)
    return tuple(Passage(rank, 1.0 / rank, chunk, source) for rank, chunk in enumerate(chunks, start=1))


def passage_with(path: Path, words: str) -> Passage:
    """The first passage of a sample that holds `words`."""
    return next(passage for passage in passages_of(path) if words in passage.chunk.text)
