"""What is told of a repository's history, and to whom; and answers about what changed between two tags."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from rag.answering import change_answers
from rag.answering.change_answers import ChangeAnswerer
from rag.answering.change_questions import asked_paths, readings
from rag.answering.changes import History
from rag.answering.code_answers import CodeAnswerer
from rag.answering.log import Recording, Surface
from rag.answering.rendering import render
from rag.answering.replay import Replayer
from rag.answering.service import Answerer, AnswerOutcome, Asked
from rag.answering.symbol_answers import SymbolAnswerer
from rag.domain.access import AccessRule, user
from rag.domain.anchor import LineAnchor
from rag.domain.code import FileChange
from rag.domain.errors import DocumentNotFound, InvalidRequest, RefNotFound, RepositoryNotFound
from rag.domain.principal import Permit
from rag.generation.extractive import ExtractiveGenerator
from rag.mirrors import comparing
from rag.mirrors.hunks import hunks_of
from rag.mirrors.keeping import keep
from rag.retrieval.code_navigation import CodeNavigator
from rag.store import access_rule
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document
from tests.support.git_tree import GitTree
from tests.support.questions import ANALYZER, READER
from tests.support.shelf import Shelf
from tests.support.shelf import shelf as empty_shelf
from tests.support.stores import migrated
from tests.support.tagged_repository import LOGIN_NEW, LOGIN_OLD, commit, git, indexed, mirrored, working_tree

KOREAN = "1.4와 1.5 사이에 로그인 흐름이 어떻게 바뀌었나?"
ENGLISH = "What changed in the login between v1.4 and v1.5?"


@dataclass
class World:
    shelf: Shelf
    history: History
    source: Path
    collection: Collection
    repository: UUID
    documents: dict[str, UUID]

    @property
    def permit(self) -> Permit:
        return self.shelf.permit()

    @property
    def changes(self) -> ChangeAnswerer:
        return ChangeAnswerer(self.history, self.shelf.retriever, READER, ANALYZER)

    @property
    def answerer(self) -> Answerer:
        quoting = ExtractiveGenerator(READER.terms_of)
        retriever = self.shelf.retriever
        symbols = SymbolAnswerer(retriever.database, CodeNavigator(retriever.database, retriever), retriever, READER)
        return Answerer(retriever, READER, quoting, 5, code=CodeAnswerer(self.changes, symbols))

    def answer(self, question: str, permit: Permit | None = None) -> AnswerOutcome:
        return asyncio.run(self.answerer.complete(permit or self.permit, Asked(question, 8)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("changes")
    shelf = empty_shelf(migrated(f"sqlite:///{folder / 'store.sqlite'}"))
    source = working_tree(folder / "payments")
    collection = shelf.collection("코드", kind="code")
    history = History(shelf.database, folder / "mirrors")
    repository, documents = indexed(shelf, collection, history.mirrors, source)
    with shelf.database.write() as session:
        readers = AccessRule(allow=frozenset({user(UUID(int=4711))}))
        access_rule.set_own_rule(session, session.get_one(Document, documents["hr/salary.py"]), readers)
    yield World(shelf, history, source, collection, repository, documents)
    shelf.database.close()


def _delete(world: World, key: str) -> None:
    """A document of a file that is no longer in the tree."""
    identity = world.shelf.add_code(world.collection, key, "x = 1")
    with world.shelf.database.write() as session:
        session.get_one(Document, identity).deleted_at = utc_now()


@pytest.fixture(scope="module", autouse=True)
def deleted(world: World) -> None:
    _delete(world, "payments/src/old_name.py")


# Hunks


def test_a_hunk_has_both_sides_with_their_numbers() -> None:
    [hunk] = hunks_of("@@ -3,4 +3,5 @@ def f\n a\n-b\n+c\n+d\n e\n f\n")
    assert (hunk.before.first, hunk.before.lines, hunk.before.changed) == (3, ("a", "b", "e", "f"), (4,))
    assert (hunk.after.first, hunk.after.lines, hunk.after.changed) == (3, ("a", "c", "d", "e", "f"), (4, 5))
    assert hunk.after.runs == ((4, 5),)


def test_a_line_that_was_cut_off_is_left_out() -> None:
    [hunk] = hunks_of("@@ -1,2 +1,2 @@\n-ab\n+ab\n ccc cut o")
    assert hunk.after.lines == ("ab",)


def test_a_line_that_looks_like_the_head_of_a_hunk_is_a_line() -> None:
    [hunk] = hunks_of("@@ -1,1 +1,2 @@\n a\n+@@ -1,1 +1,1 @@\n\\ No newline at end of file\n")
    assert hunk.after.lines == ("a", "@@ -1,1 +1,1 @@")


# Comparisons


def test_a_comparison_tells_what_the_permit_covers(world: World) -> None:
    found = world.history.compare(world.permit, world.repository, "1.4", "1.5")
    told = {item.change.path: (item.change.status, item.change.before) for item in found.files}
    # salary.py is not the reader's, gone.py never was a document; neither is counted
    assert told == {
        "src/login.py": ("modified", ""),
        "src/report.py": ("modified", ""),
        "src/new_name.py": ("renamed", "src/old_name.py"),
    }
    assert [item.message.partition("\n")[0] for item in found.commits] == [
        "보고서 정렬, 이름 바꾸기",
        "로그인에 2단계 인증을 더한다",
    ]
    assert (found.before.name, found.after.name) == ("v1.4", "v1.5")
    assert not (found.more_files or found.more_commits)


def test_lines_of_both_sides_are_those_of_the_files(world: World) -> None:
    found = world.history.compare(world.permit, world.repository, "v1.4", "v1.5", path="src/login.py")
    [file] = found.files
    for hunk in hunks_of(file.change.patch):
        for side, text in ((hunk.before, LOGIN_OLD), (hunk.after, LOGIN_NEW)):
            assert list(side.lines) == text.split("\n")[side.first - 1 : side.last]


def test_a_moved_file_is_told_only_to_who_may_read_both_names(world: World) -> None:
    key = "payments/src/old_name.py"
    rows = world.history.compare(world.permit, world.repository, "1.4", "1.5", path="src/new_name.py")
    assert len(rows.files) == 1
    with world.shelf.database.write() as session:
        row = session.query(Document).filter_by(source_key=key).one()
        access_rule.set_own_rule(session, row, AccessRule(allow=frozenset({user(UUID(int=4711))})))
    assert not world.history.compare(world.permit, world.repository, "1.4", "1.5", path="src/new_name.py").files
    with world.shelf.database.write() as session:
        access_rule.set_own_rule(session, session.query(Document).filter_by(source_key=key).one(), AccessRule())
    assert world.history.compare(world.permit, world.repository, "1.4", "1.5", path="src/new_name.py").files


def test_a_file_that_somebody_deleted_while_it_is_there_is_not_told_of(world: World) -> None:
    with world.shelf.database.write() as session:
        session.get_one(Document, world.documents["src/report.py"]).deleted_at = utc_now()
    try:
        found = world.history.compare(world.permit, world.repository, "1.4", "1.5", path="src/report.py")
        assert not found.files and not found.commits
        with pytest.raises(DocumentNotFound):
            world.history.file(world.permit, world.repository, "src/report.py", commit="v1.4")
    finally:
        with world.shelf.database.write() as session:
            session.get_one(Document, world.documents["src/report.py"]).deleted_at = None


def test_another_tenant_sees_no_repository(world: World) -> None:
    with pytest.raises(RepositoryNotFound):
        world.history.compare(world.shelf.permit(tenant="다른 은행"), world.repository, "1.4", "1.5")


@pytest.mark.parametrize("name", ["9.9", "--upload-pack=x", "v1.4\0", "HEAD~1", "0" * 40, ":/로그인"])
def test_what_is_no_state_is_not_found(world: World, name: str) -> None:
    with pytest.raises(RefNotFound):
        world.history.compare(world.permit, world.repository, name, "1.5")


def test_what_a_forced_push_took_away_is_gone(world: World, tmp_path: Path) -> None:
    source = working_tree(tmp_path / "payments")
    secret = commit(source, {"src/login.py": "PASSWORD = 'geheim'\n"}, "oops")
    mirror = mirrored(tmp_path / "mirrors", UUID(int=9), source, "payments")
    assert comparing.state(mirror, secret[:10])[1] == secret
    keep(mirror, secret)
    before = mirror.resolve(f"{secret}^")
    git(mirror.folder, "update-ref", "refs/heads/main", f"{secret}^")
    for beside in ((), (before,)):  # kept for a version, which is not of the file that is asked for
        with pytest.raises(RefNotFound):
            comparing.state(mirror, secret, indexed=before, named_by=beside)
    assert comparing.state(mirror, secret, named_by=(secret,))[1] == secret
    git(mirror.folder, "update-ref", "-d", "refs/heads/main")
    git(mirror.folder, "tag", "-d", "v1.5", "v1.4")
    assert comparing.state(mirror, before, indexed=secret)[1] == before, "what the index holds leads there still"
    with pytest.raises(RefNotFound):
        comparing.state(mirror, before, named_by=(secret,))


def test_lines_of_korean_editors_are_read(world: World, tmp_path: Path) -> None:
    source = working_tree(tmp_path / "payments")
    commit(source, {"a.py": "# 로그인 시도\nA = 1\n".encode("cp949")}, "cp949", tag="v1.6")
    commit(source, {"a.py": "# 로그인 시도\nA = 2\n".encode("cp949")}, "cp949", tag="v1.7")
    mirror = mirrored(tmp_path / "mirrors", UUID(int=9), source, "payments")
    changes = mirror.changes(mirror.resolve("v1.6"), mirror.resolve("v1.7"))
    [change] = comparing.patches(mirror, mirror.resolve("v1.6"), mirror.resolve("v1.7"), changes, most=1000)
    assert " # 로그인 시도\n-A = 1\n+A = 2\n" in change.patch


# Files and commits


def test_a_place_is_resolved_at_its_commit(world: World) -> None:
    found = world.history.file(world.permit, world.repository, "src/login.py", commit="1.4", first=3, last=4)
    assert (found.lines, found.total, found.anchor) == (("MAX_FAILURES = 5", "LIMIT = 3_000_000"), 11, LineAnchor(3, 4))
    newest = world.history.file(world.permit, world.repository, "src/login.py")
    assert "\n".join(newest.lines) + "\n" == LOGIN_NEW


@pytest.mark.parametrize("path", ["hr/salary.py", "src/gone.py", "src/none.py", "../login.py", "src", "*"])
def test_what_the_permit_does_not_cover_is_not_there(world: World, path: str) -> None:
    with pytest.raises(DocumentNotFound):
        world.history.file(world.permit, world.repository, path, commit="1.4")


def test_lines_that_are_not_there_are_refused(world: World) -> None:
    with pytest.raises(InvalidRequest):
        world.history.file(world.permit, world.repository, "src/login.py", first=10, last=500)


def test_a_commit_is_told_to_who_may_read_something_of_it(world: World) -> None:
    login, salary = (
        next(c.hash for c in world.history.mirror(world.repository, "payments").log(_head(world)) if words in c.message)
        for words in ("2단계", "임금")
    )
    found = world.history.commit(world.permit, world.repository, login[:12])
    assert (found.paths, found.commit.author) == (("src/login.py",), "김개발")
    with pytest.raises(RefNotFound):
        world.history.commit(world.permit, world.repository, salary)


def _head(world: World) -> str:
    return world.history.mirror(world.repository, "payments").resolve("v1.5")


# Questions


@pytest.mark.parametrize(
    ("question", "before", "after"),
    [
        (KOREAN, "1.4", "1.5"),
        (ENGLISH, "v1.4", "v1.5"),
        ("버전 1.4에서 1.5로 오면서 바뀐 로그인 코드는?", "1.4", "1.5"),
        ("v1.4과 v1.5의 차이를 알려줘", "v1.4", "v1.5"),
        ("`1.4` 태그와 `1.5` 태그를 비교해줘", "1.4", "1.5"),
        ("how does login differ from 1.4 to 1.5?", "1.4", "1.5"),
        ("diff 1.4..1.5 login", "1.4", "1.5"),
        ("1.4 이후 로그인이 어떻게 달라졌나", "1.4", ""),
        ("what changed since v1.4 in login?", "v1.4", ""),
        ("1.5에서 바뀐 점은?", "", "1.5"),
        ("What's new in 1.5?", "", "1.5"),
    ],
)
def test_states_are_read_in_both_languages(question: str, before: str, after: str) -> None:
    first = next(readings(question))
    assert (first.before, first.after) == (before, after)


@pytest.mark.parametrize(
    "question", ["연차휴가는 며칠인가요?", "1.4와 1.5 중 어느 것을 쓰나요?", "where is login used?"]
)
def test_other_questions_are_none_of_them(question: str) -> None:
    assert next(readings(question), None) is None


@pytest.mark.parametrize(
    "question", ["수정된 규정과 이전 규정의 차이는?", "what changed in the travel policy in 2024?"]
)
def test_words_that_name_no_ref_are_an_ordinary_question(world: World, question: str) -> None:
    assert world.changes.prepared(world.permit, question, 8) is None


@pytest.mark.parametrize("question", [KOREAN, ENGLISH])
def test_old_and_new_lines_are_quoted_with_their_commits(world: World, question: str) -> None:
    outcome = world.answer(question)
    assert outcome.abstention is None, outcome.abstention
    first = outcome.sentences[0]
    mirror = world.history.mirror(world.repository, "payments")
    old, new = mirror.resolve("v1.4"), mirror.resolve("v1.5")
    places = {item.place: item.quote for item in first.citations}
    assert places[f"payments/src/login.py:3@{old[:12]}"] == "MAX_FAILURES = 5"
    assert places[f"payments/src/login.py:3@{new[:12]}"] == "MAX_FAILURES = 3"
    assert "verify_otp(user, otp)" in first.text
    for item in first.citations:
        text = LOGIN_OLD if item.passage.source.commit == old else LOGIN_NEW
        assert isinstance(item.anchor, LineAnchor)
        assert item.quote == "\n".join(text.split("\n")[item.anchor.first - 1 : item.anchor.last])
    told = [item.text for item in outcome.sentences]
    assert "로그인에 2단계 인증을 더한다" in told
    assert not any("RAISE" in text or "임금" in text for text in told)
    assert [note.detail for note in outcome.notes if note.kind == "changes"] == [
        f"payments v1.4 ({old[:12]}) → v1.5 ({new[:12]}): 3 files, 2 commits"
    ]


def test_a_quotation_stands_under_its_place(world: World) -> None:
    text = render(world.answer(KOREAN).sentences[0], 0).text
    assert "`payments/src/login.py:3@" in text and "```\nMAX_FAILURES = 5\n```" in text
    assert text.endswith("[1][2]")


def test_everything_that_changed_is_told_when_nothing_is_asked_about(world: World) -> None:
    outcome = world.answer("1.4와 1.5의 차이는?")
    assert outcome.abstention is None
    assert {c.passage.source.source_key for s in outcome.sentences for c in s.citations} >= {
        "payments/src/login.py",
        "payments/src/report.py",
    }


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("rag/answering에서 무엇이", "rag/answering"),
        ("src/login.py는 어떻게", "src/login.py"),
        ("문서/요금에서만 무엇이", "문서/요금"),
        ("`payments/src/` 폴더", "payments/src"),
        ("in /src/report.py?", "src/report.py"),
        ("src/인증모듈의 것", "src/인증모듈"),
    ],
)
def test_a_path_is_read_without_its_particles(text: str, spelling: str) -> None:
    [found] = asked_paths(text)
    assert spelling in found.spellings and found.written in text


def test_words_without_a_slash_and_addresses_are_no_paths() -> None:
    assert asked_paths("https://git.bank.kr/pay/payments 로그인이 v1.5에서 바뀐 점") == ()


@pytest.mark.parametrize(
    ("question", "paths"),
    [
        ("1.4와 1.5 사이에 src/report.py에서 무엇이 바뀌었나?", {"src/report.py"}),
        ("1.4와 1.5 사이에 payments/src/login.py가 어떻게 바뀌었나?", {"src/login.py"}),
        ("What changed in src/report.py between v1.4 and v1.5?", {"src/report.py"}),
        (
            "1.4와 1.5 사이에 src/에서 무엇이 바뀌었나?",
            {"src/login.py", "src/report.py", "src/new_name.py", "src/old_name.py"},
        ),
        ("1.4와 1.5 사이에 src/report.py와 src/login.py에서 무엇이 바뀌었나?", {"src/login.py", "src/report.py"}),
        ("1.4와 1.5 사이에 src/login.py에서 정렬이 어떻게 바뀌었나?", {"src/login.py"}),
    ],
)
def test_a_path_in_the_question_limits_the_differences(world: World, question: str, paths: set[str]) -> None:
    prepared = world.changes.prepared(world.permit, question, 8)
    assert prepared is not None
    keys = {item.source.source_key for item in prepared.search.passages} - {"payments"}  # which is a commit's message
    assert keys and keys <= {f"payments/{path}" for path in paths}
    assert prepared.notes[0].detail.startswith("payments/src")


def test_a_path_that_did_not_change_or_is_not_the_readers_limits_or_is_a_word(world: World) -> None:
    unchanged = world.shelf.add_code(world.collection, "payments/docs/guide.py", "GUIDE = 1")
    assert unchanged
    assert world.changes.prepared(world.permit, "1.4와 1.5 사이에 docs/guide.py에서 무엇이 바뀌었나?", 8) is None
    for hidden_or_none in ("hr/salary.py", "hr/none.py", "로그인/로그아웃"):
        prepared = world.changes.prepared(world.permit, f"1.4와 1.5 사이에 {hidden_or_none}에서 로그인이 바뀌었나?", 8)
        assert prepared is not None
        assert "hr/salary.py" not in str([item.source.source_key for item in prepared.search.passages])


def test_what_did_not_change_is_no_answer(world: World) -> None:
    outcome = world.answer("1.4와 1.5 사이에 커피머신 예약 화면이 어떻게 바뀌었나?")
    assert outcome.abstention is not None and not outcome.sentences


def test_one_state_and_what_came_after_or_before(world: World) -> None:
    for question in ("1.4 이후 로그인은 어떻게 바뀌었나?", "1.5에서 바뀐 로그인 코드는?"):
        [note] = [note for note in world.answer(question).notes if note.kind == "changes"]
        assert "3 files" in note.detail


def test_states_are_named_by_commits_and_branches_too(world: World) -> None:
    mirror = world.history.mirror(world.repository, "payments")
    old, new = mirror.resolve("v1.4")[:10], mirror.resolve("v1.5")[:10]
    asked = (
        f"{old}와 {new} 사이에 로그인 흐름이 어떻게 바뀌었나?",
        f"what changed in the login between {new} and {old}?",  # the earlier one is told first in any case
        f"{old} 이후 로그인은 어떻게 바뀌었나?",
        "v1.4와 main 사이에 로그인 흐름이 어떻게 바뀌었나?",
    )
    for question in asked:
        outcome = world.answer(question)
        assert outcome.abstention is None, question
        assert "verify_otp(user, otp)" in outcome.sentences[0].text
    [note] = [note for note in world.answer(f"{new} 커밋에서 바뀐 점은?").notes if note.kind == "changes"]
    assert f"→ {new}" in note.detail and f"({mirror.resolve('v1.5^')[:12]})" in note.detail


@pytest.mark.parametrize("name", ["deadbeef12", "1234567"])
def test_a_hash_of_no_commit_is_an_ordinary_word(world: World, name: str) -> None:
    assert world.changes.prepared(world.permit, f"{name}와 v1.5 사이에 무엇이 바뀌었나?", 8) is None


def test_the_search_of_an_answer_can_be_replayed(world: World) -> None:
    recording = Recording(world.permit, KOREAN, Surface.NATIVE, "extractive/1", Asked(KOREAN, 8))
    recording.whole(world.answer(KOREAN))
    record, sources = recording.rows(content=True)
    assert {item.document_id for item in sources} == {world.documents["src/login.py"]}
    assert record.citations[0]["place"].startswith("payments/src/login.py:3@")
    replay = Replayer(world.shelf.database, world.shelf.retriever, world.answerer.code).replay(record, world.permit)
    assert replay.identical, replay.differences


def test_any_number_of_files_can_have_moved(tmp_path: Path) -> None:
    tree = GitTree(tmp_path / "moved.git")
    deep = "d" * 120
    names = [f"{number:05}.py" for number in range(18_000)]
    before = tree.commit({f"{deep}/{name}": f"x = {name!r}\n" for name in names})
    after = tree.commit({f"src/{deep}/{name}": f"x = {name!r}\n" for name in names} | dict.fromkeys([deep]))
    moved = [FileChange(f"src/{deep}/{name}", "renamed", 0, 0, before=f"{deep}/{name}") for name in names]
    told = comparing.as_added(tree.mirror(), before, after, moved, counted=200)
    assert len(told) == len(names) and {item.status for item in told} == {"added"}
    assert [item.added for item in told[:201]] == [1] * 200 + [0]


def _text(name: str) -> str:
    return "".join(f"{name}_{n} = {n}\n" if n < 2 else f"LINE_{n} = {n}\n" for n in range(13))


def test_a_file_told_as_new_is_compared_with_no_other(tmp_path: Path) -> None:
    tree = GitTree(tmp_path / "moved.git")
    before = tree.commit({"closed/x.py": _text("X"), "gone.py": _text("GONE"), "lib": _text("LIB")})
    after = tree.commit(
        {"closed/x.py": None, "gone.py": None, "lib": None, "open/x.py": _text("X"), "lib/a.py": _text("A")}
    )
    told = [FileChange("open/x.py", "added", 13, 0), FileChange("gone.py", "deleted", 0, 13)]
    told += [FileChange("lib", "deleted", 0, 13)]
    mirror = tree.mirror()
    for read in (comparing.patches(mirror, before, after, told, most=5000), mirror.patches(before, after, told)):
        new, gone, folder = read
        assert new.patch.startswith("@@ -0,0 +1,13 @@\n+X_0 = 0\n") and "GONE" not in new.patch
        assert gone.patch.startswith("@@ -1,13 +0,0 @@\n-GONE_0 = 0\n") and "X_" not in gone.patch
        assert folder.patch.startswith("@@ -1,13 +0,0 @@\n-LIB_0 = 0\n") and "A_0" not in folder.patch


def test_a_moved_file_has_its_own_patch(tmp_path: Path) -> None:
    tree = GitTree(tmp_path / "moved.git")
    before = tree.commit({"lib": _text("LIB")})
    after = tree.commit(
        {"lib": None, "lib/a.py": "PASSWORD = 1\n", "zoo.py": _text("LIB").replace("_12 = 12", "_12 = 0")}
    )
    [change] = [item for item in tree.mirror().changes(before, after) if item.before]
    for read in (
        comparing.patches(tree.mirror(), before, after, [change], most=5000),
        tree.mirror().patches(before, after, [change]),
    ):
        [found] = read
        assert "+LINE_12 = 0\n" in found.patch and "PASSWORD" not in found.patch


@pytest.fixture
def reorganised(tmp_path: Path) -> Iterator[World]:
    """A file that came from where there never was a document, beside one that was edited."""
    shelf = empty_shelf(migrated(f"sqlite:///{tmp_path / 'store.sqlite'}"))
    source = tmp_path / "payments"
    source.mkdir()
    git(source, "init", "-q", "-b", "main")
    commit(source, {"closed/x.py": _text("X"), "src/rate.py": "RATE = 3\n"}, "처음", tag="v1.4")
    moved = {"closed/x.py": None, "open/x.py": _text("X"), "src/rate.py": "RATE = 4\n"}
    commit(source, moved, "옮기고 고친다", tag="v1.5")
    collection = shelf.collection("코드", kind="code")
    history = History(shelf.database, tmp_path / "mirrors")
    repository, documents = indexed(shelf, collection, history.mirrors, source)
    yield World(shelf, history, source, collection, repository, documents)
    shelf.database.close()


def test_a_path_that_a_file_came_from_does_not_find_it(reorganised: World) -> None:
    compare = reorganised.history.compare
    for asked, told in (
        ("closed", []),
        ("closed/x.py", []),
        ("open", ["open/x.py"]),
        ("", ["open/x.py", "src/rate.py"]),
    ):
        found = compare(reorganised.permit, reorganised.repository, "1.4", "1.5", path=asked)
        assert [item.change.path for item in found.files] == told, asked
        assert all(item.change.status == "added" for item in found.files if item.change.path == "open/x.py")


def test_what_was_edited_comes_before_what_was_moved(reorganised: World) -> None:
    found = reorganised.history.compare(reorganised.permit, reorganised.repository, "1.4", "1.5", patches=1)
    assert [item.change.path for item in found.files if item.change.patch] == ["src/rate.py"]
    first, *_ = reorganised.answer("1.4와 1.5 사이에 무엇이 바뀌었나?").search.passages
    assert first.source.source_key == "payments/src/rate.py"


def test_names_that_swapped_places_have_no_patch_of_each_other(tmp_path: Path) -> None:
    """A file takes the place of a folder from which another file, that is not asked for, went."""
    tree = GitTree(tmp_path / "swapped.git")
    ours, theirs = (f"{name} = 1\n" + "".join(f"{name}_{n} = {n}\n" for n in range(30)) for name in ("open", "secret"))
    before = tree.commit({"p": ours, "q/secret": theirs})
    after = tree.commit({"p": None, "q/secret": None, "q": ours, "p/other": theirs.replace("secret_3 ", "secret_x ")})
    change = FileChange("q", "renamed", 0, 0, before="p")
    [told] = comparing.patches(tree.mirror(), before, after, [change], most=5000)
    assert "secret" not in told.patch


def test_a_version_that_only_renames_is_told(tmp_path: Path) -> None:
    assert change_answers._by_size([]) == []
