"""Places as answers cite them, opened from the history of their repository: `payments/src/login.py:10-24@abc123def456`, and a
commit as `payments@abc123def456`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID

from api.mcp.schemas import FetchedOut
from api.schemas.common import AnchorOut
from rag.answering.changes import CommitText, FileLines, History
from rag.domain.anchor import LineAnchor
from rag.domain.errors import DocumentNotFound, NotFound, RefNotFound
from rag.domain.messages import UiLanguage
from rag.domain.passage import line_span
from rag.domain.principal import Permit
from rag.retrieval.opening import PART_CHARACTERS
from rag.store import repository

_PLACE = re.compile(
    r"(?P<name>[^/\n]+)(?:/(?P<path>[^/\n][^\n]*?):(?P<first>\d{1,8})(?:-(?P<last>\d{1,8}))?)?@(?P<commit>[0-9a-f]{7,40})"
)


@dataclass(frozen=True, slots=True)
class CitedPlace:
    """A place that was read from a citation; without a path it is the commit itself."""

    name: str
    path: str
    first: int
    last: int
    commit: str

    @classmethod
    def of(cls, text: str) -> CitedPlace | None:
        """The place that a text is; None where it is none."""
        found = _PLACE.fullmatch(text.strip().strip("`"))
        if found is None:
            return None
        first = int(found["first"] or 0)
        return cls(found["name"], found["path"] or "", first, int(found["last"] or first), found["commit"])


@dataclass(frozen=True, slots=True)
class PlaceOpener:
    """Opens places under the permit of whoever asks."""

    history: History
    permit: Permit
    language: UiLanguage
    base_url: str

    def opened(self, place: CitedPlace) -> tuple[FetchedOut, Sequence[UUID]]:
        """What stands there, and the documents that it tells of. Of several repositories of the name, the first that has it.

        Raises:
            NotFound: there is nothing at this place that the permit covers.
            InvalidRequest: the file has no such lines.
            RepositoryNotRead: git can't read it.
        """
        with self.history.database.read() as session:
            rows = [row for row in repository.of_reader(session, self.permit) if row.name == place.name]
        for row in rows:
            try:
                if place.path:
                    return self._lines(row.id, place)
                told = self.history.commit(self.permit, row.id, place.commit)
                return self._commit(row.id, told), told.documents
            except (DocumentNotFound, RefNotFound):
                continue
        raise NotFound

    def _lines(self, identity: UUID, place: CitedPlace) -> tuple[FetchedOut, Sequence[UUID]]:
        found = self.history.file(
            self.permit, identity, place.path, commit=place.commit, first=place.first, last=place.last
        )
        shown = _fitting(found.lines)
        anchor = LineAnchor(found.shown.first, found.shown.first + len(shown) - 1)
        end = f"@{found.state.commit[:12]}"
        key = f"{found.repository}/{found.path}"
        spot = f"{key}:{line_span(anchor)}{end}"
        left = LineAnchor(anchor.last + 1, found.shown.last) if anchor.last < found.shown.last else None
        metadata = self._metadata(found, anchor) | ({"next": f"{key}:{line_span(left)}{end}"} if left else {})
        address = f"{self._address(identity)}/files/{quote(found.path)}?commit={found.state.commit}"
        url = f"{address}&first={anchor.first}&last={anchor.last}"
        text, cut = _cut("\n".join(shown))
        metadata |= cut
        return FetchedOut(id=spot, title=spot, text=text, url=url, metadata=metadata), [found.document.document_id]

    def _metadata(self, found: FileLines, anchor: LineAnchor) -> dict[str, object]:
        where = AnchorOut.of(anchor, self.language)
        return {
            "path": f"{found.repository}/{found.path}",
            "place": where.label,
            "anchor": where.position,
            "commit": found.state.commit,
        }

    def _commit(self, identity: UUID, told: CommitText) -> FetchedOut:
        commit = told.commit
        name = f"{told.repository}@{commit.hash[:12]}"
        paths = [f"{told.repository}/{path}" for path in told.paths]
        text, cut = _cut("\n".join((commit.message, "", *paths)))
        url = f"{self._address(identity)}/commits/{commit.hash}"
        metadata = {"commit": commit.hash, "author": commit.author, "date": commit.when.isoformat(), **cut}
        return FetchedOut(id=name, title=name, text=text, url=url, metadata=metadata)

    def _address(self, identity: UUID) -> str:
        return f"{self.base_url}/api/v1/repositories/{identity}"


def _cut(text: str) -> tuple[str, dict[str, object]]:
    """What one part holds of a text, and whether that is not all."""
    return text[:PART_CHARACTERS], {"cut": True} if len(text) > PART_CHARACTERS else {}


def _fitting(lines: Sequence[str]) -> Sequence[str]:
    """As many lines as one part holds, at least one."""
    size = 0
    for count, line in enumerate(lines):
        size += len(line) + 1
        if count and size > PART_CHARACTERS:
            return lines[:count]
    return lines
