"""Places as answers cite them, read and opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.mcp.cited_places import CitedPlace, PlaceOpener
from rag.answering.changes import History
from rag.retrieval.opening import PART_CHARACTERS
from tests.support.shelf import shelf as empty_shelf
from tests.support.stores import migrated
from tests.support.tagged_repository import commit, git, indexed


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("pay@x/a.py:3-5@abc1234", CitedPlace("pay@x", "a.py", 3, 5, "abc1234")),
        ("pay@x@abc1234", CitedPlace("pay@x", "", 0, 0, "abc1234")),
        ("pay/a@b.py:3@abc1234", CitedPlace("pay", "a@b.py", 3, 3, "abc1234")),
        ("repo:/a.py:3@abc1234", CitedPlace("repo:", "a.py", 3, 3, "abc1234")),
        ("repo://pay/a.py:3@abc1234", None),
        ("doc://pay/a.py:3@abc1234", None),
        ("repo://pay@abc1234", None),
    ],
)
def test_a_place_is_read(text: str, place: CitedPlace | None) -> None:
    assert CitedPlace.of(text) == place


def test_places_are_opened_and_say_what_was_cut(tmp_path: Path) -> None:
    shelf = empty_shelf(migrated(f"sqlite:///{tmp_path / 'store.sqlite'}"))
    source = tmp_path / "pay"
    source.mkdir()
    git(source, "init", "-q", "-b", "main")
    lines = ["x = 1", "y" * (PART_CHARACTERS + 5), "z = 3"]
    at = commit(source, {"a.py": "\n".join(lines) + "\n"}, "처음 " + "길" * PART_CHARACTERS, tag="v1")
    history = History(shelf.database, tmp_path / "mirrors")
    indexed(shelf, shelf.collection("코드", kind="code"), history.mirrors, source, name="pay@x", ref="v1")
    opener = PlaceOpener(history, shelf.permit(), "en", "http://seogo")

    def read(text: str) -> tuple[str, bool, str]:
        place = CitedPlace.of(text)
        assert place is not None
        told, _ = opener.opened(place)
        return told.text, told.metadata.get("cut", False) is True, str(told.metadata.get("next", ""))

    end = f"@{at[:12]}"
    assert read(f"pay@x/a.py:1{end}") == ("x = 1", False, "")
    assert read(f"pay@x/a.py:1-3{end}") == ("x = 1", False, f"pay@x/a.py:2-3{end}")
    assert read(f"pay@x/a.py:2-3{end}") == ("y" * PART_CHARACTERS, True, f"pay@x/a.py:3{end}")
    assert read(f"pay@x{end}")[1], "of the message as well"
    shelf.database.close()
