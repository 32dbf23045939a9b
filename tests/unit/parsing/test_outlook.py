"""Outlook messages built property by property, and what may be wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import media_types, rtf_mail
from ingest.parsing.identify import identify
from ingest.parsing.rtf_mail import decompressed, rtf_body
from rag.domain.document import ParsedDocument
from rag.domain.errors import FileEncrypted, ParseLimitExceeded, SeogoError
from tests.support.msg_file import compound_file, message_tree
from tests.unit.parsing.documents import outline, parse, texts

SENT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
NOTE = {
    0x001A: "IPM.Note", 0x0037: "주간 업무 보고", 0x1000: "이번 주 실적은 12건입니다.\r\n\r\n끝.\r\n", 0x0C1A: "김민수",
    0x5D01: "kim@example.com", 0x0039: SENT, 0x1035: "<c@example.com>", 0x1042: "<b@example.com>", 0x3FFD: 949,
}  # fmt: skip


@pytest.fixture
def opened(tmp_path: Path):
    def open_tree(tree, name: str = "보고.msg") -> ParsedDocument:
        path = tmp_path / "upload"
        path.write_bytes(tree if isinstance(tree, bytes) else compound_file(tree))
        return parse(path, name)

    return open_tree


@pytest.mark.parametrize("codec", ["utf-16-le", "cp949"])
def test_headers_body_and_recipients(opened, codec):
    people = [
        (1, "이영희", "lee@example.com"),
        (2, "감사팀", "audit@example.com"),
        (1, "park@example.com", "park@example.com"),
    ]
    document = opened(message_tree(NOTE, recipients=people, codec=codec))
    assert (document.media_type, document.title) == (media_types.OUTLOOK, "주간 업무 보고")
    assert texts(document)[1:] == [
        "From: 김민수 <kim@example.com>\nTo: 이영희 <lee@example.com>, park@example.com\nCc: 감사팀 <audit@example.com>\n"
        "Date: 2026-03-02T01:00:00+00:00",
        "이번 주 실적은 12건입니다.",
        "끝.",
    ]
    attributes = dict(document.metadata.attributes)
    assert (document.metadata.created_at, attributes["thread"]) == ("2026-03-02T01:00:00+00:00", "<b@example.com>")


def test_the_senders_own_headers_win_where_they_are_kept(opened):
    headers = "Date: Mon, 2 Mar 2026 10:00:00 +0900\r\nReferences: <a@example.com> <b@example.com>\r\n"
    document = opened(message_tree(NOTE | {0x007D: headers}))
    assert document.metadata.created_at == "2026-03-02T10:00:00+09:00"
    assert dict(document.metadata.attributes)["thread"] == "<a@example.com>"


def test_attachments_and_messages_inside(opened):
    deep = message_tree({0x0037: "가장 안쪽", 0x1000: "바닥"}, header=24)
    inner = message_tree(
        {0x0037: "안쪽 / 메일", 0x1000: "둘째 층"},
        header=24,
        attachments=[{0x3707: "규정.txt", 0x3701: "제1조".encode()}, deep],
    )
    files = [
        {0x3707: "큰 파일.bin", 0x3701: bytes(range(256)) * 40},
        {0x3704: "SHORT.TXT", 0x3701: b"short"},
        {0x3707: "logo.png", 0x370E: "image/png", 0x3712: "a@b", 0x3701: b"png"},
        {0x3707: "클라우드.url", 0x3705: 7},
        inner,
    ]
    document = opened(message_tree(NOTE, attachments=files))
    assert [child.name for child in document.children] == ["큰 파일.bin", "SHORT.TXT", "안쪽   메일.eml"]
    assert document.children[0].content == bytes(range(256)) * 40
    assert set(document.warnings) == {"inline_images_left_out:1", "child_not_a_file:클라우드.url"}
    again = opened(document.children[2].content, "안쪽.eml")
    assert (again.title, texts(again)[-1]) == ("안쪽 / 메일", "둘째 층")
    assert [child.name for child in again.children] == ["규정.txt", "가장 안쪽.eml"]
    assert opened(again.children[1].content, "x.eml").title == "가장 안쪽"
    assert opened(message_tree(NOTE, attachments=files)).children == document.children


def test_messages_inside_messages_end_somewhere(opened):
    tree = message_tree({0x0037: "바닥"}, header=24)
    for _ in range(8):
        tree = message_tree({0x0037: "층"}, header=24, attachments=[tree])
    with pytest.raises(ParseLimitExceeded):
        opened(message_tree(NOTE, attachments=[tree]))


def test_encrypted_and_signed(opened):
    with pytest.raises(FileEncrypted):
        opened(message_tree(NOTE | {0x001A: "IPM.Note.SMIME"}))
    assert opened(message_tree(NOTE | {0x001A: "IPM.Note.SMIME.MultipartSigned"})).title == "주간 업무 보고"


HTML = "<html><head><meta charset=euc-kr></head><body><h1>실적</h1><p>이번 주 실적은 12건입니다.</p></body></html>"


def test_an_html_body_in_the_codepage_that_the_message_states(opened):
    document = opened(message_tree(NOTE | {0x1000: "", 0x1013: HTML.encode("cp949"), 0x3FDE: 51949}))
    assert outline(document)[1:] == [(2, "실적")] and texts(document)[-1] == "이번 주 실적은 12건입니다."


def rtf_of(html: str) -> bytes:
    """HTML wrapped as Outlook wraps it: tags in groups, text outside of them, what only RTF needs switched off."""
    out = r"{\rtf1\ansi\ansicpg949\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}{\f1\fmodern\fcharset129 Gulim;}}" + "\n"
    for piece in html.replace("<", "\0<").replace(">", ">\0").split("\0"):
        if piece.startswith("<"):
            out += r"{\*\htmltag84 " + piece + r"}\htmlrtf \par\htmlrtf0 "
        elif piece:
            piece = unescape(piece)
            shown = "".join(c if c.isascii() else "".join(rf"\'{b:02x}" for b in c.encode("cp949")) for c in piece)
            out += r"{\f1 " + shown + "}"
    return (out + "}").encode("ascii")


def stored(rtf: bytes) -> bytes:
    return len(rtf).to_bytes(4, "little") * 2 + b"MELA" + bytes(4) + rtf


def packed(rtf: bytes) -> bytes:
    """Compressed with references to text just written and to the initial dictionary ([MS-OXRTFCP] 3.1.1)."""
    window = bytearray(rtf_mail._INITIAL.ljust(4096, b" "))
    place, at, out = len(rtf_mail._INITIAL), 0, bytearray()
    tokens: list[bytes] = []
    while at < len(rtf):
        size = next(
            (n for n in range(17, 1, -1) if at + n <= len(rtf) and rtf[at : at + n] in bytes(window[:place])), 0
        )
        piece = rtf[at : at + (size or 1)]
        if size:
            tokens.append((bytes(window[:place]).index(piece) << 4 | size - 2).to_bytes(2, "big"))
        else:
            tokens.append(piece)
        for byte in piece:
            window[place] = byte
            place += 1
        at += len(piece)
    tokens.append((place << 4).to_bytes(2, "big"))
    for start in range(0, len(tokens), 8):
        group = tokens[start : start + 8]
        out.append(sum((len(token) == 2) << bit for bit, token in enumerate(group)))
        out += b"".join(group)
    return (len(out) + 12).to_bytes(4, "little") + len(rtf).to_bytes(4, "little") + b"LZFu" + bytes(4) + bytes(out)


@pytest.mark.parametrize("store", [stored, packed])
def test_a_body_that_is_only_there_as_rtf(opened, store):
    rtf = rtf_of("<html><body><h1>실적</h1><p>3 &lt; 12건입니다.</p></body></html>")
    assert decompressed(store(rtf)) == rtf
    document = opened(message_tree(NOTE | {0x1000: "", 0x1009: store(rtf)}))
    assert outline(document)[1:] == [(2, "실적")] and texts(document)[-1] == "3 < 12건입니다."


def test_rtf_that_wraps_nothing():
    rtf = rb"{\rtf1\ansi\ansicpg949{\info{\title secret}}\uc1 a\'b0\'a1\u45936?\par {\*\unknown x}"
    rtf += rb"\ldblquote b\rdblquote\tab c\'81A}"
    assert rtf_body(rtf) == ("a가데\n“b”\tc갂", False)


def test_a_run_may_reach_into_what_it_writes():
    place = len(rtf_mail._INITIAL)
    data = bytes([0b110]) + b"x" + ((place << 4) | 8).to_bytes(2, "big") + ((place + 11) << 4).to_bytes(2, "big")
    assert (
        decompressed((len(data) + 12).to_bytes(4, "little") + (11).to_bytes(4, "little") + b"LZFu" + bytes(4) + data)
        == b"x" * 11
    )


@given(st.binary(max_size=300))
def test_any_bytes_as_compressed_rtf(data):
    for kind in (b"LZFu", b"MELA", b"????"):
        rtf_body(decompressed(bytes(4) + (1 << 20).to_bytes(4, "little") + kind + bytes(4) + data))
    rtf_body(b"{\\rtf1\\fromhtml1 " + data)


WHOLE = compound_file(
    message_tree(
        NOTE | {0x1009: packed(rtf_of("<p>본문</p>"))},
        recipients=[(1, "이영희", "lee@example.com")],
        attachments=[{0x3707: "a.bin", 0x3701: bytes(5000)}, message_tree({0x0037: "안쪽"}, header=24)],
    )
)


@given(st.data())
def test_a_changed_message_ends_in_a_document_or_an_error_of_ours(tmp_path_factory, data):
    changed = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.sampled_from([0, 1, 0xFF, 0xFE, data.draw(st.integers(0, 255))]))
    del changed[data.draw(st.integers(len(changed) // 2, len(changed))) :]
    path = tmp_path_factory.mktemp("mutated") / "x"
    path.write_bytes(changed)
    try:
        identify(path, "a.msg")
        parse(path, "a.msg")
    except SeogoError:
        return
