"""From a parse result to what goes on record of it: chunks, what stands in them, whether they speak to a model. A long one is cut
in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ingest.chunking.base import Chunker
from ingest.parsing.wire import decode_document, decode_head
from ingest.pipeline.code_cutting import Screening
from ingest.pipeline.discretion import discreet
from ingest.pipeline.long_document import LongDocument
from ingest.pipeline.long_sandbox import LONG_BYTES, LongSandbox
from ingest.pipeline.privacy import Examined, examine, look_at
from ingest.pipeline.suspicion import suspicion
from rag.access.personal_data.scanning import detector_of, scan
from rag.domain.code import CodeOutline
from rag.domain.document import Chunk, ParsedDocument, recipe_of
from rag.domain.findings import ChunkFindings
from rag.store.session import Database
from rag.store.version import DocumentVersion, Priority
from rag.text.injection import InjectionScore


@dataclass(frozen=True, slots=True)
class Cut:
    """What was made of one parse result.

    Attributes:
        parsed: its title and metadata are wanted, its elements are not.
        count: chunks.
        chunks: in document order, to be gone through once; of a long document they are read while that is done, and may raise
            `WireError`.
    """

    parsed: ParsedDocument
    count: int
    chunks: Iterable[Chunk]
    examined: Examined
    outline: CodeOutline | None
    suspect: InjectionScore


@dataclass(frozen=True, slots=True)
class Cutting:
    """Cuts the parse results of a collection's documents.

    Attributes:
        apart: cuts the long ones; None: they are cut here too.
    """

    database: Database
    chunker: Chunker
    apart: LongSandbox | None = None

    def cut(
        self,
        payload: bytes,
        version: DocumentVersion,
        source_key: str,
        pause: Callable[[], None],
        told: Callable[[], None],
    ) -> Cut:
        """Cut a parse result, as `encode_document` writes it.

        Args:
            pause: called between two pieces of work of this process; what it raises ends the work.
            told: called once a second while another process works; the same.

        Raises:
            ParseLimitExceeded, ParserCrashed: a process of its own takes more than its share, or dies.
        """
        if self.apart is not None and len(payload) >= LONG_BYTES:
            cut = self._cut_apart(self.apart, payload, version, source_key, told)
            if cut is not None:
                return cut
        return self._cut_here(payload, version, source_key, pause)

    def _cut_here(self, payload: bytes, version: DocumentVersion, source_key: str, pause: Callable[[], None]) -> Cut:
        parsed = decode_document(payload)
        chunks = self.chunker.chunk(parsed, version.id, source_key, pause)
        pause()
        examined = examine(self.database, version, chunks, read_anew=True)
        pause()
        chunks, outline = discreet(chunks, examined.found, examined.record, parsed.outline)
        return Cut(parsed, len(chunks), chunks, examined, outline, suspicion(parsed, source_key))

    def _cut_apart(
        self, apart: LongSandbox, payload: bytes, version: DocumentVersion, source_key: str, told: Callable[[], None]
    ) -> Cut | None:
        """None where it has to be cut here: source code whose syntax was read, as its outline is here already."""
        parsed = decode_head(payload, checked=False)
        if parsed.outline is not None:
            return None
        look = look_at(self.database, version)
        long = LongDocument(version.filename, source_key, payload)
        urgent = version.priority == Priority.INTERACTIVE
        made = apart.cut(long, Screening(look.policy, look.kind), urgent=urgent, told=told)
        if made is None:
            return None
        recipe = recipe_of(parsed.parser, self.chunker.name)
        found: Sequence[ChunkFindings] = made.found
        now = look_at(self.database, version)  # whoever released it, or changed the policy, did not wait for this
        if (now.policy, now.kind) != (look.policy, look.kind):
            found = scan(detector_of(now.policy, now.kind), list(made.chunks(version.id, recipe)))
        examined = now.judged(found, read_anew=True)
        return Cut(parsed, made.count, made.chunks(version.id, recipe), examined, None, made.suspect)
