"""Originals leave as attachments that no browser runs, whole or a range of their bytes."""

from __future__ import annotations

import pytest

from tests.support.running import Running

PAGE = "<html><script>alert('가')</script></html>"
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><text>규정</text></svg>'


@pytest.mark.parametrize(("name", "content"), [("쪽.html", PAGE), ("그림.svg", DRAWING)])
def test_what_could_run_is_sent_to_be_kept(service: Running, name: str, content: str) -> None:
    caller = service.caller()
    collection = caller.collection()
    [accepted] = caller.upload(collection, {name: content}).json()["documents"]
    caller.wait([accepted["document_id"]])
    file_id = f"file-{accepted['document_id'].replace('-', '')}"
    for path in (f"/api/v1/documents/{accepted['document_id']}/content", f"/v1/files/{file_id}/content"):
        response = caller.get(path)
        if (
            response.status_code == 404
        ):  # a file that could not be read answers no questions, so it has no current version
            continue
        assert response.content == content.encode()
        assert response.headers["content-disposition"].startswith("attachment;")
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-security-policy"].startswith("sandbox")
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "no-store" in response.headers["cache-control"]


def test_a_range_of_an_original_is_served(service: Running) -> None:
    caller = service.caller()
    content = "제1조(목적) 이 규정은 휴가를 정한다. " * 40
    [document] = caller.ingest(caller.collection(), {"규정.txt": content})
    raw, path = content.encode(), f"/api/v1/documents/{document['id']}/content"
    whole = caller.get(path)
    assert whole.status_code == 200
    assert whole.headers["accept-ranges"] == "bytes"
    part = caller.get(path, headers={"Range": "bytes=10-29"})
    assert (part.status_code, part.content) == (206, raw[10:30])
    assert part.headers["content-range"] == f"bytes 10-29/{len(raw)}"
    assert part.headers["content-length"] == "20"
    assert caller.get(path, headers={"Range": "bytes=-5"}).content == raw[-5:]
    assert caller.get(path, headers={"Range": f"bytes={len(raw)}-"}).status_code == 416
    assert caller.get(path, headers={"Range": "bytes=0-1,1-2"}).status_code == 416
    several = caller.get(path, headers={"Range": "bytes=0-1,5-6"})
    assert (several.status_code, several.content) == (200, raw)
    bound = {"Range": "bytes=0-1", "If-Range": '"another"'}
    assert caller.get(path, headers=bound).status_code == 200
    assert caller.get(path, headers=bound | {"If-Range": whole.headers["etag"]}).status_code == 206
    stranger = service.caller()
    assert stranger.get(path, headers={"Range": "bytes=0-1"}).status_code == 404
