"""Random commits against a model: after each look documents, texts, symbols and points are those of the tree, and no others."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from ingest.pipeline import maintenance
from rag.blobs.store import BlobStore
from rag.domain.principal import Scope
from rag.mirrors.keeping import standing_for
from rag.mirrors.mirror import mirror_at
from rag.mirrors.path_patterns import PathPatterns
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
CLOSED = ("", "src/", "/test/", "*.md", "*")
"""Paths that a rule closes to a reader at times; none for the empty one."""
WORDS = ("fare", "login", "limit", "branch", "ledger", "account", "settle", "report")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    folder = tmp_path_factory.mktemp("trees")
    (folder / "git").mkdir()
    rag = {"repositories": {"roots": [str(folder / "git")], "poll_s": 0}, "embedding": {"dense": "none"}}
    with running(settings_for(folder / "data", {"rag": rag})) as started:
        yield started, folder / "git"


class File(NamedTuple):
    """A file that is indexed.

    Attributes:
        content: its bytes.
        text: what they say, in whatever encoding; of a program all of it stands in chunks.
        program: whether it is source code, which the bulk lane takes; what is none goes the ordinary way.
    """

    content: bytes
    text: str
    program: bool = True

    @property
    def defined(self) -> set[str]:
        """The names that it defines."""
        heads = [line.partition("(")[0] for line in self.text.splitlines() if self.program and line.startswith("def ")]
        return {head.removeprefix("def ") for head in heads}


@dataclass
class Model:
    """The working tree as it should be, by path, and what of it can't be indexed.

    Attributes:
        files: those that are indexed.
        named: reasons of the others.
    """

    files: dict[str, File] = field(default_factory=dict)
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
            *(self.add_page, self.edit_page),
        )
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice(deeds)()
        self.source.git("commit", "--quiet", "--allow-empty", "-m", f"변경 {self.count}")
        self.source.clock += 60
        known = Model(dict(self.model.files), dict(self.model.named))
        self.before[self.branch].append((self.source.git("rev-parse", "HEAD"), known))

    def _file(self) -> File:
        """A program in UTF-8, as Korean editors for Windows write it, or with a byte that no encoding explains."""
        self.count += 1
        word = self.chance.choice(WORDS)
        text = (
            f'"""모듈 {self.count}: {word}."""\n\n\n'
            f"def {word}_{self.count}(value: int) -> int:\n"
            f"    # 한글 주석 {self.count}\n"
            f"    return value * {self.count}\n"
        )
        encoding = self.chance.choice(("utf-8", "utf-8", "cp949", "broken"))
        if encoding != "broken":
            return File(text.encode(encoding), text)
        line = f"# {'x' * 300} "
        return File(f"{text}{line}".encode() + b"\xff\n", f"{text}{line}\ufffd\n")

    def _page(self) -> File:
        self.count += 1
        text = f"# 안내 {self.count}\n\n{self.chance.choice(WORDS)} 화면의 {self.count}번째 안내문이다.\n"
        return File(text.encode(), f"{self.count}번째", program=False)

    def _name(self) -> str:
        folder = self.chance.choice(["", "src/", "src/깊은/", "test/"])
        self.count += 1
        return f"{folder}{self.chance.choice(WORDS)}{self.count}.py"

    def _put(self, path: str, content: str | bytes) -> None:
        self.source.write({path: content})
        self.source.git("add", "--", path)

    def _any(self, *, program: bool = True) -> str | None:
        found = sorted(path for path, file in self.model.files.items() if file.program is program)
        return self.chance.choice(found) if found else None

    def add(self) -> None:
        self._set(self._name(), self._file())

    def add_page(self) -> None:
        self._set(self._name().replace(".py", ".md"), self._page())

    def _set(self, path: str, file: File) -> None:
        self._put(path, file.content)
        self.model.files[path] = file

    def edit(self) -> None:
        if path := self._any():
            self._set(path, self._file())

    def edit_page(self) -> None:
        if path := self._any(program=False):
            self._set(path, self._page())

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
        file = self.model.files.pop(path)
        self.source.git("rm", "-q", "-f", "--cached", "--", path)
        self._clear(path)
        self._set(to, file)

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
        self._set(f"{path}/inner.py", self._file())

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
        tenant = f"t-{uuid4().hex[:8]}"
        self.caller: Caller = self.running.caller(tenant=tenant)
        self.reader = self.running.caller(Scope.READ, tenant=tenant)
        self.collection = self.caller.collection(kind="code")
        body = {"collection": self.collection, "url": str(source.folder), "name": NAME, "ref": "main"}
        self.id = UUID(self.caller.post("/api/v1/repositories", json=body).json()["repository"]["id"])
        self.caller.post("/api/v1/groups", json={"name": "인사팀"})

    def look(self, ref: str, closed: str) -> None:
        """Look at a branch, with these paths closed to the reader."""
        address = f"/api/v1/repositories/{self.id}"
        rules = [{"paths": closed, "access": {"allow": ["group:인사팀"]}}] if closed else []
        answer = self.caller.request("PATCH", address, json={"ref": ref, "options": {"path_rules": rules}})
        assert answer.status_code == 200, answer.text
        end = time.monotonic() + 120
        while (row := self._row()).job_id or row.wanted_at is not None:
            assert time.monotonic() < end, self.caller.get(address).text
            time.sleep(0.05)
        assert row.state == "ready", self.caller.get(address).text
        if files := self._files(self.caller):
            told = self.caller.wait([item["document_id"] for item in files])
            failed = [item for item in told if item["version"]["state"] != "active"]
            assert not failed, [(item["source_key"], item["version"]["failure"]) for item in failed]

    def _files(self, caller: Caller) -> list[Any]:
        found = caller.get(f"/api/v1/repositories/{self.id}/files", params={"limit": 500})
        assert found.status_code == 200, found.text
        return list(found.json()["files"])

    def check_reader(self, model: Model, closed: str) -> None:
        """Who is held back from some paths is told of all others, and finds nothing of these."""
        open_ones = {path for path in model.files if not (closed and PathPatterns([closed]).matches(path))}
        assert {item["path"] for item in self._files(self.reader)} == open_ones
        found = self.reader.search("모듈 한글 주석 안내 화면", limit=50)
        assert {item["source_key"].removeprefix(f"{NAME}/") for item in found} <= open_ones

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
        for path, wanted in model.files.items():
            self._check_file(path, wanted, files[path], active, chunks, symbols)
        assert {item.version_id for item in chunks} >= {item.id for item in active.values()}

    def _check_file(
        self,
        path: str,
        wanted: File,
        file: RepositoryFile,
        active: Any,
        chunks: list[ChunkRow],
        symbols: list[CodeSymbol],
    ) -> None:
        services = self.running.services
        assert file.document_id is not None
        version = active[file.document_id]
        own = [item for item in chunks if item.version_id == version.id]
        assert _original(services.rag.blobs, version.content_hash) == wanted.content
        told = "".join("".join(item.text.split()) for item in sorted(own, key=lambda item: item.ordinal))
        if wanted.program:
            assert all(item.text in wanted.text for item in own)
            assert told == "".join(wanted.text.split()), path
        else:
            assert wanted.text in told, path
        assert services.ingest.pipeline.index.count(version.id) == len(own) == version.chunk_count
        assert {item.name for item in symbols if item.version_id == version.id} == wanted.defined, path
        # its anchor resolves: the commit that it names has these very bytes at this path
        mirror = mirror_at(services.rag.settings.mirror_folder(), self.id, NAME)
        assert mirror.file(standing_for(mirror, version.commit), path) == wanted.content

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


def _original(blobs: BlobStore, content_hash: str) -> bytes:
    with blobs.local_copy(content_hash) as path:
        return path.read_bytes()


def played(place: tuple[Running, Path], seed: int, looks: int) -> None:
    chance = random.Random(seed)
    source = GitRepository.new(place[1] / f"seed-{seed}")
    play = Play(source, chance)
    play.add()
    play.commit()
    mirrored = Mirrored(place, source)
    closed = ""
    for _ in range(looks):
        for _ in range(chance.randint(1, COMMITS_PER_LOOK)):
            if chance.random() < 0.15:
                play.force()
            if chance.random() < 0.2:
                play.switch()
            play.commit()
        if chance.random() < 0.4:
            closed = chance.choice(CLOSED)
        mirrored.look(play.branch, closed)
        mirrored.check(play.model)
        mirrored.check_reader(play.model, closed)
    mirrored.check_index()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_index_equals_the_tree_after_random_commits(place: tuple[Running, Path], seed: int) -> None:
    played(place, seed, looks=6)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(10, 16))
def test_the_index_equals_the_tree_after_many_random_commits(place: tuple[Running, Path], seed: int) -> None:
    played(place, seed, looks=25)
