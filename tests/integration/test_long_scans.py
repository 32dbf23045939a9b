"""Scans that take minutes to read, and small files that come with them or after them."""

from __future__ import annotations

import io
import threading
import time
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest.parsing import outcome, read_so_far
from ingest.parsing.ocr import find_tesseract
from ingest.parsing.slots import ParseSlots
from tests.support.running import Caller, Running

pytestmark = pytest.mark.skipif(find_tesseract() is None, reason="no Tesseract here: apt-get install tesseract-ocr")

PAGES = 200
"""A machine that reads four pages a second needs most of a minute for them."""

WORDS = "capital market branch office ledger teller safe audit reserve deposit"


def scan(pages: int, word: str) -> bytes:
    """A PDF of pictures, each of a page with a line of its own and some that are as long."""
    font = ImageFont.load_default(size=36)
    pictures = []
    for number in range(1, pages + 1):
        image = Image.new("1", (1240, 500), 1)
        named = WORDS.split()[number % 10]  # digits alone would make the same line of all, and so a running one
        lines = [f"{word} for the {named} in the vault", *[f"{WORDS} {number + row}" for row in range(4)]]
        for row, line in enumerate(lines):
            ImageDraw.Draw(image).text((80, 60 + row * 80), line, font=font, fill=0)
        pictures.append(image)
    out = io.BytesIO()
    pictures[0].save(out, "PDF", save_all=True, append_images=pictures[1:], resolution=150)
    return out.getvalue()


def upload(caller: Caller, collection: str, files: dict[str, bytes], priority: str = "interactive") -> dict[str, str]:
    parts = [("files", item) for item in files.items()]
    address = f"/api/v1/collections/{collection}/documents"
    response = caller.post(address, files=parts, params={"priority": priority})
    assert response.status_code == 202, response.text
    return {item["source_key"]: item["document_id"] for item in response.json()["documents"]}


def version(caller: Caller, document_id: str) -> dict[str, Any]:
    return dict(caller.get(f"/api/v1/documents/{document_id}").json()["version"])


def note(name: str) -> bytes:
    return f"# 알림\n\n{name} 알림입니다.\n".encode()


@pytest.mark.timeout(180)
def test_small_files_do_not_wait_for_long_scans(service: Running) -> None:
    caller = service.caller()
    name = caller.collection()
    scans: dict[str, str] = {}
    small: dict[str, str] = {}
    for word in ("first", "second"):
        found = upload(caller, name, {f"{word}.pdf": scan(PAGES, word), f"{word}.md": note(word)})
        scans[word] = found[f"{word}.pdf"]
        small |= {word: found[f"{word}.md"]}
    small |= upload(caller, name, {"later.md": note("later")})
    small |= upload(caller, name, {"in-bulk.md": note("in bulk")}, "bulk")
    ready = caller.wait(list(small.values()), timeout_s=45)
    assert {item["version"]["state"] for item in ready} == {"active"}
    found = {word: version(caller, key) for word, key in scans.items()}
    assert {item["state"] for item in found.values()} <= {"queued", "running"}
    # They go on alone, and say how far they are, even while one waits for the other.
    deadline = time.monotonic() + 60
    while {item["priority"] for item in found.values()} != {"long"} or not any(
        item["state"] == "running" and item["progress"]["stage"] == "parse" and item["progress"]["done"]
        for item in found.values()
    ):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
        found = {word: version(caller, key) for word, key in scans.items()}
    running = [item for item in found.values() if item["state"] == "running" and item["progress"]["done"]]
    assert all(item["progress"]["total"] == PAGES and item["progress"]["eta_s"] > 0 for item in running)
    for key in scans.values():
        assert caller.post(f"/api/v1/documents/{key}/cancel").status_code in (200, 202)
    ended = caller.wait(list(scans.values()), timeout_s=20)
    assert {item["version"]["state"] for item in ended} == {"cancelled"}


@pytest.mark.timeout(180)
def test_a_scan_alone_makes_room_for_a_file_that_is_known_and_finds_no_child(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one child for what somebody waits for, both have a job and were looked at when the scan takes that child."""
    sandbox = service.services.ingest.pipeline.sandbox
    monkeypatch.setattr(sandbox, "_slots", ParseSlots(1))
    identify, parse = sandbox.identify, sandbox.parse
    known, is_read = threading.Barrier(2), threading.Event()

    def identified(*file: Any, **named: Any) -> Any:
        found = identify(*file, **named)
        known.wait(30)
        return found

    def parsed(path: Any, file_name: str, *rest: Any, told: Any = None, **named: Any) -> Any:
        def heard(read: Any) -> None:
            is_read.set()
            told(read)

        if file_name == "known.md":
            assert is_read.wait(60)
        return parse(path, file_name, *rest, told=heard, **named)

    monkeypatch.setattr(sandbox, "identify", identified)
    monkeypatch.setattr(sandbox, "parse", parsed)
    caller = service.caller()
    [long] = upload(caller, caller.collection(), {"alone.pdf": scan(PAGES, "alone")}).values()
    [small] = upload(caller, caller.collection(), {"known.md": note("known")}).values()
    assert is_read.wait(60)
    monkeypatch.setattr(sandbox, "identify", identify)  # the scan is looked at once more
    [ready] = caller.wait([small], timeout_s=25)
    assert ready["version"]["state"] == "active"
    found = version(caller, long)
    assert (found["state"] in ("queued", "running"), found["priority"]) == (True, "long")
    assert caller.post(f"/api/v1/documents/{long}/cancel").status_code in (200, 202)
    assert caller.wait([long], timeout_s=20)[0]["version"]["state"] == "cancelled"


@pytest.mark.timeout(180)
def test_a_scan_that_left_its_batch_is_read_to_its_end_once(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_so_far, "_KNOWN_AFTER_S", 0.0)
    monkeypatch.setattr(read_so_far, "_LONG_S", 0.0)
    monkeypatch.setattr(outcome, "_TOLD_EVERY_S", 0.0)
    sandbox = service.services.ingest.pipeline.sandbox
    parse, guard, begun = sandbox.parse, threading.Lock(), list[str]()

    def counted(path: Any, file_name: str, *rest: Any, **named: Any) -> Any:
        with guard:
            begun.append(file_name)
        return parse(path, file_name, *rest, **named)

    monkeypatch.setattr(sandbox, "parse", counted)
    caller = service.caller()
    name = caller.collection()
    ids = upload(caller, name, {"scan.pdf": scan(4, "seal"), "a.md": note("a"), "b.md": note("b")})
    found = {item["source_key"]: item["version"] for item in caller.wait(list(ids.values()), timeout_s=150)}
    assert {key: item["state"] for key, item in found.items()} == dict.fromkeys(ids, "active")
    assert {item["priority"] for item in found.values()} == {"interactive"}  # as it came, once it is read
    assert (found["scan.pdf"]["pages"], found["scan.pdf"]["tries"]) == (4, 0)
    assert sorted(begun) == ["a.md", "b.md", "scan.pdf", "scan.pdf"]
    passages = caller.search("What is the seal for the office in the vault?", collections=[name])
    assert any("seal for the office" in passage["text"] for passage in passages), passages
