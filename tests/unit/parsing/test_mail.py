"""Mail: what senders really send, in Korean encodings old and new, whole and broken."""

from __future__ import annotations

import base64
import io
import re
from email.message import EmailMessage
from pathlib import Path

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import media_types
from ingest.parsing.base import SourceFile
from ingest.parsing.identify import identify
from ingest.parsing.mail_text import body_text, header_text, parameters
from ingest.parsing.mbox import MboxParser
from rag.domain.anchor import MessageAnchor
from rag.domain.document import ElementKind, ParsedDocument
from rag.domain.errors import FileEncrypted, NoTextFound, ParseLimitExceeded, SeogoError
from tests.unit.parsing.documents import outline, parse, texts

HEAD = "From: 김민수 <kim@example.com>\r\nTo: 이영희 <lee@example.com>\r\nSubject: {subject}\r\n"


@pytest.fixture
def opened(tmp_path: Path):
    def open_bytes(data: bytes, name: str = "메일.eml") -> ParsedDocument:
        path = tmp_path / "upload"
        path.write_bytes(data)
        return parse(path, name)

    return open_bytes


def simple(body: bytes, *headers: str, charset: str = "utf-8", subject: str = "안내") -> bytes:
    """A mail with one body, its headers raw in the charset of the body."""
    head = HEAD.format(subject=subject) + "".join(f"{line}\r\n" for line in headers)
    return head.encode(charset, errors="replace") + b"\r\n" + body


def letter(subject: str = "2026년 예산안 검토 요청") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "김민수 <kim@example.com>"
    message["To"] = "이영희 <lee@example.com>, 박철수 <park@example.com>"
    message["Cc"] = "감사팀 <audit@example.com>"
    message["Date"] = "Mon, 02 Mar 2026 10:00:00 +0900"
    message["Subject"] = subject
    message["Message-ID"] = "<c@example.com>"
    message["In-Reply-To"] = "<b@example.com>"
    message["References"] = "<a@example.com> <b@example.com>"
    message.set_content("예산안을 보내드립니다.\n\n3월 20일까지 회신해 주십시오.\n")
    return message


def docx_bytes(text: str) -> bytes:
    document = docx.Document()
    document.add_paragraph(text)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def names(document: ParsedDocument) -> list[str]:
    return [child.name for child in document.children]


def test_headers_body_and_metadata(opened):
    document = opened(letter().as_bytes())
    assert document.title == "2026년 예산안 검토 요청"
    assert texts(document) == [
        "2026년 예산안 검토 요청",
        "From: 김민수 <kim@example.com>\nTo: 이영희 <lee@example.com>, 박철수 <park@example.com>\n"
        "Cc: 감사팀 <audit@example.com>\nDate: Mon, 02 Mar 2026 10:00:00 +0900",
        "예산안을 보내드립니다.",
        "3월 20일까지 회신해 주십시오.",
    ]
    assert document.elements[1].line_anchors[1] == MessageAnchor("header", 2, 2)
    assert document.elements[3].anchor == MessageAnchor("1", 3, 3)
    metadata = document.metadata
    assert (metadata.author, metadata.created_at) == ("김민수 <kim@example.com>", "2026-03-02T10:00:00+09:00")
    attributes = dict(metadata.attributes)
    assert attributes["message_id"] == "<c@example.com>"
    assert attributes["in_reply_to"] == "<b@example.com>"
    assert attributes["thread"] == "<a@example.com>"


def test_attachments_and_mail_inside_mail_are_children(opened):
    inner = letter("지난 회의록")
    inner.add_attachment("회의 내용".encode(), maintype="text", subtype="plain", filename="회의록.txt")
    outer = letter()
    report = docx_bytes("출장비는 5만 원이다.")
    outer.add_attachment(report, maintype="application", subtype="octet-stream", filename="출장 규정(개정).docx")
    outer.add_attachment(inner)
    document = opened(outer.as_bytes())
    assert names(document) == ["출장 규정(개정).docx", "지난 회의록.eml"]
    assert document.children[0].content == report
    again = opened(document.children[1].content)
    assert again.title == "지난 회의록"
    assert [(child.name, child.content.decode().strip()) for child in again.children] == [("회의록.txt", "회의 내용")]


BODY = "안녕하세요. 한글 본문입니다.\n제3조의 한도는 5,000만 원입니다.\n"


@pytest.mark.parametrize(
    ("charset", "declared"),
    [
        ("utf-8", "utf-8"), ("cp949", "euc-kr"), ("cp949", "ks_c_5601-1987"), ("iso2022_kr", "iso-2022-kr"),
        ("utf-16", "utf-16"), ("cp949", "us-ascii"), ("cp949", "iso-8859-1"), ("cp949", "x-unknown-9"), ("cp949", ""),
        ("cp949", "utf-8"), ("utf-8", "euc-kr"), ("iso2022_kr", "us-ascii"), ("utf-8", "\"'utf8'\""), ("utf-8", "zlib"),
    ],
)  # fmt: skip
def test_bodies_in_right_and_wrong_charsets(opened, charset, declared):
    raw = simple(BODY.encode(charset), f"Content-Type: text/plain; charset={declared}", "MIME-Version: 1.0")
    document = opened(raw)
    assert texts(document)[-1] == BODY.strip()
    assert document.warnings == ()


def encoded(text: str, charset: str, label: str, encoding: str = "b") -> str:
    data = text.encode(charset)
    if encoding == "b":
        return f"=?{label}?B?{base64.b64encode(data).decode()}?="
    return f"=?{label}?Q?{''.join(f'={byte:02X}' for byte in data)}?="


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (encoded("회의 안내", "euc-kr", "EUC-KR"), "회의 안내"),
        (encoded("회의", "utf-8", "utf-8") + "\r\n " + encoded(" 안내", "utf-8", "UTF-8", "q"), "회의 안내"),
        (encoded("똠방각하", "cp949", "ks_c_5601-1987"), "똠방각하"),
        ("Re: " + encoded("예산", "utf-8", "utf-8*ko") + " (2026)", "Re: 예산 (2026)"),
        (encoded("예산안", "iso2022_kr", "ISO-2022-KR"), "예산안"),
        ("=?utf-8?B?7ZqM?= =?utf-8?B?7J2Y?=", "회의"),
        ("=?utf-8?B?7Z?= =?utf-8?B?qM?=", None),
        ("=?no-such?B?" + base64.b64encode("회의".encode("cp949")).decode() + "?=", "회의"),
        ("plain words", "plain words"),
        ("=?utf-8?Q?a_b=", "=?utf-8?Q?a_b="),
        ("회의 안내".encode("cp949").decode("ascii", "surrogateescape"), "회의 안내"),
        ("회의 안내".encode().decode("ascii", "surrogateescape"), "회의 안내"),
        ("회의 안내".encode("iso2022_kr").decode("ascii"), "회의 안내"),
    ],
)
def test_headers_of_all_kinds(raw, expected):
    found = header_text(raw)
    assert "\n" not in found
    if expected is not None:
        assert found == expected


def test_a_character_split_between_two_encoded_words():
    data = "가나다라마".encode("euc-kr")
    raw = " ".join(f"=?euc-kr?B?{base64.b64encode(part).decode()}?=" for part in (data[:3], data[3:8], data[8:]))
    assert header_text(raw) == "가나다라마"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('attachment; filename="a;b.txt"', "a;b.txt"),
        ("attachment; filename*=UTF-8''%EA%B7%9C%EC%A0%95.hwp", "규정.hwp"),
        ("attachment; filename*0*=euc-kr''%B1%D4; filename*1*=%C1%A4.hwp", "규정.hwp"),
        ('attachment; filename*0="a"; filename*1="b.txt"', "ab.txt"),
        (f'attachment; filename="{encoded("규정.hwp", "cp949", "ks_c_5601-1987")}"', "규정.hwp"),
        ("attachment; filename=" + "규정.hwp".encode("cp949").decode("ascii", "surrogateescape"), "규정.hwp"),
        ('attachment;\r\n\tfilename="say \\"hi\\".txt"', 'say "hi".txt'),
        ("attachment; filename=", ""),
    ],
)
def test_file_names_of_attachments(raw, expected):
    kind, found = parameters(raw)
    assert (kind, found.get("filename")) == ("attachment", expected)


@given(st.text(max_size=200), st.binary(max_size=200), st.text(max_size=20))
def test_nothing_in_a_header_or_body_raises(text, data, charset):
    for raw in (text, data.decode("ascii", "surrogateescape"), f"=?{charset}?B?{text}?= =?utf-8?q?{text}?="):
        header_text(raw).encode()
        for value in parameters(raw)[1].values():
            value.encode()
    body_text(data, charset)


def test_a_real_plain_body_wins_and_a_token_one_does_not(opened):
    page = "<html><body><h2>회의 결과</h2><p>다음 분기 예산은 3억 원으로 확정되었습니다.</p><table>"
    page += "<tr><th>항목</th><th>금액</th></tr><tr><td>인건비</td><td>2억 원</td></tr></table></body></html>"
    real = letter()
    real.add_alternative(page, subtype="html")
    assert "예산안을 보내드립니다." in texts(opened(real.as_bytes()))
    token = letter()
    token.set_content("HTML 메일입니다.\n")
    token.add_alternative(page, subtype="html")
    document = opened(token.as_bytes())
    assert (2 + 1, "회의 결과") in outline(document)
    assert "HTML 메일입니다." not in texts(document)
    table = next(element for element in document.elements if element.kind is ElementKind.TABLE)
    assert "| 인건비 | 2억 원 |" in table.text
    assert table.anchor == MessageAnchor("2", 3, 5)
    assert [anchor.first for anchor in table.line_anchors] == [3, 4, 5]


@pytest.mark.parametrize(
    "divider",
    [
        "-----Original Message-----", "----- 원본 메시지 -----", "---------- Forwarded message ---------",
        "On Mon, Mar 2, 2026 at 10:00 AM Kim <kim@example.com> wrote:", "2026년 3월 2일 (월) 오전 10:00, 김민수님이 작성:",
        "보낸 사람: 김민수\n보낸 날짜: 2026년 3월 2일\n제목: 예산", "From: Kim\nSent: Monday\nTo: Lee",
        "On Mon, Mar 2, 2026 at 10:00 AM Kim\n<kim@example.com> wrote:",
    ],
)  # fmt: skip
def test_quoted_history_stands_under_a_heading_of_its_own(opened, divider):
    body = f"새 답변입니다.\n\n{divider}\n\n> 지난 질문입니다.\n"
    for document in (
        opened(simple(body.encode(), "Content-Type: text/plain; charset=utf-8")),
        opened(simple(_as_html(body).encode(), "Content-Type: text/html; charset=utf-8")),
    ):
        [heading] = [e for e in document.elements if e.kind is ElementKind.HEADING and e.level == 2]
        assert heading.text.split()[0] == divider.split()[0]
        after = document.elements[document.elements.index(heading) + 1 :]
        assert "지난 질문입니다." in after[-1].text
        assert all("새 답변" not in element.text for element in after)


def _as_html(body: str) -> str:
    blocks = [block.replace("<", "&lt;").replace("\n", "<br>") for block in body.strip().split("\n\n")]
    return "<html><body>" + "".join(f"<p>{block}</p>" for block in blocks) + "</body></html>"


def test_an_invitation_is_read_as_text(opened):
    lines = [
        "BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VEVENT", "SUMMARY:예산 회의\\, 1차",
        "DTSTART;TZID=Asia/Seoul:20260302T140000", "DTEND:20260302T060000Z", "LOCATION:본관 3층",
        'ATTENDEE;CN="이영희":mailto:lee@example.com', "DESCRIPTION:안건은", "  붙임 참조",
        "BEGIN:VALARM", "DESCRIPTION:Reminder", "END:VALARM", "END:VEVENT", "END:VCALENDAR",
    ]  # fmt: skip
    event = "\r\n".join(lines)
    message = letter()
    message.add_alternative(event.encode(), maintype="text", subtype="calendar", params={"method": "REQUEST"})
    text = "\n".join(texts(opened(message.as_bytes())))
    for line in ("Summary: 예산 회의, 1차", "Dtstart: 2026-03-02 14:00 (Asia/Seoul)", "Dtend: 2026-03-02 06:00 (UTC)"):
        assert line in text
    assert "Attendee: 이영희 <lee@example.com>" in text and "안건은 붙임 참조" in text
    assert "Reminder" not in text


PGP = "-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"


@pytest.mark.parametrize(
    "raw",
    [
        simple(b"MIAGCSqGSIb3DQEHA6CA", "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
               "Content-Transfer-Encoding: base64"),
        simple(b"--x\r\n\r\nVersion: 1\r\n--x--\r\n", "Content-Type: multipart/encrypted; boundary=x"),
        simple(PGP.encode()),
    ],
    ids=["smime", "pgp-mime", "pgp"],
)  # fmt: skip
def test_encrypted_mail_says_so(opened, raw):
    with pytest.raises(FileEncrypted):
        opened(raw)


def test_a_signed_mail_is_read_and_the_signature_not_claimed(opened):
    body = "--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n서명된 본문\r\n--x\r\n"
    body += "Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nMIAG\r\n--x--\r\n"
    document = opened(simple(body.encode(), 'Content-Type: multipart/signed; boundary="x"'))
    assert texts(document)[-1] == "서명된 본문"
    assert (document.warnings, document.children) == (("signature_not_verified",), ())


def test_small_pictures_in_the_text_are_counted_and_large_ones_kept(opened):
    message = letter()
    message.add_alternative("<p>예산안을 보내드립니다.</p><img src='cid:a'>", subtype="html")
    for name, size in (("logo.png", 900), ("화면.png", 80_000)):
        message.get_payload()[1].add_related(bytes(size), "image", "png", cid=f"<{name}>", filename=name)
    document = opened(message.as_bytes())
    assert names(document) == ["화면.png"]
    assert document.warnings == ("inline_images_left_out:1",)


def test_a_mail_that_breaks_off_or_lacks_its_boundary_is_read_as_far_as_it_goes(opened):
    message = letter()
    message.add_attachment(b"x" * 5000, maintype="application", subtype="octet-stream", filename="a.bin")
    whole = message.as_bytes()
    document = opened(whole[: len(whole) * 2 // 3])
    assert "예산안을 보내드립니다." in texts(document) and names(document) == ["a.bin"]
    assert texts(opened(simple("본문".encode(), "Content-Type: multipart/mixed")))[-1] == "본문"


def test_nesting_and_parts_are_capped(opened):
    raw = b"Content-Type: text/plain\r\n\r\nx"
    for number in range(200):
        raw = b"From: a@b.kr\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%s\r\n--b%d--\r\n" % (
            number, number, raw, number,
        )  # fmt: skip
    with pytest.raises(ParseLimitExceeded):
        opened(raw)
    many = b"".join(b"--x\r\n\r\ny\r\n" for _ in range(6000))
    with pytest.raises(ParseLimitExceeded):
        opened(simple(many, "Content-Type: multipart/mixed; boundary=x"))
    with pytest.raises(NoTextFound):
        opened(b"X-Nothing: 1\r\nFrom:\r\n\r\n\r\n")


def test_a_picture_alone_in_a_mail_without_headers_is_still_a_child(opened):
    raw = b"From: \r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=a.png\r\n\r\npng"
    assert names(opened(raw)) == ["a.png"]


def mailbox(messages: list[bytes], quoted: bool = True) -> bytes:
    out = b""
    for message in messages:
        body = message.replace(b"\r\n", b"\n")
        out += b"From kim@example.com Mon Mar  2 10:00:00 2026\n"
        out += (re.sub(rb"(?m)^(>*From )", rb">\1", body) if quoted else body) + b"\n\n"
    return out


def test_each_message_of_a_mailbox_is_a_child_named_by_what_it_is(opened):
    first, second = letter("첫째"), letter("둘째")
    second.replace_header("Message-ID", "<d@example.com>")
    second.set_content("본문\n\nFrom here on it is text, 10:00 it was.\n")
    document = opened(mailbox([first.as_bytes(), second.as_bytes()]), "받은편지함.mbox")
    assert document.media_type == media_types.MBOX
    assert [name.rsplit(" ", 1)[0] for name in names(document)] == ["첫째", "둘째"]
    assert b"\nFrom here on" in document.children[1].content
    more = opened(mailbox([letter("새것").as_bytes(), first.as_bytes(), second.as_bytes()]), "a")
    assert names(more)[1:] == names(document)
    alone = opened(mailbox([first.as_bytes()]), "a.mbox")
    assert (alone.title, alone.children) == ("첫째", ())


def test_ten_thousand_messages_are_split_within_the_caps(tmp_path):
    path = tmp_path / "mbox"
    path.write_bytes(mailbox([b"Subject: no %d\nMessage-ID: <%d@x>\n\nbody %d" % (n, n, n) for n in range(10_000)]))
    assert identify(path, "mbox").media_type == media_types.MBOX
    document = MboxParser().parse(path, SourceFile("mbox", media_types.MBOX))
    assert len({child.name for child in document.children}) == 10_000
    passes, found, first = 0, 0, 0
    while first or not passes:
        part = MboxParser().parse(path, SourceFile("mbox", media_types.MBOX, children_bytes=200_000, first_child=first))
        passes, found, first = passes + 1, found + len(part.children), part.next_child
    assert found == 10_000 and passes > 2


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.eml", b"Received: x\r\n\r\nbody", media_types.EMAIL),
        ("a.bin", simple(BODY.encode("iso2022_kr"), charset="cp949"), media_types.EMAIL),
        ("a", b"From a@b.kr Mon Mar  2 10:00:00 2026\nFrom: a@b.kr\nTo: c@d.kr\n\nx", media_types.MBOX),
        ("a.txt", b"From here on it is only text.\nNo mail.\n", media_types.TEXT),
        ("a.eml", b"just words in a file\n", media_types.TEXT),
    ],
)
def test_mail_is_told_by_how_it_begins(tmp_path, name, data, expected):
    (tmp_path / "x").write_bytes(data)
    assert identify(tmp_path / "x", name).media_type == expected


def _whole() -> bytes:
    message = letter()
    message.add_alternative("<p>예산안을 보내드립니다.</p>" * 5, subtype="html")
    message.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="표.csv")
    message.add_attachment(letter("안쪽"))
    return message.as_bytes()


WHOLE = _whole()


@given(st.data())
def test_a_changed_mail_ends_in_a_document_or_an_error_of_ours(tmp_path_factory, data):
    changed = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                changed[at] = data.draw(st.integers(0, 255))
            case 1:
                del changed[at : at + data.draw(st.integers(1, 200))]
            case _:
                start = data.draw(st.integers(0, len(changed) - 1))
                changed[at:at] = changed[start : start + 80]
    path = tmp_path_factory.mktemp("mutated") / "x"
    path.write_bytes(changed or b"x")
    try:
        parse(path, "a.eml")
    except SeogoError:
        return


@pytest.mark.parametrize(
    ("body", "flagged"),
    [
        ("한도를 승\u200b인하지 않는다.", True),
        ("\u202e제외\u202c 모두에게 보낸다.", True),
        ("\ufeff한도를 승인한다.", False),
        ("한도를\u200b 승인한다.", False),
    ],
)
def test_characters_that_hide_in_a_plain_body_are_flagged(opened, body, flagged):
    document = opened(simple(f"안녕하세요.\r\n{body}\r\n".encode(), "Content-Type: text/plain; charset=utf-8"))
    assert ("hidden_text" in document.warnings) is flagged
    assert not any(character in text for text in texts(document) for character in "\u200b\u202e")


def test_a_raw_byte_in_an_encoded_file_name_does_not_cost_the_mail(opened):
    message = letter()
    message.add_attachment("내용".encode(), maintype="text", subtype="plain", filename="가.txt")
    data = message.as_bytes()
    assert b"%EA%B0%80.txt" in data
    document = opened(data.replace(b"%EA%B0%80.txt", b"%EA%B0%80\xcbb.txt"))
    assert "예산안을 보내드립니다." in texts(document)
    assert [child.content for child in document.children] == ["내용".encode()]
