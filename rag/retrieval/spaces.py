"""The embedding spaces of this process: a space and its index are one object, opened by what is on record.

A search takes the current one once and keeps it to its end, so a question that was embedded in one space is never asked of
the index of another. Writers ask for all spaces that are kept in step, by a look at the record each time: a space is never
missed by a write that begins after it is on record.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.exc import IntegrityError

from rag.domain.errors import ConfigurationError, IndexUnavailable, ModelFilesChanged, SeogoError
from rag.domain.space_failure import SpaceFailure
from rag.embedding.identity import identity_of
from rag.embedding.space import EmbeddingSpace
from rag.index import spaces as places
from rag.index.base import IndexSchema, VectorIndex
from rag.index.in_step import IndexWriter
from rag.index.registry import IndexConfig, open_index
from rag.retrieval.fusion import Weights
from rag.retrieval.space_records import asks_for, is_named_like, is_of, recorded, settings_of, with_languages
from rag.retrieval.weights import stored_weights
from rag.settings import EmbeddingSettings
from rag.store import embedding_space as record
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState
from rag.store.session import Database

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""Searches look at the record so often at most: a switch made by another process is noticed within a second."""

SpaceFactory = Callable[[EmbeddingSettings], EmbeddingSpace]


@dataclass(frozen=True, slots=True)
class LiveSpace:
    """An embedding space with the index of its vectors.

    Attributes:
        id: the space's identity.
        weights: fusion weights that were learned for it.
        settings: the embedding section that opened it, whatever the configuration file says by now.
    """

    id: str
    space: EmbeddingSpace
    index: VectorIndex
    weights: Weights = field(default_factory=dict)
    settings: EmbeddingSettings = field(default_factory=EmbeddingSettings)

    @property
    def vectors_name(self) -> str:
        """Whose its stored vectors are, as their files say. Files from before fingerprints name the space alone."""
        before = self.id in ("", identity_of(self.space, ""))
        return self.space.name if before else f"{self.space.name} {self.id}"


def schema_of(space: EmbeddingSpace) -> IndexSchema:
    """What an index for the vectors of `space` has to hold."""
    return IndexSchema(space.name, space.dimensions, space.learned, space.multi)


class Spaces:
    """Opens spaces, hands them out, and lets go of them when nobody reads them any more. Thread-safe."""

    def __init__(
        self, database: Database, config: IndexConfig, open_space: SpaceFactory, configured: EmbeddingSettings
    ) -> None:
        self.database = database
        self.config = config
        self.configured = configured
        self.open_space = open_space
        self._guard = threading.RLock()
        self._lease = threading.Lock()
        self._left = threading.Condition(self._lease)
        self._readers: Counter[str] = Counter()
        self._live: dict[str, LiveSpace] = {}
        self._leaving: dict[str, LiveSpace] = {}
        self._current: LiveSpace | None = None
        self._looked_at = 0.0
        self._opening: threading.Thread | None = None

    def open(self, *, recreate: bool = False) -> None:
        """Open the space on record; the first start puts that of the settings on record.

        Args:
            recreate: empty its index, and take the settings' space where those have changed; the first step of a rebuild.

        Raises:
            ConfigurationError: the settings ask for another space than the one on record.
            StoreInUse, IndexUnavailable: see `open_index`.
        """
        with self._guard:
            try:
                self._current = self._first_opened(recreate)
            except IntegrityError:  # another process was the first
                self._current = self._first_opened(recreate)
            self._live[self._current.id] = self._current
            self._looked_at = time.monotonic()
        self.announce()

    @property
    def current(self) -> LiveSpace:
        """The space that answers. Where it is used for longer than a moment, `reading` holds it."""
        if self._current is None:
            raise IndexUnavailable
        return self._current

    @contextmanager
    def reading(self) -> Iterator[LiveSpace]:
        """The space that answers, kept open until the end of the block, whatever happens to it on record."""
        self._look()
        with self._lease:
            live = self.current
            self._readers[live.id] += 1
        try:
            yield live
        finally:
            with self._lease:
                self._readers[live.id] -= 1
                unused = self._leaving.pop(live.id, None) if not self._readers[live.id] else None
                if unused is not None:
                    unused.index.close()
                self._left.notify_all()

    def is_left(self, space_id: str, timeout_s: float) -> bool:
        """Wait until no search reads a space that is not in step any more; False when one still does."""
        with self._left:
            return self._left.wait_for(lambda: not self._readers[space_id], timeout_s)

    def in_step(self) -> tuple[LiveSpace, ...]:
        """Every space that a write must reach by the record of this moment, the current one first.

        One beside it whose model's files were changed in place can't be kept in step: it fails, on record, and stops nobody.

        Raises:
            IndexUnavailable: one can't be opened here.
        """
        with self._guard:
            rows = [row for row in self._rows() if self._is_open(row)]
            self._follow(rows)
            return tuple(self._live[row.id] for row in rows)

    def is_kept(self, row: EmbeddingSpaceRow) -> bool:
        """Whether a space is still of its model's files; one that is not, and does not answer, has failed from now on.

        Raises:
            ConfigurationError: they can't be looked at, such as in a folder that is away for a while.
        """
        try:
            self.of_record(row)
        except ModelFilesChanged as error:
            return not self._given_up(row, error)
        return True

    def of_record(self, row: EmbeddingSpaceRow) -> EmbeddingSpace:
        """The models of a space on record, as they lie here.

        Raises:
            ModelFilesChanged: they are not those that made its vectors.
            ConfigurationError: they can't be opened here.
        """
        settings = settings_of(row)
        space = self.open_space(settings)
        if not is_of(row, space):
            if is_named_like(row, space):
                raise ModelFilesChanged(folder=str(settings.folder or settings.dense), name=row.name)
            raise ConfigurationError(
                detail=f"the embedding space {row.name} is another one here: {space.name}",
                detail_ko=f"임베딩 공간 {row.name}이(가) 여기서는 다른 공간입니다: {space.name}",
            )
        return space

    def writers(self) -> Sequence[IndexWriter]:
        """The indexes of `in_step`."""
        return [live.index for live in self.in_step()]

    def let_go(self) -> None:
        """Close what is not in step any more by the record of this moment; nothing is opened, so that no folder is waited for."""
        with self._guard:
            self._follow(self._rows())

    def announce(self) -> None:
        """Tell the engine which space is current on record; where it does not listen, the record stands and the next start
        repeats it. Nothing is told while the oldest index is kept in step: the name for it is where that one lies."""
        rows = self._rows()
        if not all(row.place for row in rows):
            return
        try:
            places.announce(self.config, rows[0].place)
        except SeogoError as error:
            log.warning("the index was not told that %s is current: %s", rows[0].name, error)

    def close(self) -> None:
        """Close every index."""
        with self._guard, self._lease:
            for live in (*self._live.values(), *self._leaving.values()):
                live.index.close()
            self._live.clear()
            self._leaving.clear()

    def _first_opened(self, recreate: bool) -> LiveSpace:
        with self.database.read() as session:
            row = record.current(session)
        settings, space = self._configured_space(row)
        identity = place = identity_of(space)
        if row is None:
            place = places.first_place(self.config, identity)
            identity = identity if place else identity_of(space, "")  # its index is from before there were fingerprints
        elif is_of(row, space):
            identity, place = row.id, row.place
        elif not recreate:
            raise _differs(row, space, settings)
        config = places.at_place(self.config, place)
        index = open_index(config, schema_of(space), recreate=recreate)
        try:
            self._note(row, identity, space, settings, place)
        except BaseException:
            index.close()
            raise
        if row is not None and place != row.place:
            places.drop(self.config, row.place)
        return LiveSpace(identity, space, index, stored_weights(self.database, space.name), settings)

    def _configured_space(self, row: EmbeddingSpaceRow | None) -> tuple[EmbeddingSettings, EmbeddingSpace]:
        """What the configuration means beside what is on record, and the space of it. Where it names no languages, those on
        record hold, also if an address or a precision has changed, which make no other space."""
        if row is None:
            return self.configured, self.open_space(self.configured)
        if asks_for(self.configured, row):
            known = settings_of(row)
            return known, self.open_space(known)
        kept = with_languages(self.configured, row.settings.get("languages"))
        if kept is not self.configured:
            space = self.open_space(kept)
            if is_named_like(row, space):
                return kept, space
        return self.configured, self.open_space(self.configured)

    def _note(
        self,
        row: EmbeddingSpaceRow | None,
        identity: str,
        space: EmbeddingSpace,
        settings: EmbeddingSettings,
        place: str,
    ) -> None:
        """Put what was opened on record, where it is not there already."""
        values = recorded(settings, space)
        if row is not None and (row.id, row.settings, row.fingerprint) == (identity, values, space.model_files):
            return
        with self.database.write() as session:
            if row is not None and row.id != identity:
                session.get_one(EmbeddingSpaceRow, row.id).state = SpaceState.DROPPED
                session.flush()
            stored = record.locked(session, identity)
            if stored is None:
                stored = EmbeddingSpaceRow(id=identity)
                session.add(stored)
            stored.name, stored.settings, stored.place = space.name, values, place
            stored.fingerprint = space.model_files
            stored.state = SpaceState.CURRENT

    def _rows(self) -> Sequence[EmbeddingSpaceRow]:
        with self.database.read() as session:
            return record.in_step(session)

    def _open_if_new(self, row: EmbeddingSpaceRow) -> None:
        if row.id not in self._live:
            self._live[row.id] = self._opened(row)

    def _is_open(self, row: EmbeddingSpaceRow) -> bool:
        """Open a space where it is not; False where it had to be given up."""
        try:
            self._open_if_new(row)
        except IndexUnavailable as error:
            if isinstance(error.__cause__, ModelFilesChanged) and self._given_up(row, error.__cause__):
                return False
            raise
        return True

    def _given_up(self, row: EmbeddingSpaceRow, error: ModelFilesChanged) -> bool:
        """Whether a space whose model's files were changed has failed on record; the one that answers never does so."""
        failure = SpaceFailure("files_changed", {"folder": error.params["folder"]})
        with self.database.write() as session:
            failed = record.fail(session, row.id, failure)
        if failed:
            log.error("the embedding space %s is given up: its model's files were changed", row.name)
        return failed

    def _opened(self, row: EmbeddingSpaceRow) -> LiveSpace:
        try:
            space = self.of_record(row)
            self._note_files(row, space)
            index = open_index(places.at_place(self.config, row.place), schema_of(space))
            return LiveSpace(row.id, space, index, stored_weights(self.database, space.name), settings_of(row))
        except ConfigurationError as error:
            log.error("the embedding space %s can't be opened here: %s", row.name, error)
            raise IndexUnavailable from error

    def _note_files(self, row: EmbeddingSpaceRow, space: EmbeddingSpace) -> None:
        """Put on record which files a space from before fingerprints goes by from now on."""
        if row.fingerprint != space.model_files:
            with self.database.write() as session:
                session.get_one(EmbeddingSpaceRow, row.id).fingerprint = space.model_files

    def _follow(self, rows: Sequence[EmbeddingSpaceRow]) -> None:
        """Make current what is current on record, in one assignment, and let go of what is not in step any more."""
        if rows[0].id in self._live:
            self._current = self._live[rows[0].id]
        kept = {row.id for row in rows} | {self.current.id}
        for space_id in self._live.keys() - kept:
            self._let_go(self._live.pop(space_id))
        self._looked_at = time.monotonic()

    def _let_go(self, live: LiveSpace) -> None:
        with self._lease:
            if self._readers[live.id]:
                self._leaving[live.id] = live
                return
        live.index.close()

    def _look(self) -> None:
        """Notice what other processes have done to the record. Nobody who asks waits for a model to be loaded."""
        if time.monotonic() - self._looked_at < LOOK_S or not self._guard.acquire(blocking=False):
            return
        try:
            rows = self._rows()
            gone = self.current.id not in {row.id for row in rows}
            if rows[0].id not in self._live and not gone:
                self._open_aside(rows[0])
            elif gone:
                self._open_if_new(rows[0])
            self._follow(rows)
        finally:
            self._guard.release()

    def _open_aside(self, row: EmbeddingSpaceRow) -> None:
        """Open a space that another process has switched to; until it is warm, the one before it, kept in step, answers."""
        if self._opening is not None and self._opening.is_alive():
            return

        def warm() -> None:
            try:
                live = self._opened(row)
                live.space.warm_up()
            except SeogoError:
                log.exception("the embedding space %s is current, but can't be used here", row.name)
                return
            with self._guard:
                taken = self._live.setdefault(live.id, live)
                if taken is not live:
                    live.index.close()
                self._follow(self._rows())

        self._opening = threading.Thread(target=warm, name="open-space", daemon=True)
        self._opening.start()


def _differs(row: EmbeddingSpaceRow, space: EmbeddingSpace, settings: EmbeddingSettings) -> ConfigurationError:
    if is_named_like(row, space) and row.settings.get("folder") == settings.model_dump(mode="json")["folder"]:
        return ModelFilesChanged(folder=str(settings.folder or settings.dense), name=row.name)
    detail = (
        f"the settings ask for the embedding space {space.name} ({identity_of(space)}), on record is {row.name} ({row.id}). "
        "Set `embedding` back and change the model with `seogo index migrate` while the service answers, or run "
        "`seogo index rebuild` while it does not"
    )
    return ConfigurationError(
        detail=detail,
        detail_ko=(
            f"설정이 가리키는 임베딩 공간은 {space.name}({identity_of(space)})인데 기록에는 {row.name}({row.id})이(가) 있습니다. "
            "`embedding`을 되돌리고 서비스가 답하는 동안 `seogo index migrate`로 모델을 바꾸거나, 서비스를 멈추고 "
            "`seogo index rebuild`를 실행하세요"
        ),
    )
