from __future__ import annotations

import os
import time
import unicodedata
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from ingest.connectors.access_files import MAX_BYTES, RULES
from ingest.connectors.bucket import BucketSource
from ingest.connectors.folder import FolderSource
from ingest.connectors.sync_plan import FoundItem, KnownItem, Listing, Plan, Problem, content_hash, plan_for
from ingest.pipeline.records import clean_source_key
from rag.domain.access import GivenRule, Label
from rag.domain.errors import InvalidRequest


def folder(root: Path, **options: object) -> FolderSource:
    return FolderSource(root, clean_source_key, **options)  # type: ignore[arg-type]


def put(root: Path, name: str, text: str = "내용") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def keys(listing: Listing) -> list[str]:
    return [item.key for item in listing.items]


def test_a_folder_lists_what_is_a_document(tmp_path: Path) -> None:
    for name in (
        "규정/취업규칙.docx",
        "a.md",
        ".git/config",
        "규정/.숨김",
        "__pycache__/x.pyc",
        "~$취업규칙.docx",
        "b.tmp",
    ):
        put(tmp_path, name)
    put(tmp_path, "초안/버림.md")
    put(tmp_path, "c.bak")
    listing = folder(tmp_path, ignore=["*.bak", "초안/*"]).listing()
    assert keys(listing) == ["a.md", "규정/취업규칙.docx"]
    assert listing.problems == ()


def test_a_decomposed_name_is_the_name_of_the_document(tmp_path: Path) -> None:
    put(tmp_path, unicodedata.normalize("NFD", "규정.md"))
    [item] = folder(tmp_path).listing().items
    assert item.key == unicodedata.normalize("NFC", "규정.md")
    with folder(tmp_path).open(item) as content:
        assert content.read() == "내용".encode()
    put(tmp_path, "규정.md")
    listing = folder(tmp_path).listing()
    assert keys(listing) == ["규정.md"]
    assert [problem.reason for problem in listing.problems] == ["two files have this name"]


def test_a_fingerprint_changes_with_the_content(tmp_path: Path) -> None:
    path = put(tmp_path, "a.md", "eins")
    [before] = folder(tmp_path).listing().items
    assert folder(tmp_path).listing().items == (before,)
    path.write_text("vierzehn")
    [after] = folder(tmp_path).listing().items
    assert after.fingerprint != before.fingerprint


def test_a_fingerprint_changes_with_content_of_the_same_size_and_time(tmp_path: Path) -> None:
    path = put(tmp_path, "a.md", "eins")
    os.utime(path, ns=(1_000_000_001, 1_000_000_001))
    [before] = folder(tmp_path).listing().items
    wait_for_another_change_time(tmp_path, path)
    path.write_text("zwei")
    os.utime(path, ns=(1_000_000_001, 1_000_000_001))
    [overwritten] = folder(tmp_path).listing().items
    assert overwritten.fingerprint != before.fingerprint
    restored = put(tmp_path.parent, f"{tmp_path.name}-sicherung.md", "drei")
    os.utime(restored, ns=(1_000_000_001, 1_000_000_001))
    restored.replace(path)
    [moved] = folder(tmp_path).listing().items
    assert moved.fingerprint not in (before.fingerprint, overwritten.fingerprint)


def wait_for_another_change_time(root: Path, path: Path) -> None:
    """Until the clock of the file system, which ticks every few milliseconds, shows another time than that of `path`."""
    probe, until = root / ".uhr", time.monotonic() + 5
    while time.monotonic() < until:
        probe.write_text("x")
        if probe.stat().st_ctime_ns > path.stat().st_ctime_ns:
            return
        time.sleep(0.005)
    raise AssertionError("the clock of the file system stands still")


def test_links_are_followed_inside_the_root_only(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    secret = put(outside, "비밀.md")
    target = put(root, "innen/ziel.md")
    (root / "link.md").symlink_to(target)
    (root / "escape.md").symlink_to(secret)
    (root / "escape").symlink_to(outside)
    (root / "broken.md").symlink_to(root / "nothing.md")
    (root / "innen" / "loop").symlink_to(root)
    listing = folder(root).listing()
    assert keys(listing) == ["innen/ziel.md", "link.md"]
    reasons = {problem.key: problem.reason for problem in listing.problems}
    assert set(reasons) == {"escape", "escape.md", "broken.md"}
    assert "out of the folder" in reasons["escape"]


def test_a_link_that_turns_away_before_it_is_opened_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    path = put(root, "a.md")
    source = folder(root)
    [item] = source.listing().items
    path.unlink()
    path.symlink_to(put(tmp_path, "비밀.md"))
    with pytest.raises(PermissionError):
        source.open(item)


def test_what_can_not_be_read_is_reported_and_protects_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "offen/a.md")
    put(tmp_path, "zu/b.md")
    real = Path.iterdir

    def refusing(self: Path) -> object:
        if self.name == "zu":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "iterdir", refusing)  # a mode of 000 means nothing to root
    listing = folder(tmp_path).listing()
    assert keys(listing) == ["offen/a.md"]
    assert listing.problems == (Problem("zu/", "Permission denied"),)
    plan = plan_for([known("zu/b.md"), known("offen/a.md"), known("weg.md")], listing)
    assert [item.key for item in plan.missing] == ["weg.md"]


def test_a_name_that_is_no_text_is_reported(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.md"))).write_bytes(b"x")
    listing = folder(tmp_path).listing()
    assert listing.items == ()
    assert [problem.reason for problem in listing.problems] == ["the name is not valid text"]


def test_a_file_that_is_being_written_waits(tmp_path: Path) -> None:
    put(tmp_path, "neu.md")
    os.utime(put(tmp_path, "alt.md"), (1, 1))
    listing = folder(tmp_path, quiet_s=60).listing()
    assert keys(listing) == ["alt.md"]
    assert [problem.key for problem in listing.problems] == ["neu.md"]


def test_a_file_that_bears_a_time_to_come_is_taken(tmp_path: Path) -> None:
    path, tomorrow = put(tmp_path, "morgen.md", "eins"), time.time() + 86_400
    os.utime(path, (tomorrow, tomorrow))
    once = folder(tmp_path).listing()
    assert (keys(once), once.problems) == (["morgen.md"], ())
    watched = folder(tmp_path, quiet_s=60)
    assert [problem.key for problem in watched.listing().problems] == ["morgen.md"], "it may be in writing"
    path.write_text("eins zwei")
    os.utime(path, (tomorrow, tomorrow))
    assert [problem.key for problem in watched.listing().problems] == ["morgen.md"], "it is in writing"
    settled = watched.listing()
    assert (keys(settled), settled.problems) == (["morgen.md"], ())


def test_a_folder_that_is_not_there_is_an_error_not_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        folder(tmp_path / "nichts").listing()


def known(key: str, fingerprint: str = "1:1", content: str = "x") -> KnownItem:
    return KnownItem(key, fingerprint, content, f"document of {key}")


def found(key: str, fingerprint: str = "1:1") -> FoundItem:
    return FoundItem(key, key, 1, fingerprint)


def test_a_plan_tells_new_changed_same_and_missing_apart() -> None:
    plan = plan_for(
        [known("same"), known("changed"), known("missing")],
        Listing((found("same"), found("changed", "2:2"), found("new"))),
    )
    assert [item.key for item in plan.suspects] == ["changed", "new"]
    assert (plan.unchanged, [item.key for item in plan.missing]) == (1, ["missing"])
    assert plan.is_same(found("changed"), "x")
    assert not plan.is_same(found("changed"), "y")
    assert not plan.is_same(found("new"), "x")


def test_an_item_whose_name_is_hidden_is_not_missing_where_it_may_lie_in_the_dark() -> None:
    unreadable = (Problem("인사/900101-1234567/", "closed"), Problem("급여.md", "closed"))
    hidden = ["인사/900101-1******/평가.md", "인사/900101-1******", "급여.md", "급여.md.bak", "재무/900101-1******.md"]
    items = [KnownItem(key, "1:1", "x", f"document of {key}", hidden=True) for key in hidden]
    plan = plan_for(items, Listing((), unreadable))
    assert [item.key for item in plan.missing] == [hidden[1], hidden[3], hidden[4]]
    assert plan_for([known("인사/900101-1******/평가.md")], Listing((), unreadable)).missing, "a name that is so"


@pytest.mark.parametrize(
    ("kept", "lost", "renamed", "too_many"),
    [(1, 1, 0, False), (1, 2, 0, True), (0, 1, 0, True), (0, 3, 3, False), (1, 3, 1, False), (0, 0, 0, False)],
)
def test_more_than_half_is_too_many_but_a_rename_is_no_loss(kept: int, lost: int, renamed: int, too_many: bool) -> None:
    items = [known(f"kept{i}") for i in range(kept)] + [known(f"lost{i}", content=f"hash{i}") for i in range(lost)]
    plan: Plan = plan_for(items, Listing(tuple(found(f"kept{i}") for i in range(kept))))
    moved = plan.renamed({f"hash{i}" for i in range(renamed)})
    assert len(moved) == renamed
    assert plan.too_many_missing(moved) is too_many


def bucket(objects: dict[str, bytes], **options: object) -> tuple[BucketSource, MemoryStore]:
    store = MemoryStore()
    for key, content in objects.items():
        obstore.put(store, key, content)
    return BucketSource("s3://docs/rules/", clean_source_key, store=store, **options), store  # type: ignore[arg-type]


def test_a_bucket_lists_objects_by_etag() -> None:
    source, store = bucket(
        {"인사/a.md": b"eins", "b.md": b"zwei", ".hidden/c.md": b"x", "d.bak": b"x"}, ignore=["*.bak"]
    )
    assert source.location == "s3://docs/rules"
    before = source.listing()
    assert keys(before) == ["b.md", "인사/a.md"]
    with source.open(before.items[1]) as content:
        digest = content_hash(content)
        assert content.read() == b"eins"
    assert len(digest) == 64
    assert source.listing() == before
    obstore.put(store, "b.md", b"drei")
    after = source.listing()
    assert after.items[0].fingerprint != before.items[0].fingerprint
    assert after.items[1] == before.items[1]


def test_objects_of_rules_hold_for_what_lies_below_them_in_a_bucket() -> None:
    source, store = bucket(dict.fromkeys(("a.md", "공지/b.md", "인사/c.md", "인사/급여/2026/d.md", "인사2/e.md"), b"x"))
    open_to_all = {item.key: item.fingerprint for item in source.listing().items}
    obstore.put(store, f"인사/{RULES}", '{"allow": ["group:인사팀"], "deny": ["user:kim"], "label": "S"}'.encode())
    obstore.put(store, f"인사/급여/{RULES}", '{"allow": ["group:급여팀"], "deny": ["user:lee"]}'.encode())
    found = {item.key: item for item in source.listing().items}
    assert {key: item.access for key, item in found.items()} == {
        "a.md": None,
        "공지/b.md": None,
        "인사/c.md": GivenRule(("group:인사팀",), ("user:kim",), Label.SENSITIVE),
        "인사/급여/2026/d.md": GivenRule(("group:급여팀",), ("user:kim", "user:lee"), Label.SENSITIVE),
        "인사2/e.md": None,
    }
    changed = {key for key, item in found.items() if item.fingerprint != open_to_all[key]}
    assert changed == {"인사/c.md", "인사/급여/2026/d.md"}


@pytest.mark.parametrize("content", [b"", b"{", b'{"label": "X"}', b"\xff", b"[" * 100_000, b" " * (MAX_BYTES + 1)])
def test_what_lies_below_a_broken_rule_of_a_bucket_is_left_alone(content: bytes) -> None:
    source, store = bucket({"공지/a.md": b"x", "인사/b.md": b"x", "인사/급여/c.md": b"x"})
    obstore.put(store, f"인사/{RULES}", content)
    obstore.put(store, f"인사/급여/{RULES}", b'{"label": "C"}')
    found = source.listing()
    assert keys(found) == ["공지/a.md"]
    assert [item.key for item in found.problems] == ["인사/"]
    kept = plan_for([KnownItem("인사/급여/c.md", "1:1", "h", "")], found)
    assert not kept.missing
    obstore.put(store, RULES, content)
    with pytest.raises(InvalidRequest):
        source.listing()


def test_an_object_that_went_away_is_an_error_of_that_object() -> None:
    source, store = bucket({"a.md": b"eins"})
    [item] = source.listing().items
    obstore.delete(store, "a.md")
    with pytest.raises(OSError, match=r"a\.md"):
        source.open(item)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        BucketSource("nonsense://x/y", clean_source_key)
