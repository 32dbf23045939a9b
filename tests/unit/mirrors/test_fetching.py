from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rag.domain.errors import (
    CredentialsRefused,
    RefNotFound,
    RepositoryNotRead,
    RepositoryTooLarge,
    RepositoryUnreachable,
    SeogoError,
)
from rag.mirrors import git
from rag.mirrors.fetching import Remote, Stage, fetch
from rag.mirrors.keeping import keep, keep_only, kept, let_go, standing_for
from rag.mirrors.mirror import Mirror
from tests.support.git_repository import GitRepository


@pytest.fixture
def source(tmp_path: Path) -> GitRepository:
    return GitRepository.new(tmp_path / "원본", {"결제/login.py": "def login():\n    return '로그인'\n"})


def mirror_in(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirrors" / "a.git", "payments")


def fetched(mirror: Mirror, source: GitRepository | Path, **options: float) -> Mirror:
    folder = source if isinstance(source, Path) else source.folder
    fetch(mirror, Remote(str(folder)), timeout_s=options.get("timeout_s", 60), mirror_mb=int(options.get("mb", 100)))
    return mirror


def test_a_first_fetch_brings_branches_tags_and_the_branch_that_the_remote_is_on(
    tmp_path: Path, source: GitRepository
) -> None:
    first = source.git("rev-parse", "HEAD")
    source.git("tag", "-a", "v1.4", "-m", "판 1.4")
    source.git("checkout", "-q", "-b", "기능/로그인")
    second = source.commit("둘째", {"결제/login.py": "x = 1\n"})
    mirror = fetched(mirror_in(tmp_path), source)
    assert mirror.refs() == {"refs/heads/main": first, "refs/heads/기능/로그인": second, "refs/tags/v1.4": first}
    assert mirror.resolve("") == second
    assert mirror.resolve("v1.4") == first
    assert mirror.file(second, "결제/login.py") == b"x = 1\n"
    assert git.run(mirror.folder, "rev-parse", "--is-bare-repository", name="a") == b"true\n"
    assert not list(tmp_path.glob("mirrors/*.new-*"))


def test_a_later_fetch_follows_new_moved_and_deleted_refs(tmp_path: Path, source: GitRepository) -> None:
    source.git("branch", "a")
    source.git("tag", "v1")
    mirror = fetched(mirror_in(tmp_path), source)
    source.git("branch", "-D", "a")
    source.git("branch", "a/b")  # in the place of a file of the refs
    new = source.commit("둘째", {"b.py": "y = 2\n"})
    source.git("tag", "-f", "v1")
    source.git("branch", "-m", "main", "trunk")
    fetched(mirror, source)
    assert set(mirror.refs()) == {"refs/heads/trunk", "refs/heads/a/b", "refs/tags/v1"}
    assert mirror.resolve("") == mirror.resolve("v1") == new


def test_a_fetch_of_what_is_known_transfers_nothing(tmp_path: Path, source: GitRepository) -> None:
    mirror = fetched(mirror_in(tmp_path), source)
    stages: list[Stage] = []
    fetch(mirror, Remote(str(source.folder)), timeout_s=60, mirror_mb=100, progress=stages.append)
    assert stages == []
    assert len(list((mirror.folder / "objects/pack").glob("*.pack"))) == 1


def test_commits_that_are_kept_outlive_a_forced_push(tmp_path: Path, source: GitRepository) -> None:
    old = source.commit("지워질 커밋", {"a.py": "old = 1\n"})
    gone = source.commit("아무도 잡지 않는 커밋", {"a.py": "gone = 1\n"})
    mirror = fetched(mirror_in(tmp_path), source)
    keep(mirror, old)
    source.git("reset", "-q", "--hard", "HEAD~2")
    new = source.commit("새 역사", {"a.py": "new = 1\n"})
    fetched(mirror, source)
    assert mirror.resolve("main") == new
    assert not mirror.is_ancestor(old, new)
    git.run(mirror.folder, "gc", "--quiet", "--prune=now", name="a")
    assert mirror.file(old, "a.py") == b"old = 1\n"
    assert kept(mirror) == {old: old}
    with pytest.raises(RepositoryNotRead):
        mirror.tree(gone)
    let_go(mirror, [old])
    git.run(mirror.folder, "gc", "--quiet", "--prune=now", name="a")
    with pytest.raises(RepositoryNotRead):
        mirror.tree(old)


def test_of_what_a_forced_push_took_away_the_named_files_alone_are_kept(tmp_path: Path, source: GitRepository) -> None:
    named = source.commit(
        "판이 이름 부르는 커밋", {'결제/"a" b.py': "named = 1\n", "secret.py": "PASSWORD = 'geheim'\n"}
    )
    other = source.commit("아무도 이름 부르지 않는 커밋", {"b.py": "y = 1\n"})
    mirror = fetched(mirror_in(tmp_path), source)
    paths = {named: {'결제/"a" b.py', ".history/commits/2026-05.md"}}

    def kept_only(*commits: str) -> bool:
        indexed = mirror.resolve("main")
        return keep_only(mirror, commits, lambda item: paths[item], indexed=indexed, timeout_s=60)

    assert not kept_only(named, "0" * 40), "a commit that is not here is passed over"
    assert kept(mirror) == {named: named, other: other}, "on a branch: whole, and what is indexed with it"
    source.git("reset", "-q", "--hard", "HEAD~2")
    new = source.commit("새 역사", {"a.py": "new = 1\n"})
    fetched(mirror, source)
    assert kept_only(named)
    part = standing_for(mirror, named)
    assert kept(mirror) == {named: part, new: new} and part != named
    assert [(entry.path, entry.mode) for entry in mirror.tree(part)] == [('결제/"a" b.py', "100644")]
    assert mirror.file(part, '결제/"a" b.py') == b"named = 1\n"
    for gone in (named, other):
        with pytest.raises(RepositoryNotRead):
            mirror.tree(gone)
    assert not kept_only(named) and standing_for(mirror, named) == part, "the next look changes nothing"
    assert kept_only() and kept(mirror) == {new: new}
    with pytest.raises(RepositoryNotRead):
        mirror.tree(part)
    with pytest.raises(RefNotFound):
        standing_for(mirror, named)


def test_a_ref_that_is_nowhere_is_named(tmp_path: Path, source: GitRepository) -> None:
    mirror = fetched(mirror_in(tmp_path), source)
    with pytest.raises(RefNotFound) as raised:
        mirror.resolve("release/2.0")
    assert raised.value.params["ref"] == "release/2.0"


def test_an_empty_repository_has_no_branch(tmp_path: Path) -> None:
    mirror = fetched(mirror_in(tmp_path), GitRepository.new(tmp_path / "empty"))
    assert mirror.refs() == {}
    with pytest.raises(RefNotFound):
        mirror.resolve("")


def test_a_remote_on_no_branch_is_followed_there(tmp_path: Path, source: GitRepository) -> None:
    first = source.git("rev-parse", "HEAD")
    source.commit("둘째", {"b.py": "y = 2\n"})
    source.git("checkout", "-q", "--detach", first)
    assert fetched(mirror_in(tmp_path), source).resolve("") == first


def test_a_folder_of_another_user_is_read(tmp_path: Path, source: GitRepository) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to somebody else")
    bare = source.bare(tmp_path / "bare.git")
    for path in (bare, *bare.rglob("*")):
        os.chown(path, 4321, 4321)
    assert fetched(mirror_in(tmp_path), bare).resolve("main")
    assert not list(tmp_path.glob("mirrors/*.trust"))


def test_a_folder_that_is_none_or_holds_no_repository(tmp_path: Path) -> None:
    mirror = mirror_in(tmp_path)
    with pytest.raises(RepositoryNotRead):
        fetched(mirror, tmp_path / "없음")
    (tmp_path / "plain").mkdir()
    with pytest.raises(RepositoryNotRead) as raised:
        fetched(mirror, tmp_path / "plain")
    assert "no git repository" in str(raised.value.params["detail"])
    assert not mirror.exists


def test_a_shallow_clone_is_refused_in_words_and_what_was_there_stays(tmp_path: Path, source: GitRepository) -> None:
    source.commit("둘째", {"b.py": "y = 2\n"})
    shallow = tmp_path / "얕은"
    clone = ["git", "clone", "-q", "--depth", "1", f"file://{source.folder}", str(shallow)]
    subprocess.run(clone, check=True, capture_output=True)
    mirror = mirror_in(tmp_path)
    with pytest.raises(RepositoryNotRead, match="shallow"):
        fetched(mirror, shallow)
    assert not mirror.exists
    whole = fetched(mirror, source).refs()
    source.commit("셋째", {"c.py": "z = 3\n"})
    subprocess.run(["git", "-C", str(shallow), "fetch", "-q", "--depth", "1"], check=True, capture_output=True)
    subprocess.run(["git", "-C", str(shallow), "reset", "-q", "--hard", "origin/main"], check=True)
    with pytest.raises(RepositoryNotRead, match="shallow"):
        fetched(mirror, shallow)
    assert mirror.refs() == whole


def test_hooks_and_filters_of_a_remote_do_not_run(tmp_path: Path, source: GitRepository) -> None:
    bare = source.bare(tmp_path / "bare.git")
    mark = tmp_path / "ran"
    for name in ("post-update", "reference-transaction", "pre-receive", "post-checkout"):
        hook = bare / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    with (bare / "config").open("a") as config:
        config.write(f'[uploadpack]\n\tpackObjectsHook = "touch {mark}; cat"\n[core]\n\tfsmonitor = touch {mark}\n')
    assert fetched(mirror_in(tmp_path), bare).resolve("main")
    assert not mark.exists()


def test_a_remote_that_lacks_objects_runs_nothing_to_get_them(tmp_path: Path, source: GitRepository) -> None:
    """CVE-2024-32004: a partial clone names a program by which git would get what it lacks."""
    trap = source.bare(tmp_path / "함정.git")
    sign = tmp_path / "ran"
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(source.folder),
        "remote.origin.uploadpack": f"touch {sign}; false",
        "uploadpack.packObjectsHook": f"touch {sign}; false",
        "core.alternateRefsCommand": f"touch {sign}; false",
        "core.fsmonitor": f"touch {sign}; false",
    }.items():
        subprocess.run(["git", "--git-dir", str(trap), "config", key, value], check=True)
    commit = source.git("rev-parse", "HEAD")
    blob = source.git("rev-parse", f"{commit}:결제/login.py")
    (trap / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(SeogoError):
        fetched(mirror_in(tmp_path), trap)
    assert not sign.exists()


def test_what_a_command_prints_is_bounded(
    tmp_path: Path, source: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.commit("크다", {"big.txt": "x" * 5_000_000})
    mirror = fetched(mirror_in(tmp_path), source)
    monkeypatch.setattr(git, "TEXT_LIMIT", 1_000_000)
    commit = mirror.resolve("main")
    with pytest.raises(RepositoryNotRead, match="output"):
        git.run(mirror.folder, "show", f"{commit}:big.txt", name="결제")
    assert git.run(mirror.folder, "rev-parse", commit, name="결제").decode().strip() == commit
    assert mirror.file(commit, "big.txt", most=4_999_999) is None
    assert len(mirror.file(commit, "big.txt", most=5_000_000) or b"") == 5_000_000


def test_a_huge_file_has_no_patch(tmp_path: Path, source: GitRepository) -> None:
    line = b"x" * 1023 + b"\n"
    before = source.commit("크다", {"big.txt": line * (17 << 10)})
    after = source.commit("더 크다", {"big.txt": line * (17 << 10) + b"y\n", "small.txt": "a\n"})
    mirror = fetched(mirror_in(tmp_path), source)
    told = {item.path: item for item in mirror.patches(before, after, mirror.changes(before, after))}
    assert (told["big.txt"].patch, told["small.txt"].patch) == ("", "@@ -0,0 +1 @@\n+a\n")


def test_a_repository_over_its_size_is_stopped_and_leaves_nothing(tmp_path: Path, source: GitRepository) -> None:
    source.commit("큰 파일", {"big.bin": os.urandom(3 << 20)})
    mirror = mirror_in(tmp_path)
    with pytest.raises(RepositoryTooLarge):
        fetched(mirror, source, mb=1)
    assert not mirror.exists
    assert [path.name for path in mirror.folder.parent.iterdir()] == ["a.git.lock"]


def test_a_mirror_that_would_outgrow_its_size_stays_as_it_was(tmp_path: Path, source: GitRepository) -> None:
    mirror = fetched(mirror_in(tmp_path), source, mb=1)
    before = mirror.refs()
    source.commit("큰 파일", {"big.bin": os.urandom(3 << 20)})
    with pytest.raises(RepositoryTooLarge):
        fetched(mirror, source, mb=1)
    assert mirror.refs() == before
    assert mirror.tree(before["refs/heads/main"])
    fetched(mirror, source)
    assert mirror.refs() != before


def test_progress_is_told_in_numbers(tmp_path: Path, source: GitRepository) -> None:
    source.commit("많은 파일", {f"src/{n}.py": f"x = {n}\n" for n in range(200)})
    stages: list[Stage] = []
    fetch(mirror_in(tmp_path), Remote(str(source.folder)), timeout_s=60, mirror_mb=100, progress=stages.append)
    assert stages
    assert all(0 <= stage.done <= stage.total for stage in stages)
    assert stages[-1].name == "Receiving objects"
    assert stages[-1].done == stages[-1].total > 200


@pytest.mark.parametrize("broken", ["no packs", "cut pack", "no objects", "strange head", "strange ref"])
def test_a_broken_mirror_is_made_anew(tmp_path: Path, source: GitRepository, broken: str) -> None:
    mirror = fetched(mirror_in(tmp_path), source)
    wanted = mirror.resolve("main")
    packs = mirror.folder / "objects" / "pack"
    if broken == "no packs":
        shutil.rmtree(packs)
        packs.mkdir()
    elif broken == "cut pack":
        [pack] = packs.glob("*.pack")
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40])
    elif broken == "no objects":
        shutil.rmtree(mirror.folder / "objects")
    elif broken == "strange head":
        (mirror.folder / "HEAD").write_text("\x00\x00")
    else:
        (mirror.folder / "refs" / "heads" / "main").write_text("f" * 40 + "\n")
    fetched(mirror, source)
    assert mirror.resolve("main") == wanted
    assert mirror.file(wanted, "결제/login.py") is not None


def test_what_was_kept_is_kept_in_a_mirror_made_anew(tmp_path: Path, source: GitRepository) -> None:
    mirror = fetched(mirror_in(tmp_path), source)
    first = mirror.resolve("main")
    keep(mirror, first)
    source.commit("둘째", {"b.py": "y = 2\n"})
    (mirror.folder / "refs" / "heads" / "main").write_text("f" * 40 + "\n")
    fetched(mirror, source)
    assert kept(mirror) == {first: first}


FETCHING = """
import sys
from pathlib import Path
from rag.mirrors.fetching import Remote, fetch
from rag.mirrors.mirror import Mirror
fetch(Mirror(Path(sys.argv[1]), "a"), Remote(sys.argv[2]), timeout_s=60, mirror_mb=1000)
"""


@pytest.mark.parametrize("delay_s", [0.1, pytest.param(0.3, marks=pytest.mark.slow)])
def test_a_fetch_that_is_killed_leaves_nothing_that_the_next_one_trips_over(
    tmp_path: Path, source: GitRepository, delay_s: float
) -> None:
    mirror = fetched(mirror_in(tmp_path), source)
    before = mirror.refs()
    wanted = source.commit("큰 파일", {f"{n}.bin": os.urandom(1 << 20) for n in range(12)})
    for target in (mirror, Mirror(tmp_path / "mirrors" / "b.git", "b")):
        process = subprocess.Popen([sys.executable, "-c", FETCHING, str(target.folder), str(source.folder)])
        begun = time.monotonic()
        while time.monotonic() - begun < 30 and not list(target.folder.parent.glob(f"{target.folder.name}.trust")):
            time.sleep(0.01)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if target.exists:  # whole, in one state or the other
            assert target.refs() in (before, {**before, "refs/heads/main": wanted})
        fetched(target, source)
        assert target.resolve("main") == wanted
        assert len(target.tree(wanted)) == 13
        assert not list(target.folder.parent.glob("*.new-*"))
        assert not list((target.folder / "objects/pack").glob("tmp_*"))


def test_what_a_dead_fetch_locked_is_free_again(tmp_path: Path, source: GitRepository) -> None:
    mirror = fetched(mirror_in(tmp_path), source)
    for lock in ("packed-refs.lock", "HEAD.lock", "refs/heads/main.lock"):
        (mirror.folder / lock).touch()
    (mirror.folder / "objects/pack/tmp_pack_abc").write_bytes(b"PACK")
    new = source.commit("둘째", {"b.py": "y = 2\n"})
    fetched(mirror, source)
    assert mirror.resolve("main") == new
    assert not list((mirror.folder / "objects/pack").glob("tmp_*"))


def test_a_fetch_waits_for_another_only_as_long_as_it_may(tmp_path: Path, source: GitRepository) -> None:
    import fcntl

    mirror = mirror_in(tmp_path)
    mirror.folder.parent.mkdir()
    with (mirror.folder.parent / "a.git.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(RepositoryUnreachable):
            fetched(mirror, source, timeout_s=0.3)
    fetched(mirror, source)


def test_many_packs_are_put_together(tmp_path: Path, source: GitRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.mirrors.fetching._MANY_PACKS", 3)
    mirror = mirror_in(tmp_path)
    for number in range(4):
        source.commit("또", {"a.py": f"x = {number}\n"})
        fetched(mirror, source)
    assert len(list((mirror.folder / "objects/pack").glob("*.pack"))) < 3


def test_refused_is_not_unreachable() -> None:
    assert not issubclass(CredentialsRefused, RepositoryUnreachable)
    assert RepositoryUnreachable.retryable
    assert not CredentialsRefused.retryable
