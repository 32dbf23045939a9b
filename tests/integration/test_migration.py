"""Changing the model while the service answers: nothing fails, nothing is mixed, nothing is lost or doubled."""

from __future__ import annotations

import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.bootstrap import cut_rules
from ingest.pipeline import maintenance, migration
from ingest.pipeline import vectors as vector_file
from rag import bootstrap as rag_bootstrap
from rag.domain.document import Chunk
from rag.domain.errors import ConfigurationError, ModelAway, ModelUnusable, SeogoError
from rag.domain.principal import Scope
from rag.domain.vectors import TextVectors
from rag.embedding.known import KnownVectors
from rag.embedding.space import EmbeddingSpace
from rag.index import edge as edge_backend
from rag.index import memory as memory_backend
from rag.retrieval.spaces import LiveSpace, Spaces
from rag.settings import EmbeddingSettings
from tests.support.running import Caller, Running, running, settings_for
from tests.support.tagged_spaces import ASKED, MIXED, tagged_space, watched

SPACES = "/api/v1/admin/spaces"
OTHER = {"dense": "openai_http", "model": "second", "dimensions": 12}
THIRD = {"dense": "openai_http", "model": "third", "dimensions": 8}
"""As wide as the first: only the tag tells the two apart."""


@pytest.fixture(scope="module", autouse=True)
def tagged() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rag_bootstrap, "build_space", tagged_space)
        patched.setattr(memory_backend, "MemoryIndex", watched(memory_backend.MemoryIndex))
        patched.setattr(edge_backend, "EdgeIndex", watched(edge_backend.EdgeIndex))
        yield


@pytest.fixture(scope="class")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for the tests of a class."""
    with serving(tmp_path_factory.mktemp("shared"), "memory") as service:
        yield service


@pytest.fixture
def alone(shared: Running) -> Iterator[Running]:
    """The shared service; afterwards its current space stands alone again."""
    yield shared
    caller = operator(shared)
    if shared.services.rag.spaces.current.space.name != "hash+first":
        assert caller.post(f"{SPACES}/rollback").status_code == 200
    for space in caller.get(SPACES).json()["spaces"]:
        if space["state"] not in ("current", "dropped", "failed"):
            assert caller.delete(f"{SPACES}/{space['id']}").status_code == 200


@contextmanager
def serving(folder: Path, backend: str = "edge", **embedding: Any) -> Iterator[Running]:
    overrides = {
        "rag": {"index": {"backend": backend}, "embedding": embedding},
        "ingest": {"migration_share": 1.0, "upkeep_every_s": 1},
    }
    with running(settings_for(folder, overrides)) as service:
        yield service


def operator(service: Running) -> Caller:
    return service.caller(Scope.ADMIN, Scope.OPERATOR)


def text_of(number: int, edition: int = 1) -> str:
    return (
        f"# 규정 {number}\n\n낱말{number} 제{edition}판의 내용이다.\n\n## 휴가\n\n휴가{number} 신청은 사흘 전에 한다.\n"
    )


def build(caller: Caller, embedding: dict[str, Any]) -> dict[str, Any]:
    begun = caller.post(SPACES, json={"embedding": embedding})
    assert begun.status_code == 202, begun.text
    return wait_built(caller, begun.json()["id"])


def wait_built(caller: Caller, space_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (space := caller.get(f"{SPACES}/{space_id}").json())["state"] == "building":
        assert time.monotonic() < deadline, space
        time.sleep(0.05)
    return dict(space)


def differences(service: Running) -> list[tuple[str, list[Any], list[Any]]]:
    """Where any space differs from the record, once ingestion has settled."""
    pipeline = service.services.ingest.pipeline
    deadline = time.monotonic() + 30
    while not maintenance.verify(pipeline, timedelta(0)).healthy and time.monotonic() < deadline:
        time.sleep(0.1)
    found = []
    for target in pipeline.targets():
        pairs = list(target.index.versions_of())
        assert len({chunk for chunk, _ in pairs}) == len(pairs)
        difference = migration.difference(pipeline.database, target)
        found.append((target.id, difference.missing, difference.unwanted))
    return found


class Askers:
    """Threads that ask all the time; what failed is kept."""

    def __init__(self, caller: Caller, threads: int = 3) -> None:
        self.caller = caller
        self.failed: list[str] = []
        self.empty = 0
        self.asked = 0
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(threads)]

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        while not self._stop.is_set():
            question = {"question": f"휴가{number} 신청", "limit": 5}
            answer = self.caller.post("/api/v1/search", json=question)
            with self._guard:
                self.asked += 1
                if answer.status_code != 200:
                    self.failed.append(answer.text)
                elif not answer.json()["passages"]:
                    self.empty += 1


@pytest.mark.parametrize(
    ("backend", "target"),
    [("edge", THIRD), pytest.param("memory", OTHER, marks=pytest.mark.slow)],
    ids=["edge", "memory"],
)
def test_a_migration_under_load(tmp_path: Path, backend: str, target: dict[str, Any]) -> None:
    MIXED.clear()
    ASKED.clear()
    with serving(tmp_path, backend) as service:
        caller = operator(service)
        name = caller.collection()
        documents = caller.ingest(name, {f"{n}.md": text_of(n) for n in range(30)})
        first = service.services.rag.spaces.current
        with Askers(caller) as askers:
            begun = caller.post(SPACES, json={"embedding": target}).json()
            caller.upload(name, {f"new-{n}.md": text_of(100 + n) for n in range(5)})
            caller.upload(name, {f"{n}.md": text_of(n, 2) for n in range(10)})
            receipts = [caller.delete(f"/api/v1/documents/{item['id']}").json() for item in documents[20:23]]
            assert wait_built(caller, begun["id"])["state"] == "ready"
            [late] = caller.ingest(name, {"late.md": text_of(200)})
            began = time.perf_counter()
            switched = caller.post(f"{SPACES}/{begun['id']}/switch", json={"force": True})
            assert (switched.status_code, switched.json()["state"]) == (200, "current"), switched.text
            assert service.services.rag.spaces.current.id == begun["id"] != first.id
            assert time.perf_counter() - began < 5
            asked_before = ASKED[service.services.rag.space.name]
            caller.ingest(name, {"after.md": text_of(300), "3.md": text_of(3, 3)})
            caller.delete(f"/api/v1/documents/{late['id']}")
            assert ASKED[service.services.rag.space.name] > asked_before
            assert differences(service) == [(begun["id"], [], []), (first.id, [], [])]
            back = caller.post(f"{SPACES}/rollback")
            assert (back.status_code, back.json()["id"]) == (200, first.id)
            caller.ingest(name, {"once-more.md": text_of(400)})
            assert differences(service) == [(first.id, [], []), (begun["id"], [], [])]
        assert (askers.failed, askers.empty, dict(MIXED)) == ([], 0, {})
        assert askers.asked > 30
        for receipt in receipts:
            assert not any(caller.receipt(receipt["id"])["verified"].values())
        [found] = [item for item in caller.search("휴가400 신청") if item["source_key"] == "once-more.md"][:1]
        assert "휴가400" in found["text"]


def test_the_space_on_record_is_opened_again(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        caller = operator(service)
        caller.ingest(caller.collection(), {"a.md": text_of(1)})
        rag, rules = service.services.rag, service.services.ingest.settings
        assert cut_rules(rules, rag).tokenizer
        space = build(caller, OTHER)
        assert caller.post(f"{SPACES}/{space['id']}/switch", json={"force": True}).json()["forced"]
        assert not cut_rules(rules, rag).tokenizer  # that of the file's model would count for another one
    with serving(tmp_path) as service:  # the configuration file is the old one still
        assert service.services.rag.spaces.current.id == space["id"]
        assert service.services.rag.index.count() == 1
        before = operator(service).post(f"{SPACES}/rollback").json()
    with serving(tmp_path) as service:
        assert service.services.rag.spaces.current.id == before["id"]
    with pytest.raises(ConfigurationError, match="seogo index migrate"), serving(tmp_path, **THIRD):
        pass


def test_an_index_from_before_there_were_spaces_still_opens(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        caller = operator(service)
        caller.ingest(caller.collection(), {"a.md": text_of(1)})
        rag, first = service.services.rag, service.services.rag.spaces.current
        for version, name in [item for item in rag.blobs.derived_files() if item[1].startswith("vectors-")]:
            data = rag.blobs.get_derived(version, name)
            assert data is not None
            rag.blobs.put_derived(version, vector_file.FILE, data)
            rag.blobs.delete_derived(version, name)
    index = tmp_path / "index"
    for path in list((index / first.id).iterdir()):
        path.rename(index / path.name)
    (index / first.id).rmdir()
    with rag_bootstrap.open_database(settings_for(tmp_path).rag).engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM embedding_space")
    with serving(tmp_path) as service:
        caller, rag = operator(service), service.services.rag
        assert rag.index.count() == 1
        [row] = caller.get(SPACES).json()["spaces"]
        assert (row["id"], row["state"]) == (first.id, "current")
        space = build(caller, OTHER)
        caller.post(f"{SPACES}/{space['id']}/switch", json={"force": True})
        assert caller.delete(f"{SPACES}/{first.id}").status_code == 200
        kept = {name for _, name in rag.blobs.derived_files() if name.startswith("vectors")}
        assert kept == {vector_file.file_of(space["id"])}
        assert sorted(path.name for path in index.iterdir()) == sorted([space["id"], "lock"])
        assert differences(service) == [(space["id"], [], [])]
    with serving(tmp_path) as service:
        assert service.services.rag.index.count() == 1


@contextmanager
def blind(live: LiveSpace) -> Iterator[None]:
    """While the block runs, this space's index finds nothing."""
    live.index.search = lambda permit, legs, selection=None: {leg: [] for leg in legs}  # type: ignore[method-assign]
    try:
        yield
    finally:
        del live.index.search


def test_a_space_that_is_dropped_is_read_to_the_end(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        caller, spaces = operator(service), service.services.rag.spaces
        caller.ingest(caller.collection(), {"a.md": text_of(1)})
        first = spaces.current
        space = build(caller, OTHER)
        dropped: list[int] = []
        drop = threading.Thread(
            target=lambda: dropped.append(caller.delete(f"{SPACES}/{first.id}").status_code), daemon=True
        )
        with spaces.reading() as held:
            assert caller.post(f"{SPACES}/{space['id']}/switch", json={"force": True}).status_code == 200
            drop.start()
            while caller.get(f"{SPACES}/{first.id}").json()["state"] != "dropped":
                time.sleep(0.02)
            assert isinstance(held, LiveSpace) and held.index.count() == 1
            assert not dropped
        drop.join()
        assert dropped == [200]
        assert not (tmp_path / "index" / first.id).exists()
        assert spaces.current.id == space["id"]
        assert caller.post(f"{SPACES}/rollback").status_code == 409


def test_a_space_to_go_back_to_whose_model_was_changed_stops_no_document(tmp_path: Path) -> None:
    """It fails and is said to have, in the reader's language, and loses its index; documents go into the space that answers."""
    with serving(tmp_path) as service:
        caller = operator(service)
        caller.ingest(caller.collection(), {"a.md": text_of(1)})
        first, space = service.services.rag.spaces.current.id, build(caller, OTHER)
        assert caller.post(f"{SPACES}/{space['id']}/switch", json={"force": True}).status_code == 200
    with rag_bootstrap.open_database(settings_for(tmp_path).rag).engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE embedding_space SET fingerprint = 'of other weights' WHERE state = 'retired'"
        )
    with serving(tmp_path) as service:
        caller = operator(service)
        caller.ingest(caller.collection("다음"), {"b.md": text_of(2)})
        found = {item["id"]: item for item in caller.get(SPACES).json()["spaces"]}
        assert (found[first]["state"], found[space["id"]]["state"]) == ("failed", "current")
        reason = found[first]["error"]
        assert "seogo index migrate" in reason
        korean = caller.get(SPACES, headers={"Accept-Language": "ko"}).json()["spaces"]
        assert "다시 실행하세요" in next(item["error"] for item in korean if item["id"] == first)
        refused = caller.post(f"{SPACES}/rollback")
        assert refused.status_code == 409
        assert f"the space before it has failed: {reason}" in refused.text
        refused = caller.post(f"{SPACES}/rollback", headers={"Accept-Language": "ko"})
        assert "이전 공간이 실패했습니다." in refused.text and "the files" not in refused.text
        assert caller.post(f"{SPACES}/{first}/switch", json={"force": True}).status_code == 409
        assert differences(service) == [(space["id"], [], [])]
        wait_until(lambda: not (tmp_path / "index" / first).exists())


@contextmanager
def refusing(space: EmbeddingSpace, after: int) -> Iterator[None]:
    """While the block runs, this space embeds so many pieces and then refuses for good."""
    plain, asked = space.embed_chunks, iter(range(10**6))

    def embed(chunks: Sequence[Chunk], known: KnownVectors | None = None) -> list[TextVectors]:
        if next(asked) >= after:
            raise ConfigurationError(detail="the weights are gone")
        return plain(chunks, known)

    space.embed_chunks = embed  # type: ignore[method-assign]
    try:
        yield
    finally:
        del space.embed_chunks


def test_a_build_that_fails_leaves_no_index_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion reaches the spaces that are kept in step; a failed build is not, so nothing of it may stay."""
    monkeypatch.setattr(migration, "_GROUP_CHUNKS", 2)
    with serving(tmp_path) as service:
        caller, spaces = operator(service), service.services.rag.spaces
        caller.ingest(caller.collection(), {f"{n}.md": text_of(n) for n in range(4)})
        opened = spaces.open_space

        def failing(settings: EmbeddingSettings) -> EmbeddingSpace:
            made = opened(settings)
            stack.enter_context(refusing(made, after=1))
            return made

        with ExitStack() as stack:
            spaces.open_space = failing
            failed = build(caller, OTHER)
        spaces.open_space = opened
        assert failed["state"] == "failed" and failed["done"] > 0, failed
        place = tmp_path / "index" / failed["id"]
        wait_until(lambda: not place.exists())
        assert caller.get(f"{SPACES}/{failed['id']}").json()["state"] == "failed"
        assert build(caller, OTHER)["state"] == "ready"
        assert place.exists() and [found[1:] for found in differences(service)] == [([], []), ([], [])]
    with rag_bootstrap.open_database(settings_for(tmp_path).rag).engine.begin() as connection:
        connection.exec_driver_sql("UPDATE embedding_space SET state = 'failed' WHERE state = 'ready'")
    with serving(tmp_path):  # killed between the record and the index
        wait_until(lambda: not place.exists())


@contextmanager
def answering(spaces: Spaces, errors: list[SeogoError]) -> Iterator[None]:
    """While the block runs, a space that is opened fails with these errors, one an attempt, before it embeds."""
    opened = spaces.open_space

    def failing(settings: EmbeddingSettings) -> EmbeddingSpace:
        made = opened(settings)
        plain = made.embed_chunks

        def embed(chunks: Sequence[Chunk], known: KnownVectors | None = None) -> list[TextVectors]:
            if errors:
                raise errors[0]
            return plain(chunks, known)

        made.embed_chunks = embed  # type: ignore[method-assign]
        return made

    spaces.open_space = failing
    try:
        yield
    finally:
        spaces.open_space = opened


def test_a_build_says_what_it_waits_for(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        caller, spaces = operator(service), service.services.rag.spaces
        caller.ingest(caller.collection(), {"a.md": text_of(1)})
        errors: list[SeogoError] = [ModelAway(name="second")]
        with answering(spaces, errors):
            begun = caller.post(SPACES, json={"embedding": OTHER}).json()
            address = f"{SPACES}/{begun['id']}"
            wait_until(lambda: caller.get(address).json()["error"] != "")
            waiting = caller.get(address, headers={"Accept-Language": "ko"}).json()
            assert waiting["state"] == "building" and "서버에 지금 연결할 수 없습니다" in waiting["error"], waiting
            errors.clear()
            built = wait_built(caller, begun["id"])
        assert (built["state"], built["error"]) == ("ready", "")


def test_a_server_that_gives_what_can_not_be_used_is_refused_at_once(tmp_path: Path) -> None:
    """Before anything is on record: with a space that can't be written to beside it, no upload would come through."""
    with serving(tmp_path) as service:
        caller, spaces = operator(service), service.services.rag.spaces
        opened = spaces.open_space

        def failing(settings: EmbeddingSettings) -> EmbeddingSpace:
            made = opened(settings)

            def warm_up() -> None:
                raise ModelUnusable(name="second", detail="a vector of 7 numbers", detail_ko="벡터의 크기가 7입니다")

            made.warm_up = warm_up  # type: ignore[method-assign]
            return made

        spaces.open_space = failing
        refused = caller.post(SPACES, json={"embedding": OTHER}, headers={"Accept-Language": "ko"})
        spaces.open_space = opened
        assert (refused.status_code, refused.json()["code"]) == (502, "model_unusable"), refused.text
        assert "벡터의 크기가 7입니다" in refused.json()["title"]
        assert [space["state"] for space in caller.get(SPACES).json()["spaces"]] == ["current"]
        assert caller.ingest(caller.collection(), {"a.md": text_of(1)})


def wait_until(true: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class TestOneService:
    def test_quality_decides_about_the_switch(self, alone: Running) -> None:
        service = alone
        caller = operator(service)
        name = caller.collection()
        caller.ingest(name, {f"{n}.md": text_of(n) for n in range(12)})
        space = build(caller, OTHER)
        address = f"{SPACES}/{space['id']}"
        refused = caller.post(f"{address}/switch", json={})
        assert (refused.status_code, refused.json()["code"]) == (409, "switch_refused")
        refused = caller.post(f"{address}/switch", json={}, headers={"Accept-Language": "ko"})
        assert "비교하지 않았고" in refused.text and "compared" not in refused.text
        unlabelled = caller.post(f"{address}/comparison", json={"questions": [{"question": "휴가1 신청"}]}).json()
        assert unlabelled["comparison"]["labelled"] == 0
        assert 0 < unlabelled["comparison"]["overlap"] <= 1
        assert "--force" not in caller.post(f"{address}/switch", json={}).text
        assert caller.post(f"{address}/switch", json={}).status_code == 409
        questions = [{"question": f"휴가{n} 신청", "documents": [f"{n}.md"]} for n in range(12)]
        measured = caller.post(f"{address}/comparison", json={"questions": questions}).json()["comparison"]
        assert measured["labelled"] == 12, measured
        assert measured["ndcg_before"] > 0.5
        assert measured["drop"] == pytest.approx(measured["ndcg_before"] - measured["ndcg_after"])
        target = next(live for live in service.services.ingest.pipeline.targets() if live.id == space["id"])
        with blind(target):
            worse = caller.post(f"{address}/comparison", json={"questions": questions}).json()["comparison"]
        assert worse["drop"] > 0.4 and worse["drop_low"] > 0.01 and worse["worse"] == 1.0, worse
        refused = caller.post(f"{address}/switch", json={"max_drop": 0.01})
        assert refused.status_code == 409 and "0.0100" in refused.json()["title"]
        assert service.services.rag.spaces.current.id != space["id"]
        switched = caller.post(f"{address}/switch", json={"max_drop": 0.01, "force": True}).json()
        assert (switched["state"], switched["forced"]) == ("current", True)

    def test_names_that_fit_no_document_are_no_reason_to_switch(self, alone: Running) -> None:
        caller = operator(alone)
        caller.ingest(caller.collection(), {f"보존{n}.md": text_of(n) for n in range(4)})
        space = build(caller, OTHER)
        address = f"{SPACES}/{space['id']}"
        gone = [{"question": f"휴가{n} 신청", "documents": [f"없는 규정 {n}"]} for n in range(4)]
        measured = caller.post(f"{address}/comparison", json={"questions": gone}).json()["comparison"]
        assert (measured["labelled"], measured["left_out"], measured["unknown"][0]) == (0, 4, "없는 규정 0")
        refused = caller.post(f"{address}/switch", json={})
        assert (refused.status_code, refused.json()["code"]) == (409, "switch_refused"), refused.text
        assert "없는 규정 3" in refused.text
        refused = caller.post(f"{address}/switch", json={}, headers={"Accept-Language": "ko"})
        assert "등록되어 있지 않아" in refused.text and "record" not in refused.text

    def test_documents_are_named_as_for_an_evaluation(self, alone: Running) -> None:
        """A file name without its ending, or as macOS spells it, counts like the key."""
        caller = operator(alone)
        caller.ingest(caller.collection(), {f"휴가규정{n}.md": text_of(n) for n in range(4)})
        space = build(caller, OTHER)
        names = ["휴가규정0", "휴가규정1.md", unicodedata.normalize("NFD", "휴가규정2.md"), "없음"]
        questions = [{"question": f"휴가{n} 신청", "documents": [name]} for n, name in enumerate(names)]
        measured = caller.post(f"{SPACES}/{space['id']}/comparison", json={"questions": questions}).json()["comparison"]
        assert (measured["labelled"], measured["left_out"], measured["unknown"]) == (3, 1, ["없음"])
        assert measured["ndcg_before"] > 0.5

    def test_the_better_space_is_switched_to_without_force(self, alone: Running) -> None:
        service = alone
        caller = operator(service)
        caller.ingest(caller.collection(), {f"{n}.md": text_of(n) for n in range(3)})
        first = service.services.rag.spaces.current
        space = build(caller, OTHER)
        questions = [{"question": f"휴가{n} 신청", "documents": [f"{n}.md"]} for n in range(3)]
        with blind(first):
            caller.post(f"{SPACES}/{space['id']}/comparison", json={"questions": questions})
        switched = caller.post(f"{SPACES}/{space['id']}/switch", json={}).json()
        assert (switched["state"], switched["forced"], switched["previous"]) == ("current", False, first.id)

    def test_verify_sees_a_space_that_has_fallen_behind(self, alone: Running) -> None:
        caller, pipeline = operator(alone), alone.services.ingest.pipeline
        caller.ingest(caller.collection(), {"a.md": text_of(1)})
        space = build(caller, OTHER)
        assert maintenance.verify(pipeline, timedelta(0)).spaces_behind == []
        target = next(live for live in pipeline.targets() if live.id == space["id"])
        target.index.delete_versions([next(target.index.versions_of())[1]])
        found = maintenance.verify(pipeline, timedelta(0))
        assert (found.spaces_behind, found.missing, found.healthy) == ([space["id"]], [], False)
        refused = caller.post(f"{SPACES}/{space['id']}/switch", json={"force": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "space_conflict")

    def test_what_is_refused(self, alone: Running) -> None:
        service = alone
        caller = operator(service)
        caller.ingest(caller.collection(), {"a.md": text_of(1)})
        first = service.services.rag.spaces.current.id

        def refused(method: str, path: str, body: Any = None) -> tuple[int, str]:
            answer = caller.request(method, f"{SPACES}{path}", json=body)
            return answer.status_code, answer.json()["code"]

        assert refused("POST", "/rollback") == (409, "space_conflict")
        assert refused("DELETE", f"/{first}") == (409, "space_conflict")
        assert refused("POST", f"/{first}/switch", {"force": True}) == (409, "space_conflict")
        assert refused("POST", "/000000000000/switch", {"force": True}) == (404, "space_not_found")
        assert refused("DELETE", "/000000000000") == (404, "space_not_found")
        assert refused("GET", "/000000000000") == (404, "space_not_found")
        same = service.services.rag.settings.embedding.model_dump(mode="json")
        assert refused("POST", "", {"embedding": same}) == (409, "space_conflict")
        assert refused("POST", "", {"embedding": {"dense": "nothing"}}) == (422, "invalid_request")
        space = build(caller, OTHER)
        assert caller.post(SPACES, json={"embedding": OTHER}).json()["state"] == "ready"
        assert refused("POST", "", {"embedding": THIRD}) == (409, "space_conflict")
        assert caller.delete(f"{SPACES}/{space['id']}").json()["state"] == "dropped"
        assert build(caller, THIRD)["state"] == "ready"

    def test_only_the_operator_manages_spaces(self, alone: Running) -> None:
        service = alone
        first = service.services.rag.spaces.current.id
        requests: list[tuple[str, str, Any]] = [
            ("GET", "", None),
            ("POST", "", {"embedding": OTHER}),
            ("GET", f"/{first}", None),
            ("POST", f"/{first}/comparison", {"questions": [{"question": "x"}]}),
            ("POST", f"/{first}/switch", {"force": True}),
            ("POST", "/rollback", None),
            ("DELETE", f"/{first}", None),
        ]
        limited = service.key(Scope.OPERATOR, collections=[])
        for scopes in ((Scope.READ,), (Scope.WRITE,), (Scope.ADMIN,)):
            caller = service.caller(*scopes)
            for method, path, body in requests:
                answer = caller.request(method, f"{SPACES}{path}", json=body)
                assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted"), (scopes, method, path)
        for method, path, body in requests:
            answer = Caller(service, {"Authorization": f"Bearer {limited}"}).request(
                method, f"{SPACES}{path}", json=body
            )
            assert answer.status_code == 403, (method, path)
        alone = service.caller(Scope.OPERATOR)
        assert alone.get(SPACES).status_code == 200
        assert alone.get("/api/v1/collections").status_code == 403
        assert first in {item["id"] for item in alone.get(SPACES).json()["spaces"]}

    def test_a_comparison_asks_in_the_callers_own_tenant(self, alone: Running) -> None:
        service = alone
        owner, stranger = operator(service), operator(service)
        name = owner.collection()
        owner.ingest(name, {"vault.md": text_of(7)})
        space = build(stranger, OTHER)
        body = {"questions": [{"question": "휴가7 신청", "documents": ["vault.md"]}]}
        found = stranger.post(f"{SPACES}/{space['id']}/comparison", json=body).json()["comparison"]
        assert (found["ndcg_before"], found["ndcg_after"], found["overlap"]) == (0, 0, 0)
        named = stranger.post(f"{SPACES}/{space['id']}/comparison", json={**body, "collections": [name]})
        assert named.status_code == 404
        found = owner.post(f"{SPACES}/{space['id']}/comparison", json=body).json()["comparison"]
        assert found["ndcg_before"] == 1
