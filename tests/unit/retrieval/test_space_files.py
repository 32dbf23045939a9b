"""Other weights under the same name are another embedding space: their vectors never meet those of the old ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from api.cli.doctor_spaces import beside_lines
from ingest.pipeline import points
from rag.blobs.store import BlobStore
from rag.domain.errors import IndexUnavailable, ModelFilesChanged, SpaceConflict
from rag.domain.language import Language
from rag.domain.vectors import SparseVector, TextVectors
from rag.embedding.identity import identity_of
from rag.embedding.registry import build_space
from rag.embedding.space import EmbeddingSpace
from rag.index.registry import IndexConfig
from rag.retrieval import space_changes
from rag.retrieval.spaces import LiveSpace, Spaces
from rag.settings import EmbeddingSettings
from rag.store.embedding_space import EmbeddingSpaceRow, SpaceState
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
        assert row.state == SpaceState.FAILED and str(second.folder) in row.error
        assert len(spaces.writers()) == 1
        models.save("v2", b"two")  # once they are back, it can be built again, with the vectors that are there
        assert space_changes.begin(spaces, second).id == beside.id
        assert [live.id for live in spaces.in_step()] == [spaces.current.id, beside.id]


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
        assert "다시" in line[3]
        space_changes.give_up(spaces, beside.id)
        assert list(beside_lines(spaces)) == []


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
