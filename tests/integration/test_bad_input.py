"""Bad input: each kind gets a stable code, a clear message in both languages, and loses nothing."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pypdf
import pytest

from tests.support.running import SAMPLES, Caller, Running

HANGUL = range(0xAC00, 0xD7A4)


def _encrypted_pdf() -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    writer.encrypt("secret")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _empty_pdf() -> bytes:
    buffer = io.BytesIO()
    pypdf.PdfWriter().write(buffer)
    return buffer.getvalue()


def _docx() -> bytes:
    return (SAMPLES / "취업규칙.docx").read_bytes()


def _zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
    return buffer.getvalue()


BAD_FILES = {
    "0-page.pdf": (_empty_pdf, {"file_damaged", "no_text_found"}),
    "encrypted.pdf": (_encrypted_pdf, {"file_encrypted"}),
    "truncated.docx": (lambda: _docx()[:20_000], {"file_damaged"}),
    "noise.bin": (lambda: bytes(range(256)) * 400, {"unsupported_format"}),
    "noise.txt": (lambda: bytes(range(256)) * 400, {"unsupported_format"}),
    "bomb.docx": (_zip_bomb, {"parse_limit_exceeded", "unsupported_format"}),
    "blank.md": (lambda: b"\n \n\t\n", {"no_text_found"}),
}


def assert_explained(failure: dict[str, Any], korean: dict[str, Any]) -> None:
    """Both languages say it, each in its own script, without leftovers."""
    for item in (failure, korean):
        message = item.get("message") or item.get("title") or ""
        assert message and "{" not in message and "Traceback" not in message
    message = korean.get("message") or korean.get("title") or ""
    assert any(ord(char) in HANGUL for char in message)


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_fails_alone_with_its_reason(service: Running, name: str) -> None:
    make, codes = BAD_FILES[name]
    caller = service.caller()
    collection = caller.collection()
    good = "# Good\n\nThe good file stays searchable beside the bad one.\n"
    documents = {item["source_key"]: item for item in caller.ingest(collection, {name: make(), "good.md": good})}
    bad = documents[name]
    assert bad["version"]["state"] == "failed"
    assert bad["version"]["failure"]["code"] in codes
    korean = caller.get(f"/api/v1/documents/{bad['id']}", headers={"Accept-Language": "ko"}).json()
    assert_explained(bad["version"]["failure"], korean["version"]["failure"])
    assert documents["good.md"]["version"]["state"] == "active"
    assert caller.search("good file searchable")[0]["source_key"] == "good.md"
    assert caller.get(f"/api/v1/documents/{bad['id']}/content").status_code == 404


def test_a_wrong_extension_is_read_as_what_it_is(service: Running) -> None:
    caller = service.caller()
    [document] = caller.ingest(caller.collection(), {"규정.pdf": _docx()})
    assert document["version"]["state"] == "active"
    assert "wordprocessingml" in document["version"]["media_type"]


def test_an_empty_file_is_refused_at_the_door(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    response = caller.upload(collection, {"leer.txt": b""})
    assert response.status_code == 422
    assert response.json()["code"] == "empty_file"
    assert response.headers["content-type"] == "application/problem+json"
    assert caller.get(f"/api/v1/collections/{collection}/documents").json()["documents"] == []


def test_one_empty_file_of_many_is_said_and_the_rest_is_taken(service: Running) -> None:
    caller = service.caller()
    response = caller.upload(caller.collection(), {"empty.txt": b"", "full.txt": "words enough\n"})
    assert response.status_code == 202
    outcomes = {item["source_key"]: item for item in response.json()["documents"]}
    assert outcomes["empty.txt"]["outcome"] == "refused"
    assert outcomes["empty.txt"]["failure"]["code"] == "empty_file"
    assert outcomes["full.txt"]["outcome"] == "created"


def test_an_oversized_upload_is_refused_by_its_header_and_by_its_bytes(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    before = set(service.services.rag.blobs.original_hashes())
    by_header = caller.post(
        f"/api/v1/collections/{collection}/documents",
        content=b"",
        headers={"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(200 << 20)},
    )
    assert (by_header.status_code, by_header.json()["code"]) == (413, "payload_too_large")

    sent = 0

    def endless() -> Any:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.bin"\r\n\r\n'
        for _ in range(200):
            sent += 1 << 20
            yield b"A" * (1 << 20)
        yield b"\r\n--x--\r\n"

    by_bytes = caller.post(
        f"/api/v1/collections/{collection}/documents",
        content=endless(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert (by_bytes.status_code, by_bytes.json()["code"]) == (413, "payload_too_large")
    assert set(service.services.rag.blobs.original_hashes()) == before
    assert caller.get(f"/api/v1/collections/{collection}/documents").json()["documents"] == []


def test_the_same_upload_again_is_the_same_version(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    [first] = caller.ingest(collection, {"a.md": "# A\n\nfirst words here\n"})
    again = caller.upload(collection, {"a.md": "# A\n\nfirst words here\n"}).json()["documents"][0]
    assert again["outcome"] == "unchanged"
    assert again["version_id"] == first["version"]["id"]


def test_a_failed_file_can_be_tried_again(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    caller.ingest(collection, {"blank.md": b"\n\n"})
    assert caller.upload(collection, {"blank.md": b"\n\n"}).json()["documents"][0]["outcome"] == "retried"


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status", "code"),
    [
        ("GET", "/api/v1/collections/nope", {}, 404, "collection_not_found"),
        ("GET", "/api/v1/collections/nope/documents", {}, 404, "collection_not_found"),
        ("POST", "/api/v1/search", {"json": {"question": "x", "collections": ["nope"]}}, 404, "collection_not_found"),
        ("POST", "/api/v1/answers", {"json": {"question": "x", "collections": ["nope"]}}, 404, "collection_not_found"),
        (
            "POST",
            "/api/v1/search",
            {"content": b"{not json", "headers": {"Content-Type": "application/json"}},
            422,
            "invalid_request",
        ),
        ("POST", "/api/v1/search", {"json": {"question": ""}}, 422, "invalid_request"),
        ("POST", "/api/v1/search", {"json": {"question": "   "}}, 422, "invalid_request"),
        ("POST", "/api/v1/search", {"json": {"question": "x" * 5000}}, 422, "question_too_long"),
        ("POST", "/api/v1/search", {"json": {"question": "x", "limit": 0}}, 422, "invalid_request"),
        ("POST", "/api/v1/search", {"json": {"question": "x", "surprise": 1}}, 422, "invalid_request"),
        ("POST", "/api/v1/search", {"json": []}, 422, "invalid_request"),
        ("POST", "/api/v1/search", {"json": {"question": "x" * (3 << 20)}}, 413, "payload_too_large"),
        ("POST", "/api/v1/collections", {"json": {"name": "a/b"}}, 422, "invalid_request"),
        ("POST", "/api/v1/collections", {"json": {"name": "x", "kind": "films"}}, 422, "invalid_request"),
        ("GET", "/api/v1/documents/not-a-uuid", {}, 422, "invalid_request"),
        ("GET", "/api/v1/documents/00000000-0000-0000-0000-000000000000", {}, 404, "document_not_found"),
        ("GET", "/api/v1/chunks/00000000-0000-0000-0000-000000000000", {}, 404, "not_found"),
        ("GET", "/api/v1/unknown", {}, 404, "not_found"),
        ("PUT", "/api/v1/search", {}, 405, "method_not_allowed"),
    ],
)
def test_a_bad_request_has_a_code_and_a_message_in_both_languages(
    service: Running, method: str, path: str, arguments: dict[str, Any], status: int, code: str
) -> None:
    caller = service.caller()
    found = []
    for language in ("en", "ko"):
        given = dict(arguments)
        headers = {**given.pop("headers", {}), "Accept-Language": language}
        response = caller.request(method, path, headers=headers, **given)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["content-language"] == language
        found.append(response.json())
    assert_explained(*found)


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}, {"api-key": "sgk_x_y"}]
)
def test_a_missing_or_wrong_key_is_refused(service: Running, headers: dict[str, str]) -> None:
    response = service.http.get("/api/v1/collections", headers={**headers, "Accept-Language": "en"})
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_multipart_body_that_breaks_off_leaves_nothing(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    before = set(service.services.rag.blobs.original_hashes())
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhalf a fi'
    response = caller.post(
        f"/api/v1/collections/{collection}/documents",
        content=body,
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert set(service.services.rag.blobs.original_hashes()) == before


@pytest.mark.parametrize(
    ("path", "field", "wanted"), [("/api/v1/collections/{}/documents", "file", "files"), ("/v1/files", "files", "file")]
)
def test_a_file_in_a_field_that_takes_none_is_refused_with_the_right_one(
    service: Running, path: str, field: str, wanted: str
) -> None:
    caller = service.caller()
    address = path.format(caller.collection())
    before = set(service.services.rag.blobs.original_hashes())
    for language in ("en", "ko"):
        parts = [(wanted, ("a.txt", b"kept by nobody")), (field, ("b.txt", b"nor this"))]
        response = caller.post(address, files=parts, headers={"Accept-Language": language})
        answer = response.json()
        told = answer.get("error", answer)
        assert (response.status_code, told["code"]) == (422, "invalid_request"), answer
        assert repr(field) in str(answer) and repr(wanted) in str(answer), answer
    assert set(service.services.rag.blobs.original_hashes()) == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "a\x00b.txt", "줄\n바꿈.txt"])
def test_a_file_name_is_a_label_and_never_a_path(service: Running, name: str) -> None:
    caller: Caller = service.caller()
    [document] = caller.ingest(caller.collection(), {name: "harmless words\n"})
    key = document["source_key"]
    assert not key.startswith("/") and ".." not in key.split("/") and key.isprintable()


def test_file_names_of_old_clients_are_documents_of_their_own(service: Running) -> None:
    caller = service.caller()
    collection = caller.collection()
    names = [name.encode("cp949") for name in ("급여규정.txt", "보고서.txt")] + ["就業規則.txt".encode("shift_jis")]
    heads = [b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'"\r\n\r\n' for name in names]
    response = caller.post(
        f"/api/v1/collections/{collection}/documents",
        content=b"".join(head + b"text %d\r\n" % number for number, head in enumerate(heads)) + b"--x--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=x", "Accept-Language": "en"},
    )
    found = response.json()["documents"]
    assert [(item["source_key"], item["outcome"]) for item in found[:2]] == [
        ("급여규정.txt", "created"),
        ("보고서.txt", "created"),
    ]
    assert (found[2]["outcome"], found[2]["failure"]["code"]) == ("refused", "invalid_request")
    assert "CP949" in found[2]["failure"]["message"]
