"""Buckets as other tools leave them: names that obstore does not take, marks of folders, stores without encryption."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ingest.connectors.access_files import RULES
from ingest.connectors.bucket import BucketSource
from ingest.connectors.sync_plan import KnownItem, Listing, plan_for
from ingest.pipeline.records import clean_source_key
from tests.support.object_store import ObjectStore, store_in_environment


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    with store_in_environment(monkeypatch) as server:
        yield server


def listed(store: ObjectStore, *names: str, content: bytes = b"x") -> Listing:
    store.objects.update({f"docs/rules/{name}": content for name in names})
    return BucketSource("s3://docs/rules", clean_source_key).listing()


def keys(listing: Listing) -> set[str]:
    return {item.key for item in listing.items}


PLAIN = ["(최종) 규정.md", "A.md", "a/0", "a/1.md", "b/c/d.md", "가/나.md", "z.md"]


def test_a_store_over_plain_http_is_read(store: ObjectStore) -> None:
    store.page = 2
    listing = listed(store, *PLAIN)
    assert keys(listing) == set(PLAIN)
    with BucketSource("s3://docs/rules", clean_source_key).open(listing.items[0]) as content:
        assert content.read() == b"x"


@pytest.mark.parametrize("page", [2, 3, 1000])
@pytest.mark.parametrize(
    ("odd", "folder"),
    [
        ("a//b.md", "a/"),
        ("b/c//", "b/c/"),
        ("b/../esc.md", "b/"),
        ("가/./x.md", "가/"),
        ("b/c/A\ty.md", "b/c/"),
        ('a/q"x//b.md', 'a/q"x/'),
        ("a//", "a/"),
    ],
)
def test_an_object_with_an_odd_name_keeps_no_other_folder_from_being_read(
    store: ObjectStore, odd: str, folder: str, page: int
) -> None:
    store.page = page
    listing = listed(store, *PLAIN, odd, f"{odd}2")
    assert keys(listing) == set(PLAIN)
    assert [problem.key for problem in listing.problems] == [folder]
    assert repr(odd)[1:-1] in listing.problems[0].reason


@pytest.mark.parametrize("odd", ["../esc.md", "/b.md", "./x.md"])
def test_an_odd_name_at_the_top_hides_what_may_come_before_it_and_nothing_is_taken_for_gone(
    store: ObjectStore, odd: str
) -> None:
    listing = listed(store, *(name for name in PLAIN if name > odd), odd)
    assert keys(listing) == {name for name in PLAIN if name > odd}
    [problem] = listing.problems
    assert problem.key == "/" and repr(odd) in problem.reason
    assert not plan_for([KnownItem("(최종) 규정.md", "1:1", "h", "")], listing).missing


def test_what_an_odd_name_hides_in_its_folder_is_not_taken_for_gone(store: ObjectStore) -> None:
    listing = listed(store, "a/(초안).md", "a//b.md", "z.md")
    known = [KnownItem(key, "1:1", "h", "") for key in ("a/(초안).md", "weg.md")]
    assert [item.key for item in plan_for(known, listing).missing] == ["weg.md"]


def test_the_rule_of_a_folder_holds_behind_an_odd_name(store: ObjectStore) -> None:
    store.objects[f"docs/rules/a/{RULES}"] = b'{"allow": ["group:hr"]}'
    listing = listed(store, "a//b.md", "a/pay.md")
    [item] = listing.items
    assert item.key == "a/pay.md" and item.access is not None and item.access.allow == ("group:hr",)


def test_many_odd_names_cost_few_requests(store: ObjectStore) -> None:
    listing = listed(store, *(f"a//{number}.md" for number in range(2500)), *PLAIN)
    assert keys(listing) == set(PLAIN)
    assert len(listing.problems) == 1
    assert store.asked < 20


def test_a_mark_of_a_folder_is_no_document_and_no_fault(store: ObjectStore) -> None:
    listed(store, "dir/", "both/", "leer/x/", content=b"")
    listing = listed(store, "dir/a.md", "both")
    assert keys(listing) == {"dir/a.md", "both"}
    assert listing.problems == ()


def test_an_empty_object_is_still_listed(store: ObjectStore) -> None:
    assert keys(listed(store, "leer.md", content=b"")) == {"leer.md"}
