"""The one place where a reader gets texts of documents: what it may not see is hidden before anybody else has it.

Whoever reads chunks for a principal reads them here (a test looks through the source tree for it), so rerankers, prompts,
citations, previews and exports get what the reader may see, and nothing has to be taken out of them again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from rag.access.personal_data.detector import Detector, detector_for
from rag.access.personal_data.scanning import detector_of, scan_alone, scan_key
from rag.domain.document import Chunk
from rag.domain.errors import NotPermitted, PersonalDataHidden
from rag.domain.filters import Selection
from rag.domain.findings import ChunkFindings, masked
from rag.domain.language import CollectionKind
from rag.domain.passage import LocatedChunk, Passage, Source
from rag.domain.personal_data import PersonalDataRecord, PrivacyPolicy, policy_from_json, record_from_json
from rag.domain.principal import Permit, Principal
from rag.store import chunk as chunks_table
from rag.store import collection as collections_table
from rag.store import family, filtering
from rag.store import version as versions_table
from rag.store.base import in_groups
from rag.store.collection import Collection
from rag.store.document import Document, covered
from rag.store.session import Database
from rag.store.version import DocumentVersion, looked_through
from rag.text.invisible import visible

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _View:
    """What a reader sees of one collection."""

    policy: PrivacyPolicy
    kind: CollectionKind
    raw: bool

    @property
    def key(self) -> str:
        return scan_key(self.policy, self.kind)


def read_masked(session: Session, permit: Permit, chunk_ids: Sequence[UUID]) -> dict[UUID, LocatedChunk]:
    """`rag.store.chunk.read_permitted`, as the permit's principal may see it.

    Left out is what is in a document that its collection's policy blocks and nobody released.
    """
    located = chunks_table.read_permitted(session, permit, chunk_ids)
    return _shown(session, permit, located)


def neighbours_masked(session: Session, permit: Permit, located: LocatedChunk, reach: int) -> list[Chunk]:
    """The chunks around one that `read_masked` gave, itself among them, as the principal may see them."""
    source = located.source
    around = chunks_table.neighbours(session, source.version_id, located.chunk.ordinal, reach)
    shown = _shown(session, permit, {item.id: LocatedChunk(item, source) for item in around})
    return [shown[item.id].chunk for item in around if item.id in shown]


def sources_masked(session: Session, permit: Permit, version_ids: Iterable[UUID]) -> dict[UUID, Source]:
    """Where these versions come from, as far as the permit covers them and nothing in them waits for a release."""
    sources: dict[UUID, Source] = {}
    for group in in_groups(version_ids):
        sources |= chunks_table.permitted_sources(session, permit, group)
    views = _views(session, permit, {item.collection_id for item in sources.values()})
    hiding = [key for key, item in sources.items() if views[item.collection_id].policy.hides_any]
    records = looked_through(session, hiding)
    for key in hiding:
        view, record = views[sources[key].collection_id], records.get(key, (None, None))[0]
        if record is None or record.blocked_by(view.policy):
            del sources[key]
        else:
            sources[key] = _source_shown(view, sources[key])
    return sources


def shown_whole(session: Session, permit: Permit, collection_ids: Iterable[UUID]) -> frozenset[UUID]:
    """Those of these collections of which nothing is hidden from anybody, so that what is known of their texts (definitions
    with their documentation) may be shown as it is to who may read the documents."""
    views = _views(session, permit, collection_ids)
    return frozenset(key for key, view in views.items() if not view.policy.hides_any)


def version_masked(session: Session, permit: Permit, collection_id: UUID, version_id: UUID) -> list[Chunk]:
    """The whole text of a version as the principal may see it; the caller has checked the permit for its document."""
    chunks = chunks_table.of_version(session, version_id)
    view = _views(session, permit, [collection_id])[collection_id]
    if not view.policy.hides_any:
        return chunks
    shown = _chunks_shown(session, view, [(version_id, item) for item in chunks])
    return [shown[item.id] for item in chunks if item.id in shown]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """How a principal sees texts of a repository's history, which are no chunks, and so were never put on record.

    They were never read at ingestion either, so what nobody sees goes here: a patch must not look like another one
    (CVE-2021-42574), and no message may steer a terminal. Lines stay lines.

    Each is looked through as it is read, with what stands around it at hand, so give it whole files or hunks and no single lines.
    """

    view: _View

    def text(self, text: str) -> str | None:
        """A text of a file as it is seen, with what is hidden masked; None where the policy holds it back."""
        text = visible(text)
        if not self.view.policy.hides_any:
            return text
        found = detector_of(self.view.policy, self.view.kind).find(text)
        if self.view.policy.blocked({str(item.kind) for item in found}):
            return None
        return text if self.view.raw else masked(text, [item for item in found if self.view.policy.hides(item.kind)])

    def name(self, text: str) -> str:
        """A path, an author or another name."""
        return _name_shown(self.view, visible(text))


def history_view(session: Session, permit: Permit, collection_id: UUID) -> HistoryView:
    """How the permit's principal sees the history of a repository in one of its collections."""
    return HistoryView(_views(session, permit, [collection_id])[collection_id])


def require_original(session: Session, permit: Permit, version: DocumentVersion) -> None:
    """Refuse the original of a document to who may not see all that is in it: what lies inside it is part of it.

    Raises:
        PersonalDataHidden: something in it is hidden from the principal, or nobody looked yet where something might be.
        NotPermitted: a rule keeps the principal out of something inside it.
    """
    # What lies inside a document is of its collection, so one view serves for all of it.
    view = _views(session, permit, [version.collection_id])[version.collection_id]
    _require_raw(view, version)
    for ids in in_groups(family.below(session, [version.document_id])):
        inside = select(Document.latest_version_id).where(Document.id.in_(ids), *covered(permit))
        newest = session.scalars(inside).all()
        if len(newest) < len(ids):
            raise NotPermitted
        if view.raw:
            continue
        for item in versions_table.by_ids(session, [key for key in newest if key is not None]):
            _require_raw(view, item)


def _require_raw(view: _View, version: DocumentVersion) -> None:
    if view.raw:
        return
    record = record_from_json(version.personal_data)
    if record is None or version.privacy_key != view.key or any(view.policy.hides(kind) for kind in record.counts):
        raise PersonalDataHidden


@dataclass(frozen=True, slots=True)
class DocumentPrivacy:
    """What a principal sees of documents in lists."""

    views: dict[UUID, _View]
    blocked: dict[UUID, tuple[str, ...]]

    @classmethod
    def of(cls, session: Session, permit: Permit, rows: Sequence[Document]) -> DocumentPrivacy:
        """For documents that the permit covers."""
        views = _views(session, permit, {row.collection_id for row in rows})
        policies = {key: view.policy for key, view in views.items() if view.policy.hides_any}
        answering = {row.current_version_id: row.collection_id for row in rows if row.collection_id in policies}
        records = looked_through(session, [key for key in answering if key is not None])
        blocked = {
            key: record.blocked_by(policies[answering[key]])
            for key, (record, _) in records.items()
            if record is not None
        }
        return cls(views, blocked)

    def held_back(self, row: Document) -> tuple[str, ...]:
        """Kinds for which the version that would answer waits for a release."""
        return self.blocked.get(row.current_version_id, ()) if row.current_version_id is not None else ()

    def names_of(self, row: Document) -> Callable[[str], str]:
        """Hides what names, titles and authors say of persons, where the principal may not see it."""
        return self.names_in(row.collection_id)

    def names_in(self, collection_id: UUID) -> Callable[[str], str]:
        """`names_of` the documents of a collection."""
        view = self.views[collection_id]
        return lambda text: _name_shown(view, text)


def names_masked(session: Session, permit: Permit, names: Sequence[tuple[UUID, str]]) -> list[str]:
    """Names of documents, each with its collection, as the principal may see them."""
    views = _views(session, permit, {collection_id for collection_id, _ in names})
    return [_name_shown(views[collection_id], name) for collection_id, name in names]


def named_as_wanted(session: Session, permit: Permit, rows: Sequence[Document]) -> list[Document]:
    """Those of these documents whose names, as the principal may see them, begin as the permit's filter wants: what is hidden
    in a name can't be guessed from the front either."""
    where = permit.where
    if where is None or not where.needs_record:
        return list(rows)
    views = _views(session, permit, {row.collection_id for row in rows})
    wanted = ((where.title, "title"), (where.author, "author"), (where.source_key, "source_key"))
    prefixes = [(prefix, name) for prefix, name in wanted if prefix]
    return [
        row
        for row in rows
        if views[row.collection_id].raw
        or all(
            _name_shown(views[row.collection_id], getattr(row, name)).startswith(prefix) for prefix, name in prefixes
        )
    ]


def selection_masked(session: Session, permit: Permit) -> Selection | None:
    """`rag.store.filtering.selection_of`, without documents that are chosen by what is hidden from the principal."""
    selection, where = filtering.selection_of(session, permit), permit.where
    if selection is None or not selection.documents or where is None or not where.needs_record:
        return selection
    policies = collections_table.privacy_of(session, permit.collections)
    if not any(policy.hides_any for policy in policies.values()):
        return selection
    kept: set[UUID] = set()
    for ids in in_groups(selection.documents):
        rows = session.scalars(select(Document).where(Document.id.in_(ids))).all()
        kept.update(row.id for row in named_as_wanted(session, permit, rows))
    return Selection(selection.label_groups, frozenset(kept), selection.excluded)


def revealed(session: Session, principal: Principal, document_ids: Iterable[UUID]) -> list[UUID]:
    """Those of documents that hold what their collection hides from others, and the principal sees."""
    found: list[UUID] = []
    for some in in_groups(sorted(document_ids)):
        query = (
            select(Document.id, Document.collection_id, Collection.privacy, DocumentVersion.personal_data)
            .join(Collection, Collection.id == Document.collection_id)
            .join(DocumentVersion, DocumentVersion.id == Document.current_version_id)
            .where(Document.id.in_(some), Collection.privacy.is_not(None))
        )
        for document_id, collection_id, privacy, told in session.execute(query):
            policy, record = policy_from_json(privacy), record_from_json(told)
            hidden = record is not None and any(policy.hides(kind) for kind in record.counts)
            if hidden and policy.shows_raw(principal.role_on(collection_id)):
                found.append(document_id)
    return found


def answer_filter(database: Database, permit: Permit, passages: Sequence[Passage]) -> Callable[[str], str] | None:
    """Hides what a model writes by itself: identifiers that none of `passages` shows. None where nothing is hidden.

    The passages are as the principal may see them, so what stands in them may be said.
    """
    return written_filter(database, permit, (item.chunk.search_text for item in passages))


def written_filter(database: Database, permit: Permit, shown: Iterable[str]) -> Callable[[str], str] | None:
    """Hides identifiers that none of the texts in `shown` holds; None where nothing is hidden from the permit's principal."""
    hiding: dict[Detector, list[PrivacyPolicy]] = {}
    with database.read() as session:
        for view in _views(session, permit, permit.collections).values():
            if not view.raw:
                policies = hiding.setdefault(detector_of(view.policy, view.kind), [])
                if view.policy not in policies:  # most collections want the same
                    policies.append(view.policy)
    if not hiding:
        return None
    told = "\n".join(shown)

    def hidden(text: str) -> str:
        found = {
            item
            for detector, policies in hiding.items()
            for item in detector.find(text)
            if any(policy.hides(item.kind) for policy in policies) and text[item.start : item.end] not in told
        }
        return masked(text, found)

    return hidden


def _views(session: Session, permit: Permit, collection_ids: Iterable[UUID]) -> dict[UUID, _View]:
    policies = collections_table.privacy_of(session, collection_ids)
    # What kind of collection it is, only what hides something has to know: the common case costs one query.
    wanted = any(policy.hides_any for policy in policies.values())
    kinds = dict(collections_table.kinds(session, permit)) if wanted else {}
    roles = {key: permit.principal.role_on(key) if permit.raw else None for key in policies}
    return {
        key: _View(policy, kinds.get(key, CollectionKind.DOCUMENTS), policy.shows_raw(roles[key]))
        for key, policy in policies.items()
    }


def _shown(session: Session, permit: Permit, located: dict[UUID, LocatedChunk]) -> dict[UUID, LocatedChunk]:
    views = _views(session, permit, {item.source.collection_id for item in located.values()})
    shown: dict[UUID, LocatedChunk] = {}
    for collection_id, view in views.items():
        inside = {key: item for key, item in located.items() if item.source.collection_id == collection_id}
        if not view.policy.hides_any:
            shown |= inside
            continue
        chunks = _chunks_shown(session, view, [(item.source.version_id, item.chunk) for item in inside.values()])
        shown |= {
            key: LocatedChunk(chunks[key], _source_shown(view, item.source))
            for key, item in inside.items()
            if key in chunks
        }
    return {key: shown[key] for key in located if key in shown}


def _chunks_shown(session: Session, view: _View, chunks: Sequence[tuple[UUID, Chunk]]) -> dict[UUID, Chunk]:
    """The chunks (with their versions) that may be shown, as they may be."""
    records = looked_through(session, {version_id for version_id, _ in chunks})
    stored = chunks_table.findings_of(session, [chunk.id for _, chunk in chunks])
    shown: dict[UUID, Chunk] = {}
    for version_id, chunk in chunks:
        record, key = records.get(version_id, (None, None))
        fresh = key == view.key and chunk.id in stored
        found = stored[chunk.id] if fresh else scan_alone(detector_of(view.policy, view.kind), chunk)
        if _blocked(view.policy, record, found):
            continue
        # Looked through, its words on record are such as everybody may see; until then nobody knows what stands in them.
        plain = chunk if view.raw or fresh else chunk.without_prose()
        shown[chunk.id] = plain if view.raw else plain.masked(_hidden(view.policy, found))
    return shown


def _blocked(policy: PrivacyPolicy, record: PersonalDataRecord | None, found: ChunkFindings) -> bool:
    """Whether the document waits for a release, as far as is known: by its record, or by this piece of it."""
    if record is not None and record.release is not None:
        return False
    counted = record.counts if record is not None else ()
    return bool(policy.blocked({*counted, *found.kinds}))


def _hidden(policy: PrivacyPolicy, found: ChunkFindings) -> ChunkFindings:
    return found.only({kind for kind in found.kinds if policy.hides(kind)})


def _source_shown(view: _View, source: Source) -> Source:
    return source if view.raw else source.renamed(lambda text: _name_shown(view, text))


def _name_shown(view: _View, text: str) -> str:
    if view.raw or not text:
        return text
    found = detector_for(view.policy.patterns).find(text)
    return masked(text, [item for item in found if view.policy.hides(item.kind)])
