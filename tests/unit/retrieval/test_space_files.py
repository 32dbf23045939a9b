"""Other weights under the same name are another embedding space: their vectors never meet those of the old ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from api.cli.doctor_spaces import beside_lines
from ingest.pipeline import points
from ingest.pipeline.failed_spaces import FailedSpaces
from rag.blobs.store import BlobStore
from rag.domain.errors import (
    DataFolderRefused,
    IndexUnavailable,
    InvalidRequest,
    ModelFilesChanged,
    ModelRefused,
    ModelUnusable,
    SpaceConflict,
)
from rag.domain.language import Language
from rag.domain.messages import localized, space_failure_for
from rag.domain.space_failure import SPACE_REASONS, SpaceFailure
from rag.domain.vectors import SparseVector, TextVectors
from rag.embedding.identity import identity_of
from rag.embedding.registry import build_space
from rag.embedding.space import EmbeddingSpace
from rag.index.base import IndexPoint
from rag.index.registry import IndexConfig
from rag.retrieval import space_changes
from rag.retrieval.spaces import LiveSpace, Spaces
from rag.settings import EmbeddingSettings
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState, fail, wait_for
from rag.store.session import Database
from rag.text.analysis import Analyzer


class Models:
    """A folder of models that share the name `bge-m3`, and a data folder whose space reads one of them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder

    def save(self, edition: str, weights: bytes) -> EmbeddingSettings:
        model = self.folder / edition / "bge-m3"
        model.mkdir(parents=True, exist_ok=True)
        (model / "config.json").write_text('{"model_type": "xlm-roberta", "hidden_size": 32}')
        (model / "model.safetensors").write_bytes(weights)
        return EmbeddingSettings(dense="folder", folder=model)

    def space(self, settings: EmbeddingSettings) -> EmbeddingSpace:
        return build_space(settings, Analyzer(), self.folder / "cache")

    @contextmanager
    def opened(self, settings: EmbeddingSettings, *, recreate: bool = False) -> Iterator[Spaces]:
        spaces = Spaces(self.database, IndexConfig("edge", self.folder / "index"), self.space, settings)
        spaces.open(recreate=recreate)
        yield spaces
        spaces.close()

    def row(self, space_id: str) -> EmbeddingSpaceRow:
        with self.database.read() as session:
            return session.get_one(EmbeddingSpaceRow, space_id)

    def has_index(self, row: EmbeddingSpaceRow) -> bool:
        return (self.folder / "index" / row.place).is_dir()


@pytest.fixture
def models(sqlite: Database, tmp_path: Path) -> Models:
    (tmp_path / "index").mkdir()
    return Models(sqlite, tmp_path)


def test_a_migration_to_a_model_of_the_same_name_is_one(models: Models) -> None:
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        before = spaces.current
        row = space_changes.begin(spaces, second)
        assert (row.state, row.id != before.id, row.place) == (SpaceState.BUILDING, True, row.id)
        assert space_changes.begin(spaces, second).id == row.id
        assert [live.id for live in spaces.in_step()] == [before.id, row.id]


def test_retrained_weights_in_the_same_folder_are_refused_until_a_rebuild(models: Models, tmp_path: Path) -> None:
    settings = models.save("v1", b"one")
    blobs, version = BlobStore((tmp_path / "blobs").as_uri()), uuid4()
    with models.opened(settings) as spaces:
        old = spaces.current
        points.store_vectors(blobs, old, version, [TextVectors(SparseVector((1,), (1.0,)), None)])
        assert points.stored_vectors(blobs, old, version)
    (models.folder / "v1" / "bge-m3" / "README.md").write_text("모델 카드")  # it computes the same
    with models.opened(settings) as spaces:
        assert spaces.current.id == old.id
    models.save("v1", b"two")
    with pytest.raises(ModelFilesChanged) as refused, models.opened(settings):
        pass
    assert str(settings.folder) in str(refused.value) and "seogo index rebuild" in str(refused.value)
    with models.opened(settings, recreate=True) as spaces:
        assert spaces.current.id != old.id and models.row(old.id).state == SpaceState.DROPPED
        assert points.stored_vectors(blobs, spaces.current, version) is None
    with models.opened(settings) as spaces:
        assert spaces.current.space.name == old.space.name


def test_a_space_from_before_fingerprints_keeps_its_vectors_and_gets_one(models: Models, tmp_path: Path) -> None:
    settings = models.save("v1", b"one")
    held = settings.model_copy(update={"languages": ("en", "code")})  # as that release took where none were named
    space = models.space(held)
    old = identity_of(space, "")
    with models.database.write() as session:
        values = {"name": space.name, "settings": held.model_dump(mode="json"), "place": old}
        session.add(EmbeddingSpaceRow(id=old, state=SpaceState.CURRENT, **values))
    with models.opened(settings) as spaces:
        assert spaces.current.id == old != identity_of(space)
        assert not spaces.current.space.knows(Language.KOREAN)  # an upgrade alone makes no other space of it
        assert spaces.current.vectors_name == space.name  # as the files of the release before name it
        assert models.row(old).fingerprint == space.model_files != ""
        assert LiveSpace(identity_of(space), space, spaces.current.index).vectors_name != space.name
    models.save("v1", b"two")
    with pytest.raises(ModelFilesChanged), models.opened(settings):
        pass


@pytest.mark.parametrize("state", [SpaceState.BUILDING, SpaceState.READY, SpaceState.RETIRED])
def test_a_space_beside_whose_weights_were_changed_fails_and_stops_no_write(models: Models, state: SpaceState) -> None:
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        beside = space_changes.begin(spaces, second)
    with models.database.write() as session:
        session.get_one(EmbeddingSpaceRow, beside.id).state = state
    models.save("v2", b"three")
    with models.opened(first) as spaces:
        assert [live.id for live in spaces.in_step()] == [spaces.current.id]
        row = models.row(beside.id)
        assert row.state == SpaceState.FAILED and str(second.folder) in space_failure_for(row.error, "en")
        assert len(spaces.writers()) == 1
        models.save("v2", b"two")  # once they are back, it can be built again, with the vectors that are there
        assert space_changes.begin(spaces, second).id == beside.id
        assert [live.id for live in spaces.in_step()] == [spaces.current.id, beside.id]


def point(version: UUID) -> IndexPoint:
    return IndexPoint(uuid4(), uuid4(), uuid4(), uuid4(), version, SparseVector((1,), (1.0,)))


def test_the_index_of_a_space_whose_weights_were_changed_goes_and_is_built_anew(models: Models) -> None:
    """As that of a failed build: no deletion would reach it any more."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        beside = ready(models, spaces, second)
        spaces.in_step()[1].index.upsert([point(uuid4())])
    models.save("v2", b"three")
    with models.opened(first) as spaces:
        spaces.in_step()
        assert models.row(beside.id).state == SpaceState.FAILED and models.has_index(beside)
        FailedSpaces(spaces).drop()
        assert not models.has_index(beside)
        models.save("v2", b"two")
        assert space_changes.begin(spaces, second).state == SpaceState.BUILDING
        assert [live.index.count() for live in spaces.in_step()] == [0, 0]


def test_a_failed_space_that_is_begun_anew_is_not_written_to_where_it_was(models: Models) -> None:
    """This process had it open still: neither a write nor a search came between."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        beside = ready(models, spaces, second)
        spaces.in_step()[1].index.upsert([point(uuid4())])
        models.save("v2", b"three")
        with pytest.raises(SpaceConflict):
            space_changes.switch(spaces, beside.id, max_drop=0.0, force=True)
        models.save("v2", b"two")
        assert space_changes.begin(spaces, second).state == SpaceState.BUILDING
        assert spaces.in_step()[1].index.count() == 0


def test_a_migration_that_is_refused_drops_nothing(models: Models) -> None:
    first, second, third = (models.save(f"v{number}", b"weights" * number) for number in (1, 2, 3))
    with models.opened(first) as spaces:
        failed = ready(models, spaces, second)
        models.save("v2", b"three")
        assert not spaces.is_kept(models.row(failed.id))
        space_changes.begin(spaces, third)
        models.save("v2", b"weights" * 2)
        with pytest.raises(SpaceConflict, match="is kept in step"):
            space_changes.begin(spaces, second)
        assert models.row(failed.id).state == SpaceState.FAILED and models.has_index(failed)


def test_a_failed_space_whose_folder_is_gone_holds_nobody_up(models: Models) -> None:
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        beside = ready(models, spaces, second)
        models.save("v2", b"three")
        assert not spaces.is_kept(models.row(beside.id))
        (models.folder / "v2").rename(models.folder / "away")
        assert len(spaces.writers()) == 1
        FailedSpaces(spaces).drop()
        space_changes.give_up(spaces, beside.id)
        assert len(spaces.writers()) == 1


def test_a_write_asks_the_record_once(models: Models) -> None:
    """Every write of ingestion asks which spaces are in step."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    asked: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    with models.opened(first) as spaces:
        ready(models, spaces, second)
        assert len(spaces.writers()) == 2  # opened from now on
        event.listen(models.database.engine, "before_cursor_execute", note)
        spaces.writers()
        event.remove(models.database.engine, "before_cursor_execute", note)
    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 1, asked


def test_nothing_answers_again_whose_weights_were_changed(models: Models) -> None:
    """Neither in this process, which still holds the old ones, nor in one that is started."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        before, beside = spaces.current.id, space_changes.begin(spaces, second)
        with models.database.write() as session:
            session.get_one(EmbeddingSpaceRow, beside.id).state = SpaceState.READY
        space_changes.switch(spaces, beside.id, max_drop=0.0, force=True)
        models.save("v1", b"three")
        with pytest.raises(SpaceConflict, match="failed"):
            space_changes.roll_back(spaces)
        assert models.row(before).state == SpaceState.FAILED and spaces.current.id == beside.id
        assert [live.id for live in spaces.in_step()] == [beside.id]


def ready(models: Models, spaces: Spaces, settings: EmbeddingSettings) -> EmbeddingSpaceRow:
    """A space beside that counts as built."""
    row = space_changes.begin(spaces, settings)
    spaces.in_step()
    with models.database.write() as session:
        session.get_one(EmbeddingSpaceRow, row.id).state = SpaceState.READY
    return models.row(row.id)


def test_nothing_is_switched_to_whose_weights_were_changed(models: Models) -> None:
    """This process still holds the old ones; the next start would be refused."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        before, beside = spaces.current.id, ready(models, spaces, second)
        models.save("v2", b"three")
        with pytest.raises(SpaceConflict) as refused:
            space_changes.switch(spaces, beside.id, max_drop=0.0, force=True)
        assert str(second.folder) in str(refused.value)
        assert models.row(beside.id).state == SpaceState.FAILED and spaces.current.id == before
    with models.opened(first) as spaces:
        assert spaces.current.id == before


def test_nothing_answers_whose_folder_is_away(models: Models) -> None:
    """Neither by a switch nor by a rollback: the next start would be refused. Once it is back, both go."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        before, beside = spaces.current.id, ready(models, spaces, second)
        (models.folder / "v2").rename(models.folder / "away")
        with pytest.raises(SpaceConflict, match="is not a folder"):
            space_changes.switch(spaces, beside.id, max_drop=0.0, force=True)
        assert (models.row(beside.id).state, spaces.current.id) == (SpaceState.READY, before)
        (models.folder / "away").rename(models.folder / "v2")
        space_changes.switch(spaces, beside.id, max_drop=0.0, force=True)
        (models.folder / "v1").rename(models.folder / "away")
        with pytest.raises(SpaceConflict, match="is not a folder"):
            space_changes.roll_back(spaces)
        assert (models.row(before).state, spaces.current.id) == (SpaceState.RETIRED, beside.id)
        (models.folder / "away").rename(models.folder / "v1")
        assert space_changes.roll_back(spaces).id == before


def test_a_folder_that_is_no_folder_is_said_in_the_readers_language(models: Models) -> None:
    """Where a space is begun, switched to, gone back to."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        beside = ready(models, spaces, second)
        (models.folder / "v2").rename(models.folder / "away")
        with pytest.raises(InvalidRequest, match="is not a folder") as begun:
            space_changes.begin(spaces, second)
        with pytest.raises(SpaceConflict, match="is not a folder") as switched:
            space_changes.switch(spaces, beside.id, max_drop=0.0, force=True)
    for error in (begun.value, switched.value):
        korean = localized(error, "ko")
        assert f"{second.folder}은(는) 폴더가 아닙니다" in korean and "is not" not in korean
        assert f"{second.folder} is not a folder" in localized(error, "en")


def test_a_model_that_is_refused_without_a_detail_is_said_in_the_readers_language(models: Models) -> None:
    """The sentence of the error itself, then."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    error = DataFolderRefused(path="/models", detail="EROFS")
    with models.opened(first) as spaces:
        beside = ready(models, spaces, second)

        def refuse(settings: EmbeddingSettings) -> EmbeddingSpace:
            raise error

        spaces.open_space = refuse
        with pytest.raises(SpaceConflict) as switched:
            space_changes.switch(spaces, beside.id, max_drop=0.0, force=True)
        with pytest.raises(InvalidRequest) as begun:
            space_changes.begin(spaces, second)
    for language in ("en", "ko"):
        assert localized(error, language) in localized(switched.value, language)
        assert localized(error, language) in localized(begun.value, language)


def test_the_space_that_answers_never_fails_by_itself(models: Models) -> None:
    """Another process has switched to it; here its folder holds something else."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        beside = space_changes.begin(spaces, second)
        with models.database.write() as session:
            session.get_one(EmbeddingSpaceRow, spaces.current.id).state = SpaceState.RETIRED
            session.flush()
            session.get_one(EmbeddingSpaceRow, beside.id).state = SpaceState.CURRENT
        models.save("v2", b"three")
        with pytest.raises(IndexUnavailable) as error:
            spaces.in_step()
        assert isinstance(error.value.__cause__, ModelFilesChanged)
        assert models.row(beside.id).state == SpaceState.CURRENT


def test_a_folder_that_is_away_is_waited_for(models: Models) -> None:
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        beside = space_changes.begin(spaces, second)
    (models.folder / "v2").rename(models.folder / "away")
    with models.opened(first) as spaces:
        with pytest.raises(IndexUnavailable):
            spaces.in_step()
        assert models.row(beside.id).state == SpaceState.BUILDING
        (models.folder / "away").rename(models.folder / "v2")
        assert len(spaces.in_step()) == 2


def test_the_doctor_says_what_is_beside(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_LANG", "en")
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        assert list(beside_lines(spaces)) == []
        beside = space_changes.begin(spaces, second)
        [line] = beside_lines(spaces)
        assert line[:2] == ("space beside", "ok") and beside.id in line[2] and "building" in line[2]
        models.save("v2", b"three")
        [line] = beside_lines(spaces)  # before any write has met it; and the look alone changes nothing
        assert line[1] == "warning" and str(second.folder) in line[2] and "seogo index migrate" in line[3]
        assert models.row(beside.id).state == SpaceState.BUILDING
    with models.opened(first) as spaces:
        spaces.in_step()
        [line] = beside_lines(spaces)
        assert line[1] == "warning" and "failed" in line[2] and str(second.folder) in line[2]
        assert f"seogo index drop {beside.id}" in line[3]
        monkeypatch.setenv("SEOGO_LANG", "ko")
        [line] = beside_lines(spaces)
        assert "되돌려" in line[2] and "the files" not in line[2] and "되돌려" in line[3]
        space_changes.give_up(spaces, beside.id)
        assert list(beside_lines(spaces)) == []


def test_the_doctor_asks_for_files_only_where_others_lie_there(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOGO_LANG", "en")
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    error = ModelRefused(name="bge-m3", detail="too long")
    with models.opened(first) as spaces:
        beside = space_changes.begin(spaces, second)
        with models.database.write() as session:
            fail(session, beside.id, SpaceFailure(error.code, error.params))
        [line] = beside_lines(spaces)
        assert error.message_en() in line[2]
        assert "put the files back" not in line[3] and f"seogo index drop {beside.id}" in line[3]
        monkeypatch.setenv("SEOGO_LANG", "ko")
        [line] = beside_lines(spaces)
        assert localized(error, "ko") in line[2] and "되돌려" not in line[3] and "seogo index migrate" in line[3]
        models.save("v2", b"three")
        [line] = beside_lines(spaces)
        assert "되돌려" in line[3]
        with models.database.write() as session:  # as the release before wrote it
            session.get_one(EmbeddingSpaceRow, beside.id).error = "The model is gone."
        [line] = beside_lines(spaces)
        assert line[2].endswith(": The model is gone.")


def test_the_doctor_says_what_a_build_waits_for(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state stays `building` and its model opens: only the record knows that it does not go on."""
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    error = ModelUnusable(name="bge-m3", detail="not a list", detail_ko="목록이 아닙니다")
    with models.opened(first) as spaces:
        beside = space_changes.begin(spaces, second)
        with models.database.write() as session:
            wait_for(session, beside.id, SpaceFailure(error.code, error.params))
        for language in ("en", "ko"):
            monkeypatch.setenv("SEOGO_LANG", language)
            [line] = beside_lines(spaces)
            assert line[:2] == ("space beside", "warning") and line[2].endswith(
                f"building: {localized(error, language)}"
            )
            assert f"seogo index drop {beside.id}" in line[3]
        with models.database.write() as session:  # the next batch went through
            session.get_one(EmbeddingSpaceRow, beside.id).error = ""
        [line] = beside_lines(spaces)
        assert (line[1], line[3]) == ("ok", "")


@pytest.mark.parametrize("reason", SPACE_REASONS)
def test_every_reason_is_said_in_both_languages_with_the_same_values(reason: str) -> None:
    korean, english = SPACE_REASONS[reason]
    assert set(re.findall(r"{(\w+)}", korean)) == set(re.findall(r"{(\w+)}", english))
    assert re.search("[가-힣]", korean) and not re.search("[가-힣]", english)


def test_a_refusal_names_the_failure_in_the_readers_language(models: Models) -> None:
    first, second = models.save("v1", b"one"), models.save("v2", b"two")
    with models.opened(first) as spaces:
        beside = ready(models, spaces, second)
        models.save("v2", b"three")
        with pytest.raises(SpaceConflict) as refused:
            space_changes.switch(spaces, beside.id, max_drop=0.0, force=True)
    row = models.row(beside.id)
    for language in ("en", "ko"):
        assert space_failure_for(row.error, language) in localized(refused.value, language)
    assert "failed" not in localized(refused.value, "ko") and "the files" not in localized(refused.value, "ko")


def test_where_no_languages_are_named_those_on_record_hold_whatever_else_changed(models: Models) -> None:
    """Before multilingual models got Korean untold, a space was English and code; another precision makes no other space."""
    first = models.save("v1", b"one").model_copy(update={"languages": ("en", "code")})
    with models.opened(first) as spaces:
        before = spaces.current.id
    untold = first.model_copy(update={"languages": None})
    for configured in (untold, untold.model_copy(update={"precision": "float32"})):
        with models.opened(configured) as spaces:
            assert spaces.current.id == before
            assert spaces.current.space.knows(Language.ENGLISH) and not spaces.current.space.knows(Language.KOREAN)
