"""Real files to damage, small ones of every kind; and writers of HWP and OLE that can be made to lie."""

from __future__ import annotations

import functools
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "ingest" / "samples"
SECTOR = 512
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
WORDS = "제1조(목적) 이 규정은 여신 한도의 산정과 관리에 관한 사항을 정함을 목적으로 한다."


def zipped(entries: Mapping[str, bytes | str], level: int = 6) -> bytes:
    """A ZIP archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 3, 2, 9, 0, 0)), data, zipfile.ZIP_DEFLATED, level)
    return out.getvalue()


def with_parts(package: bytes, changes: Mapping[str, bytes | str]) -> bytes:
    """A package with some of its parts replaced or added."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        parts: dict[str, bytes | str] = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**parts, **changes})


def part(package: bytes, name: str) -> str:
    """A part of a package, as text."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return archive.read(name).decode()


@functools.cache
def docx() -> bytes:
    """A Word file with headings, a list and a table."""
    import docx as library

    document = library.Document()
    document.add_heading("여신 한도 규정", 1)
    for number in range(30):
        document.add_paragraph(f"{number}. {WORDS}")
    table = document.add_table(3, 3)
    for row in range(3):
        for column in range(3):
            table.cell(row, column).text = f"{row}행 {column}열"
    return _saved(document)


@functools.cache
def xlsx() -> bytes:
    """A workbook with numbers, dates and formulas."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["등급", "한도", "합계"])
    for row in range(2, 60):
        sheet.append([f"등급 {row}", row * 1000, f"=SUM(B2:B{row})"])
    return _saved(book)


@functools.cache
def pptx() -> bytes:
    """A presentation of three slides with notes."""
    import pptx as library

    deck = library.Presentation()
    for number in range(3):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"안건 {number}"
        slide.placeholders[1].text = WORDS
        slide.notes_slide.notes_text_frame.text = "메모"
    return _saved(deck)


def _saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


def sample(name: str) -> bytes:
    """A file that the project ships."""
    return (SAMPLES / name).read_bytes()


HWPX_NAMES = (
    'xmlns:hs="http://www.hancom.co.kr/hwpml/2011/section" xmlns:hp="http://www.hancom.co.kr/hwpml/2011/paragraph" '
    'xmlns:hc="http://www.hancom.co.kr/hwpml/2011/core"'
)


def hwpx_section(content: str) -> str:
    """`section0.xml` around paragraphs."""
    return f'<?xml version="1.0" encoding="UTF-8" standalone="yes" ?><hs:sec {HWPX_NAMES}>{content}</hs:sec>'


def hwpx_paragraph(text: str, inner: str = "") -> str:
    """One paragraph; `inner` stands in its run, before the text."""
    return f'<hp:p id="0" paraPrIDRef="0" styleIDRef="0"><hp:run charPrIDRef="0">{inner}<hp:t>{text}</hp:t></hp:run></hp:p>'


def hwpx_table(cells: str, rows: int | str = 1, columns: int | str = 1) -> str:
    """A table, to be put into a run."""
    return f'<hp:tbl id="1" rowCnt="{rows}" colCnt="{columns}"><hp:tr>{cells}</hp:tr></hp:tbl>'


def hwpx_cell(content: str, row: int = 0, column: int = 0, down: int | str = 1, across: int | str = 1) -> str:
    """A cell around paragraphs."""
    return (
        f'<hp:tc><hp:subList id="">{content}</hp:subList><hp:cellAddr colAddr="{column}" rowAddr="{row}"/>'
        f'<hp:cellSpan colSpan="{across}" rowSpan="{down}"/></hp:tc>'
    )


def hwpx(section: str | bytes | None = None, extra: Mapping[str, bytes | str] | None = None, level: int = 6) -> bytes:
    """An HWPX package ([KS X 6101]): mimetype first, then the manifest and one section."""
    section = section if section is not None else hwpx_section(hwpx_paragraph(WORDS) * 20)
    manifest = (
        '<?xml version="1.0"?><opf:package xmlns:opf="http://www.idpf.org/2007/opf/"><opf:metadata><opf:title>규정</opf:title>'
        '</opf:metadata><opf:manifest><opf:item id="section0" href="Contents/section0.xml" media-type="application/xml"/>'
        '</opf:manifest><opf:spine><opf:itemref idref="section0"/></opf:spine></opf:package>'
    )
    parts: dict[str, bytes | str] = {
        "mimetype": "application/hwp+zip",
        "version.xml": '<?xml version="1.0"?><hv:HCFVersion xmlns:hv="http://www.hancom.co.kr/hwpml/2011/version"/>',
        "Contents/content.hpf": manifest,
        "Contents/section0.xml": section,
    }
    return zipped({**parts, **(extra or {})}, level)


def record(tag: int, level: int, payload: bytes = b"", size: int | None = None) -> bytes:
    """A record of HWP 5: tag, level and size in four bytes; `size` may differ from the payload's own."""
    length = len(payload) if size is None else size
    if length < 0xFFF:
        return struct.pack("<I", tag | level << 10 | length << 20) + payload
    return struct.pack("<II", tag | level << 10 | 0xFFF << 20, length) + payload


def hwp_paragraph(text: str, level: int = 0) -> bytes:
    """PARA_HEADER and PARA_TEXT (HWP 5 format specification, revision 1.3, 4.3)."""
    characters = (text + "\r").encode("utf-16-le")
    header = struct.pack("<IIHBBHHHI", len(characters) // 2 | 0x80000000, 0, 0, 0, 0, 1, 0, 0, 0)
    return record(66, level, header) + record(67, level + 1, characters)


def hwp(body: bytes | None = None, flags: int = 1, raw: bytes | None = None) -> bytes:
    """An HWP 5 file with one section: `body` is its records, `raw` the stream as it lies in the file."""
    body = body if body is not None else b"".join(hwp_paragraph(WORDS) for _ in range(20))
    header = b"HWP Document File".ljust(32, b"\0") + struct.pack("<II", 0x05000305, flags) + bytes(216)
    packed = raw if raw is not None else deflated(body) if flags & 1 else body
    info = record(16, 0, struct.pack("<7H", 1, 1, 1, 1, 1, 1, 1) + bytes(12)) + record(17, 0, bytes(72))
    streams = {
        "FileHeader": header,
        "DocInfo": deflated(info) if flags & 1 else info,
        "BodyText/Section0": packed,
        "PrvText": WORDS.encode("utf-16-le"),
    }
    return compound(streams)


def deflated(data: bytes) -> bytes:
    """Raw DEFLATE, as HWP packs its streams."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def compound(streams: Mapping[str, bytes]) -> bytes:
    """An OLE compound file ([MS-CFB]). Every stream is padded to 4,096 bytes, so that none needs the mini stream."""
    entries: list[tuple[str, int, bytes]] = [("Root Entry", 5, b"")]
    folders: dict[str, list[int]] = {"": []}
    for path, data in streams.items():
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[""].append(len(entries))
            folders[folder] = []
            entries.append((folder, 1, b""))
        folders[folder].append(len(entries))
        entries.append((name, 2, data))
    bodies = [data.ljust(max(4096, -(-len(data) // SECTOR) * SECTOR), b"\0") for _, kind, data in entries if kind == 2]
    directory_sectors = -(-len(entries) // 4)
    data_sectors = directory_sectors + sum(len(body) // SECTOR for body in bodies)
    fat_sectors = 1
    while fat_sectors * 128 < fat_sectors + data_sectors:
        fat_sectors += 1
    assert fat_sectors <= 109, "too large for this writer"
    fat = [FAT] * fat_sectors + _chain(fat_sectors, directory_sectors)
    starts: list[int] = []
    for body in bodies:
        starts.append(len(fat))
        fat += _chain(len(fat), len(body) // SECTOR)
    fat += [FREE] * (fat_sectors * 128 - len(fat))
    directory = _directory(entries, folders, starts).ljust(directory_sectors * SECTOR, b"\0")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    header += struct.pack("<IIIIIIIII", fat_sectors, fat_sectors, 0, 4096, END, 0, END, 0, 0)
    header += struct.pack(f"<{fat_sectors - 1}I", *range(1, fat_sectors)).ljust(108 * 4, b"\xff")
    return header[:SECTOR] + struct.pack(f"<{len(fat)}I", *fat) + directory + b"".join(bodies)


def _chain(first: int, count: int) -> list[int]:
    return [first + step + 1 for step in range(count - 1)] + [END]


def _directory(entries: Sequence[tuple[str, int, bytes]], folders: Mapping[str, list[int]], starts: list[int]) -> bytes:
    """Entries of a folder hang on one another by their right links; their order is that of [MS-CFB] 2.6.4."""
    right, child = {}, {}
    for folder, members in folders.items():
        ordered = sorted(members, key=lambda n: (len(entries[n][0]), entries[n][0].upper()))
        owner = next(n for n, (name, kind, _) in enumerate(entries) if (kind == 5 if not folder else name == folder))
        child[owner] = ordered[0] if ordered else FREE
        right |= dict(zip(ordered, [*ordered[1:], FREE], strict=True))
    remaining = iter(starts)
    out = b""
    for number, (name, kind, data) in enumerate(entries):
        raw = name.encode("utf-16-le")
        start, size = (next(remaining), max(len(data), 4096)) if kind == 2 else (END if kind == 5 else 0, 0)
        out += raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw) + 2, kind, 1)
        out += struct.pack("<III", FREE, right.get(number, FREE), child.get(number, FREE)) + bytes(36)
        out += struct.pack("<IQ", start, size)
    return out


def epub(
    page: str = f"<html><body><h1>책</h1><p>{WORDS}</p></body></html>", extra: Mapping[str, bytes | str] | None = None
) -> bytes:
    """An e-book of one page."""
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest><item id="a" href="a.xhtml" '
        'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>'
    )
    parts: dict[str, bytes | str] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": container,
        "book.opf": package,
        "a.xhtml": page,
    }
    return zipped({**parts, **(extra or {})})


def odt(body: str = f"<text:p>{WORDS}</text:p>", head: str = "") -> bytes:
    """An OpenDocument text."""
    content = (
        f'<?xml version="1.0"?>{head}<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0">'
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})


def mail(attachment: bytes = b"", name: str = "첨부.bin") -> bytes:
    """A mail with a text and, if given, an attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "가나 <a@hanbit.example>", "b@hanbit.example", "한도 승인"
    message["Date"], message["Message-ID"] = "Mon, 02 Mar 2026 09:00:00 +0900", "<1@hanbit.example>"
    message.set_content(WORDS)
    if attachment:
        message.add_attachment(attachment, maintype="application", subtype="octet-stream", filename=name)
        message.set_boundary("==seogo==")
    return message.as_bytes()


def mhtml(page: str = f"<html><body><p>{WORDS}</p></body></html>") -> bytes:
    """A saved web page."""
    head = (
        "From: <Saved by Blink>\r\nSnapshot-Content-Location: https://intra.example/\r\nSubject: a\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/related; type="text/html"; boundary="X"\r\n\r\n--X\r\n'
        "Content-Type: text/html; charset=utf-8\r\n\r\n"
    )
    return f"{head}{page}\r\n--X--\r\n".encode()


def pdf(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, the first of which is the catalogue; its cross-reference table is right."""
    out = io.BytesIO()
    out.write(b"%PDF-1.5\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    xref = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, xref))
    return out.getvalue()


def pdf_page(content: bytes, box: str = "0 0 595 842", catalogue: bytes = b"", page: bytes = b"") -> bytes:
    """A PDF of one page with this content stream, given as `<< … >> stream … endstream`."""
    return pdf([
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> %s >>"
        % (box.encode(), page),
        content,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ])  # fmt: skip


def pdf_stream(data: bytes, filters: bytes = b"") -> bytes:
    """A stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), filters, data)


TEXT_STREAM = b"BT /F1 12 Tf 50 700 Td (Limits of the credit department) Tj ET"
