"""Files inside files become documents: attachments of a mail, members of an archive.

A child is a document of the same collection with an identity of its own (`parent!/member`), versions, a pipeline and a state.
Safe to repeat at any point: ids come from names and contents, and rows are written before originals, so that an original
without a row can't be left behind. Until its original is stored a child waits under the name of a job that does not exist;
should the process die in between, the dispatcher releases it as it does with any lost job.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlalchemy.orm import Session

from ingest.parsing.members import LeftOut
from ingest.pipeline.fault_points import reached
from ingest.pipeline.records import INTERACTIVE_FILES, Accepted, accept_child, clean_source_key
from rag.blobs.store import BlobRef, BlobStore
from rag.domain.document import ChildFile, ParsedDocument
from rag.domain.errors import InvalidRequest, ParseLimitExceeded, ParserCrashed
from rag.store import family, lifecycle, queue
from rag.store.document import Document
from rag.store.session import Database
from rag.store.version import DocumentVersion, Priority, VersionState

_KEPT_CHARACTERS = 80
"""Of a name that is too long for a key."""

_RATIO_MATTERS_BYTES = 64 << 20
"""Below this no family of documents is a bomb, however small its root."""


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """How far files inside files are followed; all but `depth` and `batch` hold for an upload with everything below it.

    Attributes:
        depth: levels below what was uploaded; a mail in a ZIP is level 1, its attachment level 2.
        documents: files in all.
        size: bytes in all, unpacked.
        ratio: bytes in all as a multiple of the upload, where they are more than 64 MiB.
        batch: children that are recorded together.
    """

    depth: int = 3
    documents: int = 10_000
    size: int = 2 << 30
    ratio: int = 200
    batch: int = 32


class Expansion:
    """Makes documents of what the parser found inside one version.

    Args:
        more: parses the same file again, for its children from a number on; the output cap allows no more at a time.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        limits: ChildLimits,
        version: DocumentVersion,
        more: Callable[[int], ParsedDocument],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._limits = limits
        self._version = version
        self._more = more
        self._keys: set[str] = set()
        self._taken = family.Usage(0, 0)
        self._in_family = 0
        self._left = LeftOut()
        self._batches = 0

    def run(self, parsed: ParsedDocument) -> list[str]:
        """Record the children of `parsed`, which is the first result for the file; returns all warnings.

        Raises:
            ParseLimitExceeded: the file lies too deep, and has nothing but children.
            StoreUnavailable: the database can't be reached.
        """
        if not parsed.children and not parsed.next_child:
            return list(parsed.warnings)
        warnings = dict.fromkeys(parsed.warnings)
        if self._depth() >= self._limits.depth:
            if not parsed.elements:
                raise ParseLimitExceeded(name=self._version.filename, resource="nesting depth")
            return [*warnings, "children_too_deep"]
        while True:
            for start in range(0, len(parsed.children), self._limits.batch):
                if not self._take(parsed.children[start : start + self._limits.batch]):
                    return list(warnings)
            if not parsed.next_child:
                return [*warnings, *self._left.warnings()]
            first, parsed = parsed.next_child, self._more(parsed.next_child)
            warnings |= dict.fromkeys(parsed.warnings)
            if 0 < parsed.next_child <= first:
                raise ParserCrashed(name=self._version.filename)

    def _depth(self) -> int:
        with self._database.read() as session:
            return len(family.above(session, session.get_one(Document, self._version.document_id)))

    def _take(self, files: Sequence[ChildFile]) -> bool:
        """Rows of one batch in one transaction, then the originals; False when the parent is gone or overtaken meanwhile."""
        held = f"{queue.HELD}{self._version.id}-{self._batches}"
        self._batches += 1
        kept: list[tuple[ChildFile, BlobRef]] = []
        with self._database.write() as session:
            parent = self._lock(session)
            if parent is None:
                return False
            for file in self._within_limits(session, parent, files):
                blob = BlobRef(hashlib.sha256(file.content).hexdigest(), len(file.content))
                if self._record(session, parent, file, blob, held):
                    kept.append((file, blob))
            reached("children.rows_written", self._version.id)
        reached("children.rows_committed", self._version.id)
        for file, blob in kept:
            self._store(file, blob)
        reached("children.stored", self._version.id)
        with self._database.write() as session:
            queue.release(session, held)
        reached("children.released", self._version.id)
        return True

    def _lock(self, session: Session) -> Document | None:
        """The parent, locked against deletion, after all that it lies in, from the top; None when one of them is deleted,
        when its version no longer runs, or when a newer one was faster: that one's files are not to become older."""
        parent = session.get_one(Document, self._version.document_id)
        family_line = [*reversed(family.above(session, parent)), parent]
        for document in family_line:
            session.refresh(document, with_for_update=True)
        if any(document.deleted_at is not None for document in family_line):
            return None
        version = session.get_one(DocumentVersion, self._version.id, with_for_update=True)
        if version.state != VersionState.RUNNING or family.is_overtaken(session, version):
            return None
        return parent

    def _within_limits(self, session: Session, parent: Document, files: Sequence[ChildFile]) -> list[ChildFile]:
        root = (family.above(session, parent) or [parent])[-1]
        others = family.usage(session, root.id, without=parent.id)
        root_size = session.get_one(DocumentVersion, root.latest_version_id).size
        most = min(self._limits.size, max(_RATIO_MATTERS_BYTES, self._limits.ratio * root_size))
        kept = []
        for file in files:
            documents = others.documents + self._taken.documents + 1
            size = others.size + self._taken.size + len(file.content)
            if not file.content:
                self._left.add("child_empty", file.name)
            elif documents > self._limits.documents or size > most:
                self._left.add("child_over_limit", file.name)
            else:
                self._taken = family.Usage(self._taken.documents + 1, self._taken.size + len(file.content))
                self._in_family = documents
                kept.append(file)
        return kept

    def _lane(self) -> Priority:
        """A few files inside come with what was uploaded; more of them must not stand before the next small upload."""
        waited_for = self._version.priority == Priority.INTERACTIVE and self._in_family <= INTERACTIVE_FILES
        return Priority.INTERACTIVE if waited_for else Priority.BULK

    def _record(self, session: Session, parent: Document, file: ChildFile, blob: BlobRef, held: str) -> bool:
        for key in _keys(parent.source_key, file.name):
            if key in self._keys:
                continue
            accepted: Accepted | None = accept_child(session, parent, self._version.id, key, blob, held, self._lane())
            if accepted is not None:
                self._keys.add(key)
                return True
        self._left.add("child_name_taken", file.name)
        return False

    def _store(self, file: ChildFile, blob: BlobRef) -> None:
        """Write the original, unless it is there or its version was deleted meanwhile: the mirror of `drop_original`."""
        with self._database.write() as session:
            lifecycle.lock_contents(session, [blob.content_hash])
            if lifecycle.is_needed(session, blob.content_hash) and not self._blobs.exists(blob.content_hash):
                writer = self._blobs.writer(blob.size)
                writer.write(file.content)
                writer.finish(file.name)


def _keys(parent_key: str, name: str) -> Iterator[str]:
    """Source keys to try for a file inside a document: its name, then with a number, as two members may share one."""
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
    member = _cleaned(name) or f"{digest} {_cleaned(name[-_KEPT_CHARACTERS:])}".strip()
    if not _cleaned(f"{parent_key}{family.CHILD_MARK}{member} (99)"):  # the end of a name says more than its folders
        parent_key, member = parent_key[-_KEPT_CHARACTERS * 4 :], f"{digest} {member[-_KEPT_CHARACTERS:]}"
    stem, dot, extension = member.rpartition(".")
    if not stem or "/" in extension:
        stem, dot, extension = member, "", ""
    numbered = (f"{stem} ({number}){dot}{extension}" for number in range(2, 100))
    for attempt in chain([member], numbered, [f"{stem} {digest}"]):
        yield clean_source_key(f"{parent_key}{family.CHILD_MARK}{attempt}")


def _cleaned(name: str) -> str:
    """The name as a source key; empty when it can be none."""
    try:
        return clean_source_key(name)
    except InvalidRequest:
        return ""
