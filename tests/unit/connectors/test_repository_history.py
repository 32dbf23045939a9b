"""Commit messages, issues and requests as documents."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.connectors import history_store
from ingest.connectors.history_api import Crawl, HistoryApi
from ingest.connectors.history_commits import commit_documents, strictest
from ingest.connectors.history_items import HistoryItem, Talk
from ingest.connectors.repository_history import commit_items, talk_items
from ingest.connectors.repository_options import HistoryOptions, RepositoryOptions
from rag.domain.access import GivenRule, Label
from rag.domain.errors import (
    ConfigurationError,
    CredentialsRefused,
    RepositoryNotRead,
    RepositoryRefused,
    RepositoryUnreachable,
    SeogoError,
)
from rag.domain.messages import localized
from rag.mirrors.fetching import Remote
from rag.mirrors.mirror import Mirror
from rag.settings_repositories import GitCredential, RepositorySettings
from tests.support import forge_server
from tests.support.forge_server import Forge
from tests.support.git_repository import GitRepository

MAY = 1_777_600_000  # 1 May 2026


def logged(source: GitRepository, options: dict[str, Any] | None = None) -> dict[str, str]:
    mirror = Mirror(source.folder / ".git", "payments")
    chosen = RepositoryOptions.of({"history": {"commits": 1000}, **(options or {})})
    return {item.path: item.text for item in commit_items(mirror, mirror.resolve(""), chosen)}


def test_the_commits_of_a_month_are_a_document_with_a_section_each(tmp_path: Path) -> None:
    source = GitRepository.new(tmp_path / "a")
    source.clock = MAY
    first = source.commit("로그인 추가\n\n세션은 30분 뒤에 끝난다.", {"src/login.py": "x = 1\n"})
    source.commit("한도 변경", {"src/limit.py": "y = 2\n", "docs/한도.md": "# 한도\n"})
    source.clock += 40 * 86400
    source.commit("유월", {"a.py": "z = 3\n"})
    found = logged(source)
    assert sorted(found) == [".history/commits/2026-05.md", ".history/commits/2026-06.md"]
    may = found[".history/commits/2026-05.md"]
    assert may.index("## 로그인 추가") < may.index("## 한도 변경")
    assert f"Commit {first[:12]} · 김개발 · 2026-05-01 · 로그인 추가" in may
    assert "세션은 30분 뒤에 끝난다." in may
    assert "Files: `docs/한도.md`, `src/limit.py`" in may


def test_what_is_added_changes_the_last_document_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.connectors.history_commits._PART", 3)
    monkeypatch.setattr("ingest.connectors.history_commits._PAGE", 2)
    source = GitRepository.new(tmp_path / "a")
    source.clock = MAY
    for number in range(7):
        source.commit(f"커밋 {number}", {"a.py": f"x = {number}\n"})
    before = logged(source)
    assert sorted(before) == [f".history/commits/2026-05{part}.md" for part in ("-2", "-3", "")]
    source.commit("커밋 7", {"a.py": "x = 7\n"})
    after = logged(source)
    assert {path for path in after if after[path] != before.get(path)} == {".history/commits/2026-05-3.md"}
    assert "".join(after.values()).count("## 커밋") == 8
    assert logged(source, {"history": {"commits": 3}}).keys() == {".history/commits/2026-05.md"}
    assert logged(source, {"history": {}}) == {}


def test_merges_and_messages_with_strange_bytes(tmp_path: Path) -> None:
    source = GitRepository.new(tmp_path / "a", {"a.py": "x = 1\n"})
    source.git("checkout", "-q", "-b", "dev")
    source.commit("가지 위 커밋", {"b.py": "y = 1\n"})
    source.git("checkout", "-q", "main")
    source.commit("본선\x01" + "0" * 40 + " 흉내", {"c.py": "z = 1\n"})
    source.git("merge", "-q", "--no-ff", "-m", "dev를 합침", "dev")
    source.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
    text = "".join(logged(source).values())
    assert text.count("\nCommit ") == 5
    for subject in ("가지 위 커밋", "dev를 합침", "(no message)", "흉내"):
        assert subject in text
    merge = text[text.index("## dev를 합침") :]
    assert "`b.py`" in merge


def test_a_commit_is_read_by_whoever_may_read_all_that_it_touches(tmp_path: Path) -> None:
    source = GitRepository.new(tmp_path / "a")
    source.clock = MAY
    source.commit("공개 커밋", {"src/a.py": "x = 1\n"})
    source.commit("인사 커밋", {"hr/pay.py": "x = 1\n", "src/a.py": "x = 2\n"})
    source.commit("감사 커밋", {"audit/a.py": "x = 1\n"})
    source.commit("둘 다", {"hr/b.py": "x = 1\n", "audit/b.py": "x = 1\n"})
    options = RepositoryOptions.of(
        {
            "history": {"commits": 100},
            "path_rules": [
                {"paths": "/hr/", "access": {"allow": ["group:인사팀"], "label": "C"}},
                {"paths": "/audit/", "access": {"allow": ["group:감사팀"]}},
            ],
        }
    )
    mirror = Mirror(source.folder / ".git", "payments")
    found = commit_documents(mirror, mirror.resolve(""), options)
    assert found.withheld == 1
    by_rule = {item.access: item.text for item in found.items}
    assert by_rule.keys() == {
        None,
        GivenRule(("group:인사팀",), (), Label.CONFIDENTIAL),
        GivenRule(("group:감사팀",)),
    }
    assert "인사 커밋" not in by_rule[None]
    assert "pay.py" not in by_rule[None]
    assert "둘 다" not in "".join(by_rule.values())
    assert len({item.path for item in found.items}) == 3


def test_the_strictest_of_several_rules() -> None:
    one = GivenRule(("group:a", "group:b"), ("user:x",), Label.OPEN)
    two = GivenRule(("group:b",), ("user:y",), Label.SENSITIVE)
    assert strictest([None, GivenRule(), one]) == one
    assert strictest([one, two, None]) == GivenRule(("group:b",), ("user:x", "user:y"), Label.SENSITIVE)
    assert strictest([None, GivenRule()]) is None
    with pytest.raises(ValueError, match="no reader"):
        strictest([one, GivenRule(("group:c",))])


GITLAB_ISSUE: dict[str, Any] = {
    "id": 1, "iid": 12, "title": "로그인\n오류", "state": "opened", "author": {"username": "hong"}, "labels": ["버그", "긴급"],
    "created_at": "2026-05-02T09:00:00.000+09:00", "updated_at": "2026-05-03T00:00:00Z",
    "description": "세션이 30분 뒤에\r\n끊어진다.", "user_notes_count": 2, "confidential": False,
}  # fmt: skip
GITLAB_MR: dict[str, Any] = {
    "id": 2, "iid": 45, "title": "로그인 수정", "state": "merged", "author": {"username": "kim"}, "user_notes_count": 0,
    "created_at": "2026-05-04T00:00:00Z", "updated_at": "2026-05-05T00:00:00Z", "merged_at": "2026-05-05T00:00:00Z",
    "source_branch": "fix", "target_branch": "main", "description": "#12를 고친다",
}  # fmt: skip
NOTES: list[dict[str, Any]] = [
    {"id": 1, "author": {"username": "lee"}, "body": "재현했습니다.", "created_at": "2026-05-02T10:00:00Z"},
    {"id": 2, "author": {"username": "bot"}, "body": "added label", "system": True},
    {"id": 3, "author": {"username": "lee"}, "body": "내부 메모", "internal": True},
]
GITHUB_ISSUE: dict[str, Any] = {
    "id": 3, "number": 7, "title": "한도 오류", "state": "closed", "user": {"login": "hong"}, "labels": [{"name": "bug"}],
    "created_at": "2026-05-02T00:00:00Z", "updated_at": "2026-05-03T00:00:00Z", "closed_at": "2026-05-03T00:00:00Z",
    "body": "한도가 0원이다.", "comments": 1,
}  # fmt: skip
GITHUB_PR: dict[str, Any] = {
    "id": 4, "number": 8, "title": "한도 수정", "state": "closed", "user": {"login": "kim"}, "comments": 0, "body": None,
    "created_at": "2026-05-03T00:00:00Z", "updated_at": "2026-05-04T00:00:00Z",
    "pull_request": {"merged_at": "2026-05-04T00:00:00Z", "merged": True},
}  # fmt: skip
COMMENT = {"id": 9, "user": {"login": "lee"}, "body": "확인했습니다.", "created_at": "2026-05-02T10:00:00Z"}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    with forge_server.serving(tmp_path_factory.mktemp("forge")) as forge:
        yield forge


@pytest.fixture
def forge(started: Forge) -> Forge:
    started.lists.clear()
    started.raw.clear()
    started.failing.clear()
    started.asked.clear()
    return started


def settings(folder: Path, forge: Forge, *hosts: str) -> tuple[RepositorySettings, GitCredential]:
    token = folder / "token"
    token.write_text(forge_server.TOKEN, encoding="utf-8")
    token.chmod(0o600)
    credential = GitCredential(hosts=(forge.host,), token_file=token)
    named = {"g": credential}
    return RepositorySettings(hosts=hosts or (forge.host,), ca_file=forge.ca_file, credentials=named), credential


def asked_for(folder: Path, forge: Forge, api: str, since: datetime | None = None, **history: Any) -> dict[str, Talk]:
    allowed, credential = settings(folder, forge)
    options = HistoryOptions.model_validate({"api": api, **history})
    remote = Remote(f"https://{forge.host}/결제/payments.git", credential, forge.ca_file)
    client = HistoryApi(options, remote, allowed, "payments", sleep=slept.append)
    try:
        return {talk.path: talk for talk in client.talks(since)}
    finally:
        client.close()


slept: list[float] = []


def gitlab(forge: Forge) -> str:
    root = "/api/v4/projects/%EA%B2%B0%EC%A0%9C%2Fpayments"
    forge.lists |= {
        f"{root}/issues": [GITLAB_ISSUE],
        f"{root}/merge_requests": [GITLAB_MR],
        f"{root}/issues/12/notes": NOTES,
    }
    return root


def test_gitlab_tells_issues_and_merge_requests_with_what_people_said(tmp_path: Path, forge: Forge) -> None:
    gitlab(forge)
    found = asked_for(tmp_path, forge, "gitlab")
    assert sorted(found) == [".history/issues/12.md", ".history/merge_requests/45.md"]
    text = found[".history/issues/12.md"].item().text
    assert text == (
        "# 로그인 오류 (#12)\n\n"
        "Issue #12 · 로그인 오류 · state: open · author: hong · opened: 2026-05-02 · labels: 버그, 긴급\n\n"
        "세션이 30분 뒤에\n끊어진다.\n\n## lee, 2026-05-02\n\n재현했습니다.\n"
    )
    request = found[".history/merge_requests/45.md"].item().text
    assert "Merge request !45 · 로그인 수정 · state: merged" in request
    assert "branches: fix → main" in request
    assert {given for _, _, given in forge.asked} == {f"Bearer {forge_server.TOKEN}"}
    assert not [path for path, _, _ in forge.asked if path.endswith("/45/notes")], "it has no comments"


def test_github_and_gitea_tell_issues_and_pull_requests(tmp_path: Path, forge: Forge) -> None:
    for api, root, word in (("github", "/api/v3", "Bearer"), ("gitea", "/api/v1", "token")):
        issues = f"{root}/repos/%EA%B2%B0%EC%A0%9C/payments/issues"
        forge.lists |= {issues: [GITHUB_ISSUE, GITHUB_PR], f"{issues}/7/comments": [COMMENT]}
        forge.asked.clear()
        found = asked_for(tmp_path, forge, api)
        assert sorted(found) == [".history/issues/7.md", ".history/pull_requests/8.md"]
        assert "## lee, 2026-05-02\n\n확인했습니다." in found[".history/issues/7.md"].item().text
        assert found[".history/pull_requests/8.md"].state == "merged"
        assert {given for _, _, given in forge.asked} == {f"{word} {forge_server.TOKEN}"}


def test_every_page_is_read_and_only_what_changed_since(tmp_path: Path, forge: Forge) -> None:
    root = gitlab(forge)
    many = [
        {**GITLAB_ISSUE, "id": n, "iid": n, "user_notes_count": 0, "updated_at": f"2026-05-{1 + n // 10:02}T00:00:00Z"}
        for n in range(1, 251)
    ]
    forge.lists[f"{root}/issues"] = many
    assert len(asked_for(tmp_path, forge, "gitlab")) == 251
    assert [asked["page"] for path, asked, _ in forge.asked if path.endswith("/issues")] == ["1", "2", "3"]
    later = asked_for(tmp_path, forge, "gitlab", datetime(2026, 5, 20, tzinfo=UTC))
    assert 0 < len(later) < 251
    assert all(talk.updated >= datetime(2026, 5, 20, tzinfo=UTC) for talk in later.values())


def test_a_server_that_gives_smaller_pages_than_asked_for_is_read_to_its_end(tmp_path: Path, forge: Forge) -> None:
    issues = "/api/v1/repos/%EA%B2%B0%EC%A0%9C/payments/issues"
    forge.lists[issues] = [{**GITHUB_ISSUE, "id": n, "number": n, "comments": 0} for n in range(1, 121)]
    assert len(asked_for(tmp_path, forge, "gitea")) == 120


def test_confidential_issues_are_taken_where_somebody_says_so(tmp_path: Path, forge: Forge) -> None:
    root = gitlab(forge)
    forge.lists[f"{root}/issues"] = [{**GITLAB_ISSUE, "confidential": True}]
    assert ".history/issues/12.md" not in asked_for(tmp_path, forge, "gitlab")
    assert ".history/issues/12.md" in asked_for(tmp_path, forge, "gitlab", confidential=True)


def test_a_busy_server_is_asked_again_as_late_as_it_wants(tmp_path: Path, forge: Forge) -> None:
    gitlab(forge)
    slept.clear()
    forge.failing = [429, 503]
    assert len(asked_for(tmp_path, forge, "gitlab")) == 2
    assert slept == [7.0, 4.0]


@pytest.mark.parametrize(
    ("failing", "raw", "error"),
    [
        ([401], None, CredentialsRefused),
        ([403], None, CredentialsRefused),
        ([404], None, CredentialsRefused),
        ([500], None, RepositoryUnreachable),
        ([503] * 4, None, RepositoryUnreachable),
        ([302], None, RepositoryNotRead),
        ([], b"<html>", RepositoryNotRead),
        ([], b'{"message": "no"}', RepositoryNotRead),
        ([], b"[" * 100_000, RepositoryNotRead),
    ],
)
def test_failures_are_told_apart(
    tmp_path: Path, forge: Forge, failing: list[int], raw: bytes | None, error: type[SeogoError]
) -> None:
    root = gitlab(forge)
    forge.failing = failing
    if raw is not None:
        forge.raw[f"{root}/issues"] = raw
    with pytest.raises(SeogoError) as raised:
        asked_for(tmp_path, forge, "gitlab")
    assert type(raised.value) is error


def test_nobody_there_and_an_unknown_authority(tmp_path: Path, forge: Forge) -> None:
    allowed, credential = settings(tmp_path, forge)
    options = RepositoryOptions.of({"history": {"api": "gitlab", "project": "a/b"}})
    remote = Remote(f"https://{forge.host}/a/b.git", credential)
    untrusting = RepositorySettings(hosts=allowed.hosts)
    with pytest.raises(RepositoryNotRead, match="certificate"):
        list(talk_items(remote, options, untrusting, "payments"))
    assert forge.asked == []


def many_issues(forge: Forge, root: str, count: int) -> None:
    """So many issues with a comment each, a day apart."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    whens = [(begin + timedelta(days=n)).isoformat().replace("+00:00", "Z") for n in range(count)]
    forge.lists[f"{root}/issues"] = [
        {**GITLAB_ISSUE, "id": n, "iid": n, "user_notes_count": 1, "updated_at": whens[n - 1]}
        for n in range(1, count + 1)
    ]
    forge.lists |= {f"{root}/issues/{n}/notes": NOTES for n in range(1, count + 1)}


def test_a_crawl_ends_with_its_time_and_goes_on_from_there(tmp_path: Path, forge: Forge) -> None:
    many_issues(forge, gitlab(forge), 12)
    allowed, credential = settings(tmp_path, forge)
    allowed = allowed.model_copy(update={"history_timeout_s": 60})
    remote = Remote(f"https://{forge.host}/결제/payments.git", credential, forge.ca_file)
    crawl, found, looks = Crawl(), list[str](), 0
    while not looks or crawl.unfinished:
        looks += 1
        options = HistoryOptions(api="gitlab")
        client = HistoryApi(options, remote, allowed, "payments", clock=lambda: 10.0 * len(forge.asked))
        with closing(client):
            before, forge_asked = dict(crawl.marks), len(forge.asked)
            found += [talk.path for talk in client.talks(crawl=crawl)]
        assert len(forge.asked) - forge_asked <= 6, "an answer takes ten seconds of sixty"
        asked = [given.get("updated_after") for path, given, _ in forge.asked[forge_asked:] if path.endswith("/issues")]
        assert asked == [before["issues"].isoformat() if before else None]
    assert looks == 4  # 5 in the first, 4 more in each of those that see the last one again, then the request
    assert set(found) == {f".history/issues/{n}.md" for n in range(1, 13)} | {".history/merge_requests/45.md"}


def test_a_crawl_that_gets_nowhere_is_a_failure(tmp_path: Path, forge: Forge) -> None:
    gitlab(forge)
    allowed, credential = settings(tmp_path, forge)
    remote = Remote(f"https://{forge.host}/결제/payments.git", credential, forge.ca_file)
    forge.failing = [429]  # which wants seven seconds
    short = allowed.model_copy(update={"history_timeout_s": 5})
    client = HistoryApi(
        HistoryOptions(api="gitlab"), remote, short, "payments", sleep=lambda _: pytest.fail("it waits")
    )
    with closing(client), pytest.raises(RepositoryUnreachable):
        list(client.talks())


@pytest.mark.parametrize("where", ["https://evil.kr/api/v4", "http://127.0.0.1/api", "ftp://x"])
def test_the_token_goes_to_no_host_that_is_not_named(tmp_path: Path, forge: Forge, where: str) -> None:
    with pytest.raises(RepositoryRefused):
        asked_for(tmp_path, forge, "gitlab", api_url=where)


def test_the_token_goes_to_no_host_that_it_is_not_for(tmp_path: Path, forge: Forge) -> None:
    allowed, credential = settings(tmp_path, forge, forge.host, "api.example.kr")
    options = HistoryOptions(api="github", api_url="https://api.example.kr")
    with pytest.raises(RepositoryRefused):
        HistoryApi(options, Remote(f"https://{forge.host}/a/b", credential), allowed, "payments")


def test_a_token_that_no_header_can_hold_is_told(tmp_path: Path, forge: Forge) -> None:
    allowed, credential = settings(tmp_path, forge)
    (tmp_path / "token").write_text("비밀", encoding="utf-8")
    remote = Remote(f"https://{forge.host}/a/b", credential)
    with pytest.raises(ConfigurationError):
        HistoryApi(HistoryOptions(api="gitlab"), remote, allowed, "payments")


def exported(folder: Path, options: dict[str, Any], roots: tuple[Path, ...]) -> dict[str, tuple[str, GivenRule | None]]:
    chosen = RepositoryOptions.of({"history": {"export": str(folder)}, **options})
    allowed = RepositorySettings(roots=roots)
    items = talk_items(Remote("/srv/git/a.git"), chosen, allowed, "payments")
    return {item.path: (item.text, item.access) for item in items}


def test_an_export_of_gitlab(tmp_path: Path) -> None:
    folder = tmp_path / "exports" / "payments" / "tree" / "project"
    folder.mkdir(parents=True)
    issue = {**GITLAB_ISSUE, "author": None, "labels": None, "label_links": [{"label": {"title": "버그"}}]}
    note = {"note": "재현했습니다.", "author": {"name": "이지원"}, "created_at": "2026-05-02 10:00:00 UTC"}
    hidden = {**issue, "iid": 13, "confidential": True}
    lines = [json.dumps({**issue, "notes": [note, {"note": "x", "system": True}]}), "", json.dumps(hidden), "[]"]
    (folder / "issues.ndjson").write_text("\n".join(lines), encoding="utf-8")
    (folder / "merge_requests.ndjson").write_text(json.dumps(GITLAB_MR) + "\n", encoding="utf-8")
    (folder / "labels.ndjson").write_text("not read")
    rule = {"path_rules": [{"paths": "/.history/issues/", "access": {"label": "S"}}]}
    found = exported(tmp_path / "exports" / "payments", rule, (tmp_path / "exports",))
    assert sorted(found) == [".history/issues/12.md", ".history/merge_requests/45.md"]
    text, access = found[".history/issues/12.md"]
    assert "labels: 버그" in text
    assert "## 이지원, 2026-05-02\n\n재현했습니다." in text
    assert access == GivenRule(label=Label.SENSITIVE)
    assert found[".history/merge_requests/45.md"][1] is None


def archive(place: Path, members: Sequence[tuple[str | tarfile.TarInfo, bytes]]) -> Path:
    """A `.tar.gz` of these files, in this order."""
    with tarfile.open(place, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return place


EXPORT = (
    ("./VERSION", b"0.2.4"),
    ("./project.bundle", b"\0" * 100_000),
    ("./tree/project/labels.ndjson", b"not read"),
    ("./tree/project/merge_requests.ndjson", json.dumps(GITLAB_MR).encode() + b"\n"),
    ("./tree/project/issues.ndjson", json.dumps({**GITLAB_ISSUE, "notes": NOTES}).encode() + b"\n"),
    ("./pulls.json", json.dumps([GITHUB_PR]).encode()),
    ("./comments.json", json.dumps([{**COMMENT, "issue_url": "https://git.kr/api/v3/repos/a/b/issues/8"}]).encode()),
)


def test_an_archive_gives_the_documents_of_its_unpacked_folder(tmp_path: Path) -> None:
    packed = archive(tmp_path / "2026-05_payments_export.tar.gz", EXPORT)
    with tarfile.open(packed) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    found = exported(packed, {}, (tmp_path,))
    assert found == exported(tmp_path / "unpacked", {}, (tmp_path,))
    assert sorted(found) == [
        ".history/issues/12.md",
        ".history/merge_requests/45.md",
        ".history/pull_requests/8.md",
    ]
    assert "재현했습니다." in found[".history/issues/12.md"][0]
    assert "확인했습니다." in found[".history/pull_requests/8.md"][0]


def _link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def _header(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("././@LongLink")
    info.type = kind
    return info


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../issues.json", b"[]")], "archive_unsafe"),
        ([("tree/../../issues.json", b"[]")], "archive_unsafe"),
        ([("a.txt", b"x"), (_link("issues.json", "/etc/passwd"), b"")], "export_empty"),
        ([("issues.json", b"{")], "export_json"),
        ([("bomb.bin", b"\0" * (70 << 20))], "archive_size"),
        ([(f"uploads/{n}", b"") for n in range(31)], "archive_members"),
        ([(_header(tarfile.GNUTYPE_LONGNAME), b"a" * (2 << 20)), ("issues.json", b"[]")], "archive_damaged"),
        ([(_header(tarfile.GNUTYPE_SPARSE), b""), ("issues.json", b"[]")], "archive_damaged"),
    ],
)
def test_an_archive_that_is_none_or_too_much_is_refused(
    tmp_path: Path, members: list[tuple[str | tarfile.TarInfo, bytes]], reason: str
) -> None:
    packed = archive(tmp_path / "export.tar.gz", members)
    options = RepositoryOptions.of({"history": {"export": str(packed)}})
    allowed = RepositorySettings(roots=(tmp_path,), max_files=30)
    with pytest.raises(RepositoryNotRead) as raised:
        list(talk_items(Remote("/srv/git/a.git"), options, allowed, "payments"))
    assert raised.value.params["reason"] == reason


@pytest.mark.parametrize("damage", ["short", "checksum", "inside", "plain", "other"])
def test_a_damaged_archive_gives_nothing(tmp_path: Path, damage: str) -> None:
    packed = archive(tmp_path / "export.tar.gz", EXPORT)
    raw = packed.read_bytes()
    plain = bytearray(gzip.decompress(raw))
    plain[plain.index(b"./tree/project/issues.ndjson") + 148] ^= 1  # in the checksum of its header
    content = {
        "short": raw[:-200],
        "checksum": raw[:-8] + b"\0\0\0\0" + raw[-4:],
        "inside": gzip.compress(bytes(plain)),
        "plain": gzip.compress(b"[]"),
        "other": b"PK\x03\x04",
    }
    packed.write_bytes(content[damage])
    with pytest.raises(RepositoryNotRead) as raised:
        exported(packed, {}, (tmp_path,))
    assert raised.value.params["reason"] == "archive_damaged"
    korean = localized(raised.value, "ko")
    assert "손상" in korean and "export.tar.gz" in korean and "damaged" not in korean


def test_an_export_is_a_folder_or_an_archive(tmp_path: Path) -> None:
    (tmp_path / "issues.json").write_text("[]")
    with pytest.raises(RepositoryNotRead) as raised:
        exported(tmp_path / "issues.json", {}, (tmp_path,))
    assert raised.value.params["reason"] == "archive_kind"


def test_an_export_of_github_with_comments_beside(tmp_path: Path) -> None:
    branches = {"head": {"ref": "fix"}, "base": {"ref": "main"}, "merged_at": "2026-05-04T00:00:00Z"}
    pull = {**GITHUB_PR, "pull_request": None, **branches}
    (tmp_path / "issues-1.json").write_text(json.dumps([GITHUB_ISSUE]), encoding="utf-8")
    (tmp_path / "pulls.json").write_text(json.dumps([pull]), encoding="utf-8")
    comment = {**COMMENT, "issue_url": "https://git.example.kr/api/v3/repos/a/b/issues/7"}
    (tmp_path / "comments.json").write_text(json.dumps([comment]), encoding="utf-8")
    found = exported(tmp_path, {}, (tmp_path,))
    assert sorted(found) == [".history/issues/7.md", ".history/pull_requests/8.md"]
    assert "확인했습니다." in found[".history/issues/7.md"][0]
    assert "state: merged" in found[".history/pull_requests/8.md"][0]
    assert "fix → main" in found[".history/pull_requests/8.md"][0]


def test_lists_as_the_api_of_gitlab_answers(tmp_path: Path) -> None:
    """What `curl …/projects/7/issues > issues.json` writes: objects with `iid`, which GitHub's have not."""
    issue = {"iid": 12, "title": "이체 한도 오류", "description": "하루 한도를 넘는다.", "state": "opened"}
    request = {"iid": 3, "title": "한도 검사", "description": "고침", "source_branch": "fix", "target_branch": "main"}
    (tmp_path / "issues.json").write_text(json.dumps([issue]))
    (tmp_path / "merge_requests-2.json").write_text(json.dumps([request]))
    found = exported(tmp_path, {}, (tmp_path,))
    assert sorted(found) == [".history/issues/12.md", ".history/merge_requests/3.md"]
    assert "하루 한도를 넘는다." in found[".history/issues/12.md"][0]
    assert "fix → main" in found[".history/merge_requests/3.md"][0]


@pytest.mark.parametrize("name", ["issues.json", "issues.ndjson", "pulls.json"])
def test_a_file_of_an_export_in_which_nothing_is_an_issue_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps({"key": "PAY-1", "summary": "Jira"}))
    with pytest.raises(RepositoryNotRead) as refused:
        exported(tmp_path, {}, (tmp_path,))
    assert refused.value.params["reason"] == "export_unknown" and name in str(refused.value)


def test_an_export_outside_the_roots_empty_or_broken(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "issues.json").write_text(json.dumps([GITHUB_ISSUE]))
    with pytest.raises(RepositoryRefused):
        exported(outside, {}, (inside,))
    (inside / "link").symlink_to(outside)
    with pytest.raises(RepositoryRefused):
        exported(inside / "link", {}, (inside,))
    (inside / "link").unlink()
    (inside / "issues.json").symlink_to(outside / "issues.json")
    with pytest.raises(RepositoryNotRead):
        exported(inside, {}, (inside,))
    (inside / "issues.json").unlink()
    (inside / "issues.json").write_text("{")
    with pytest.raises(RepositoryNotRead, match="not valid JSON"):
        exported(inside, {}, (inside,))


@pytest.mark.parametrize("attached", ['{"eslint": [1, 2]}', "no JSON"])
def test_what_people_attached_is_no_part_of_an_export(tmp_path: Path, attached: str) -> None:
    upload = tmp_path / "uploads" / ("0a" * 16) / "issues.json"
    upload.parent.mkdir(parents=True)
    upload.write_text(attached)
    (tmp_path / "issues.json").write_text(json.dumps([GITHUB_ISSUE]))
    assert sorted(exported(tmp_path, {}, (tmp_path,))) == [".history/issues/7.md"]


def test_a_file_that_holds_no_issue_does_not_hide_those_of_another(tmp_path: Path) -> None:
    (tmp_path / "eslint").mkdir()
    (tmp_path / "eslint" / "issues.json").write_text(json.dumps({"eslint": [1, 2]}))
    (tmp_path / "issues.json").write_text(json.dumps([GITHUB_ISSUE]))
    assert sorted(exported(tmp_path, {}, (tmp_path,))) == [".history/issues/7.md"]


def test_documents_that_were_written_in_an_older_form_are_written_anew(tmp_path: Path, forge: Forge) -> None:
    """What has not changed on its server since would stay as it is otherwise."""
    gitlab(forge)
    source = GitRepository.new(tmp_path / "a")
    source.commit("처음", {"a.py": "x = 1\n"})
    mirror = Mirror(source.folder / ".git", "payments")
    allowed, credential = settings(tmp_path, forge)
    remote = Remote(f"https://{forge.host}/결제/payments.git", credential, forge.ca_file)
    options = RepositoryOptions.of({"history": {"api": "gitlab"}})
    old = HistoryItem(".history/issues/12.md", "# 로그인 오류 (#12)\n", datetime(2026, 5, 3, tzinfo=UTC))
    kept = {
        "source": options.history.model_dump(mode="json", exclude={"commits"}),
        "since": "2027-01-01T00:00:00+00:00",
    }
    later = HistoryItem(".history/issues/4711.md", "# 나중에 읽힌다 (#4711)\n", datetime(2026, 5, 3, tzinfo=UTC))
    history_store._write(mirror, {}, {old.path: old, later.path: later}, kept)

    def text() -> str:
        found = history_store.refresh(mirror, mirror.resolve(""), remote, options, allowed)
        assert later.path in {entry.path for entry in found.files}, "what this look has not come to stays as it is"
        [blob] = [entry.blob for entry in found.files if entry.path == old.path]
        return next(content for _, content in mirror.read([blob])).decode()

    assert "Issue #12 · 로그인 오류" in text()
    asked = len(forge.asked)
    text()
    assert all("updated_after" in query for _, query, _ in forge.asked[asked:]), "from then on, what changed alone"
