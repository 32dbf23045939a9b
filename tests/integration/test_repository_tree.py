"""Random commits against a model: after each look documents, texts, symbols and points are those of the tree, and no others."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from ingest.pipeline import maintenance
from rag.blobs.store import BlobStore
from rag.mirrors.mirror import mirror_at
from rag.store.chunk import ChunkRow
from rag.store.code_symbol import CodeSymbol
from rag.store.document import Document
from rag.store.receipt import DeletionReceipt
from rag.store.repository import Repository, RepositoryFile
from rag.store.version import DocumentVersion, VersionState
from tests.support.git_repository import GitRepository
from tests.support.running import Caller, Running, running, settings_for

NAME = "무작위"
COMMITS_PER_LOOK = 2
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
WORDS = ("fare", "login", "limit", "branch", "ledger", "account", "settle", "report")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    folder = tmp_path_factory.mktemp("trees")
    (folder / "git").mkdir()
    rag = {"repositories": {"roots": [str(folder / "git")], "poll_s": 0}, "embedding": {"dense": "none"}}
    with running(settings_for(folder / "data", {"rag": rag})) as started:
        yield started, folder / "git"


@dataclass
class Model:
    """The working tree as it should be, by path, and what of it can't be indexed.

    Attributes:
        files: texts of files that are indexed.
        named: reasons of the others.
    """

    files: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)


class Play:
    """Makes commits at random, on two branches, and keeps the model of each."""

    def __init__(self, source: GitRepository, chance: random.Random) -> None:
        self.source, self.chance = source, chance
        self.branch = "main"
        self.models = {"main": Model()}
        self.before: dict[str, list[tuple[str, Model]]] = {"main": []}
        self.count = 0

    @property
    def model(self) -> Model:
        return self.models[self.branch]

    def commit(self) -> None:
        """Some changes, and a commit of them."""
        deeds = (
            *(self.add, self.add, self.add, self.edit, self.edit, self.delete, self.rename, self.rename_case),
            *(self.set_mode, self.link, self.submodule, self.pointer, self.replace_by_folder),
        )
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice(deeds)()
        self.source.git("commit", "--quiet", "--allow-empty", "-m", f"변경 {self.count}")
        self.source.clock += 60
        known = Model(dict(self.model.files), dict(self.model.named))
        self.before[self.branch].append((self.source.git("rev-parse", "HEAD"), known))

    def _text(self) -> str:
        self.count += 1
        word = self.chance.choice(WORDS)
        return (
            f'"""모듈 {self.count}: {word}."""\n\n\n'
            f"def {word}_{self.count}(value: int) -> int:\n"
            f"    # 한글 주석 {self.count}\n"
            f"    return value * {self.count}\n"
        )

    def _name(self) -> str:
        folder = self.chance.choice(["", "src/", "src/깊은/", "test/"])
        self.count += 1
        return f"{folder}{self.chance.choice(WORDS)}{self.count}.py"

    def _put(self, path: str, content: str) -> None:
        self.source.write({path: content})
        self.source.git("add", "--", path)

    def _any(self) -> str | None:
        return self.chance.choice(sorted(self.model.files)) if self.model.files else None

    def add(self) -> None:
        path, text = self._name(), self._text()
        self._put(path, text)
        self.model.files[path] = text

    def edit(self) -> None:
        if path := self._any():
            self.model.files[path] = self._text()
            self._put(path, self.model.files[path])

    def delete(self) -> None:
        every = sorted(self.model.files | self.model.named)
        if every:
            path = self.chance.choice(every)
            self.source.git("rm", "-q", "-f", "--cached", "--", path)
            self._clear(path)
            self.model.files.pop(path, None)
            self.model.named.pop(path, None)

    def _clear(self, path: str) -> None:
        found = self.source.folder / path
        if found.is_symlink() or found.is_file():
            found.unlink()

    def rename(self) -> None:
        if path := self._any():
            self._move(path, self._name())

    def rename_case(self) -> None:
        if path := self._any():
            folder, _, name = path.rpartition("/")
            self._move(path, f"{folder}/{name.swapcase()}".lstrip("/").replace(".PY", ".py"))

    def _move(self, path: str, to: str) -> None:
        if to == path or to in self.model.files or to in self.model.named:
            return
        text = self.model.files.pop(path)
        self.source.git("rm", "-q", "-f", "--cached", "--", path)
        self._clear(path)
        self._put(to, text)
        self.model.files[to] = text

    def set_mode(self) -> None:
        if path := self._any():
            self.source.git("update-index", "--chmod", self.chance.choice(["+x", "-x"]), "--", path)

    def link(self) -> None:
        path = self._name()
        target = self.source.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(self.chance.choice(["/etc/passwd", path.rpartition("/")[2], ".."]))
        self.source.git("add", "--", path)
        self.model.named[path] = "symlink"

    def submodule(self) -> None:
        self.count += 1
        path = f"sub{self.count}"
        commit = self.before["main"][0][0] if self.before["main"] else "1" * 40
        self.source.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        self.model.named[path] = "submodule"

    def pointer(self) -> None:
        path = self._name()
        self._put(path, LFS.format(digest=f"{self.count:064x}", size=self.count + 10_000))
        self.model.named[path] = "lfs_pointer"

    def replace_by_folder(self) -> None:
        """A file becomes a folder of its name."""
        path = self._any()
        if path is None:
            return
        self.source.git("rm", "-q", "-f", "--cached", "--", path)
        self._clear(path)
        del self.model.files[path]
        inside, text = f"{path}/inner.py", self._text()
        self._put(inside, text)
        self.model.files[inside] = text

    def force(self) -> None:
        """A forced push: back to an earlier commit."""
        if len(self.before[self.branch]) > 1:
            commit, known = self.chance.choice(self.before[self.branch][:-1])
            self.source.git("reset", "-q", "--hard", commit)
            self.models[self.branch] = Model(dict(known.files), dict(known.named))
            self.before[self.branch].append((commit, known))

    def switch(self) -> None:
        """To the other branch, made of this one where there is none."""
        other = "release" if self.branch == "main" else "main"
        if other not in self.models:
            self.source.git("branch", other)
            self.models[other] = Model(dict(self.model.files), dict(self.model.named))
            self.before[other] = list(self.before[self.branch])
        self.source.git("checkout", "-q", "-f", other)
        self.branch = other


class Mirrored:
    """The repository in the service, and everything that is kept of it."""

    def __init__(self, place: tuple[Running, Path], source: GitRepository) -> None:
        self.running = place[0]
        self.caller: Caller = self.running.caller()
        self.collection = self.caller.collection(kind="code")
        body = {"collection": self.collection, "url": str(source.folder), "name": NAME, "ref": "main"}
        self.id = UUID(self.caller.post("/api/v1/repositories", json=body).json()["repository"]["id"])

    def look(self, ref: str) -> None:
        address = f"/api/v1/repositories/{self.id}"
        self.caller.request("PATCH", address, json={"ref": ref})
        end = time.monotonic() + 120
        while (row := self._row()).job_id or row.wanted_at is not None:
            assert time.monotonic() < end, self.caller.get(address).text
            time.sleep(0.05)
        assert row.state == "ready", self.caller.get(address).text

    def _row(self) -> Repository:
        with self.running.services.rag.database.read() as session:
            return session.get_one(Repository, self.id)

    def check(self, model: Model) -> None:
        """Documents, texts, symbols, points and files on record are those of the model."""
        row = self._row()
        with self.running.services.rag.database.read() as session:
            files = {
                item.path: item
                for item in session.scalars(select(RepositoryFile).where(RepositoryFile.repository_id == self.id))
            }
            documents = {
                item.source_key: item
                for item in session.scalars(
                    select(Document).where(Document.collection_id == row.collection_id, Document.deleted_at.is_(None))
                )
            }
            active = {
                item.document_id: item
                for item in session.scalars(
                    select(DocumentVersion).where(
                        DocumentVersion.collection_id == row.collection_id,
                        DocumentVersion.state == VersionState.ACTIVE,
                    )
                )
            }
            inside = select(DocumentVersion.id).where(DocumentVersion.collection_id == row.collection_id)
            chunks = list(session.scalars(select(ChunkRow).where(ChunkRow.version_id.in_(inside))))
            symbols = list(session.scalars(select(CodeSymbol).where(CodeSymbol.collection_id == row.collection_id)))
        assert {path: item.reason for path, item in files.items() if item.reason} == model.named
        assert {path for path, item in files.items() if not item.reason} == model.files.keys()
        assert documents.keys() == {f"{NAME}/{path}" for path in model.files}
        assert active.keys() == {item.id for item in documents.values()}
        for path, text in model.files.items():
            self._check_file(path, text, files[path], active, chunks, symbols)
        assert {item.version_id for item in chunks} >= {item.id for item in active.values()}

    def _check_file(
        self, path: str, text: str, file: RepositoryFile, active: Any, chunks: list[ChunkRow], symbols: list[CodeSymbol]
    ) -> None:
        services = self.running.services
        assert file.document_id is not None
        version = active[file.document_id]
        own = [item for item in chunks if item.version_id == version.id]
        assert _original(services.rag.blobs, version.content_hash) == text
        for item in own:
            assert item.text in text
        assert "".join("".join(item.text.split()) for item in sorted(own, key=lambda item: item.ordinal)) == "".join(
            text.split()
        ), path
        assert services.ingest.pipeline.index.count(version.id) == len(own) == version.chunk_count
        defined = [line.partition("(")[0].removeprefix("def ") for line in text.splitlines() if line.startswith("def ")]
        assert {item.name for item in symbols if item.version_id == version.id} >= set(defined)
        # its anchor resolves: the commit that it names has this very text at this path
        mirror = mirror_at(services.rag.settings.mirror_folder(), self.id, NAME)
        assert (mirror.file(version.commit, path) or b"").decode() == text

    def check_index(self) -> None:
        """No point without a version, no version without its points, no original missing, once what is gone is purged."""
        end = time.monotonic() + 120
        while self._open_receipts():
            assert time.monotonic() < end
            time.sleep(0.1)
        report = maintenance.verify(self.running.services.ingest.pipeline)
        assert not report.missing and not report.orphaned and not report.lost_originals, report

    def _open_receipts(self) -> int:
        with self.running.services.rag.database.read() as session:
            open_ones = select(func.count()).select_from(DeletionReceipt).where(DeletionReceipt.purged_at.is_(None))
            return session.scalar(open_ones) or 0


def _original(blobs: BlobStore, content_hash: str) -> str:
    with blobs.local_copy(content_hash) as path:
        return path.read_text(encoding="utf-8")


def played(place: tuple[Running, Path], seed: int, looks: int) -> None:
    chance = random.Random(seed)
    source = GitRepository.new(place[1] / f"seed-{seed}")
    play = Play(source, chance)
    play.add()
    play.commit()
    mirrored = Mirrored(place, source)
    for _ in range(looks):
        for _ in range(chance.randint(1, COMMITS_PER_LOOK)):
            if chance.random() < 0.15:
                play.force()
            if chance.random() < 0.2:
                play.switch()
            play.commit()
        mirrored.look(play.branch)
        mirrored.check(play.model)
    mirrored.check_index()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_index_equals_the_tree_after_random_commits(place: tuple[Running, Path], seed: int) -> None:
    played(place, seed, looks=6)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(10, 16))
def test_the_index_equals_the_tree_after_many_random_commits(place: tuple[Running, Path], seed: int) -> None:
    played(place, seed, looks=25)
