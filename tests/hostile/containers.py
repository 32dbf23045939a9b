"""Hostile containers: bombs, loops, lies about sizes, names that lead out, files that are two things at once."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from tests.hostile import seeds

Files = Iterator[tuple[str, bytes]]
MEGA = 1 << 20
TRAVERSAL = "seogo-escaped"
"""Names that lead out of a folder all hold this word, so that a test can look for it everywhere."""


def zip_bombs() -> Files:
    """Archives that unpack to far more than they are."""
    zeros = bytes(300 * MEGA)
    packed = seeds.zipped({"a": zeros})
    yield "zeros.zip", packed
    yield "main-part.docx", _renamed(packed, "word/document.xml")
    yield "sheet.xlsx", _renamed(packed, "xl/workbook.xml")
    yield "slide.pptx", _renamed(packed, "ppt/presentation.xml")
    yield "many-entries.zip", seeds.zipped({f"{n}.txt": b"" for n in range(21_000)})
    yield "many-entries.docx", seeds.with_parts(seeds.docx(), {f"word/media/{n}": b"" for n in range(20_500)})
    yield "overlapping.zip", _overlapping(2_000)
    yield "overlapping.docx", _overlapping(2_000, "word/document.xml")
    yield "understated.zip", _understated(seeds.zipped({"word/document.xml": bytes(80 * MEGA)}))
    yield "understated.docx", _understated(seeds.with_parts(seeds.docx(), {"word/document.xml": bytes(80 * MEGA)}))
    yield "below-the-ratio.docx", seeds.with_parts(seeds.docx(), {"word/document.xml": _spaced_xml(60 * MEGA)})
    yield "text-of-zeros.txt", bytes(20 * MEGA)


def hwp_bombs() -> Files:
    """The same for HWP and HWPX."""
    yield "section.hwpx", _renamed(seeds.zipped({"a": bytes(300 * MEGA)}), "Contents/section0.xml")
    yield "mimetype-and-zeros.hwpx", seeds.hwpx(bytes(260 * MEGA))
    yield "long-text.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("가" * 12 * MEGA)))
    yield "paragraphs.hwpx", seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("한도") * 50_000))
    yield "picture.hwpx", seeds.hwpx(extra={"BinData/image1.bmp": bytes(150 * MEGA)})
    yield "zlib-stream.hwp", seeds.hwp(raw=seeds.deflated(bytes(600 * MEGA)))
    yield "zlib-records.hwp", seeds.hwp(raw=seeds.deflated(seeds.record(67, 1, bytes(100 * MEGA))))
    yield "many-records.hwp", seeds.hwp(raw=seeds.deflated(seeds.record(66, 0) * 5_000_000))
    yield "many-paragraphs.hwp", seeds.hwp(raw=seeds.deflated(seeds.hwp_paragraph("한도") * 100_000))
    yield "twice-packed.hwp", seeds.hwp(raw=seeds.deflated(seeds.deflated(bytes(100 * MEGA))))


def stream_bombs() -> Files:
    """Single packed streams."""
    zeros = bytes(200 * MEGA)
    yield "zeros.gz", gzip.compress(zeros, mtime=0)
    yield "zeros.txt.gz", gzip.compress(gzip.compress(zeros, mtime=0), mtime=0)
    yield "zeros.bz2", bz2.compress(zeros)
    yield "zeros.xz", lzma.compress(zeros, preset=0)
    flate = zlib.compress(zeros, 9)
    yield "flate.pdf", seeds.pdf_page(seeds.pdf_stream(flate, b"/Filter /FlateDecode"))
    twice = zlib.compress(flate, 9)
    yield "flate-twice.pdf", seeds.pdf_page(seeds.pdf_stream(twice, b"/Filter [/FlateDecode /FlateDecode]"))
    text = zlib.compress(b"BT /F1 1 Tf (abc) Tj ET\n" * 400_000, 9)
    yield "much-text.pdf", seeds.pdf_page(seeds.pdf_stream(text, b"/Filter /FlateDecode"))
    lines = zlib.compress(b"0 0 m 9 9 l S\n" * 2_000_000, 9)
    yield "many-lines.pdf", seeds.pdf_page(seeds.pdf_stream(lines, b"/Filter /FlateDecode"))
    yield "lzw.pdf", seeds.pdf_page(seeds.pdf_stream(b"\x80\x0b\x60\x50" * 1000, b"/Filter /LZWDecode"))
    yield "runs.pdf", seeds.pdf_page(seeds.pdf_stream(b"\x81a" * 500_000 + b"\x80", b"/Filter /RunLengthDecode"))


def pixel_bombs() -> Files:
    """Pictures that claim to be enormous, alone and inside documents."""

    def png(width: int, height: int) -> bytes:
        head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
        return (
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", head)
            + _chunk(b"IDAT", zlib.compress(bytes(9999)))
            + _chunk(b"IEND", b"")
        )

    def tiff(width: int, height: int, next_at: int = 0) -> bytes:
        tags = [
            (256, width),
            (257, height),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, 8),
            (277, 1),
            (278, height),
            (279, 100),
        ]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_at) + bytes(200)

    big = png(60_000, 60_000)
    yield "big.png", big
    yield "bigger.png", png(2**31 - 1, 2**31 - 1)
    yield "big.tif", tiff(100_000, 100_000)
    yield "endless.tif", tiff(10, 10, 8)  # the directory after this one is this one
    jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x11\x08\xff\xff\xff\xff\3\1\x22\0\2\x11\1\3\x11\1"
    yield "big.jpg", jpeg + b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0" + bytes(500) + b"\xff\xd9"
    yield "big.gif", b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\2\2\x44\1\0;"
    yield "picture.docx", seeds.with_parts(seeds.docx(), {"word/media/image1.png": big})
    yield "picture.hwpx", seeds.hwpx(extra={"BinData/image1.png": big})
    image = b"/Type /XObject /Subtype /Image /Width 100000 /Height 100000 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
    yield "picture.pdf", seeds.pdf([
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /XObject << /I 5 0 R >> >> >>",
        seeds.pdf_stream(b"q 595 0 0 842 0 0 cm /I Do Q"),
        seeds.pdf_stream(zlib.compress(bytes(9999)), image + b" /Filter /FlateDecode"),
    ])  # fmt: skip


def ole_loops() -> Files:
    """Compound files whose chains, trees and sizes go round or away."""
    base = {"WordDocument": b"a" * 9000, "1Table": b"b" * 5000}
    for label, file in (("doc", seeds.compound(base)), ("hwp", seeds.hwp())):
        fat_at, directory_at = 512, 512 + _fat_bytes(file)
        yield f"fat-to-itself.{label}", _patched(file, fat_at + 4 * 4, struct.pack("<I", 4))
        yield f"fat-in-a-circle.{label}", _patched(file, fat_at + 4 * 6, struct.pack("<I", 3))
        yield f"fat-out-of-the-file.{label}", _patched(file, fat_at + 4 * 5, struct.pack("<I", 0x00FFFFFF))
        yield f"directory-chain.{label}", _patched(file, fat_at + 4, struct.pack("<I", 1))
        yield f"sibling-of-itself.{label}", _patched(file, directory_at + 128 + 72, struct.pack("<I", 1))
        yield f"child-is-root.{label}", _patched(file, directory_at + 76, struct.pack("<I", 0))
        yield f"sizes.{label}", _patched(file, directory_at + 128 + 120, struct.pack("<Q", 2**62))
        yield f"more-fat.{label}", _patched(file, 44, struct.pack("<I", 0x7FFFFFFF))
        yield f"difat-circle.{label}", _patched(file, 68, struct.pack("<II", 2, 1000))
        yield f"sector-shift.{label}", _patched(file, 30, struct.pack("<H", 31))


def nested_archives() -> Files:
    """Archives and mails in one another."""
    inner = seeds.zipped({"규정.txt": seeds.WORDS})
    for _ in range(60):
        inner = seeds.zipped({"a.zip": inner})
    yield "sixty-deep.zip", inner
    wide = seeds.zipped({"a.txt": bytes(MEGA)}, 9)
    for _ in range(3):
        wide = seeds.zipped({f"{n}.zip": wide for n in range(40)}, 9)
    yield "forty-to-the-third.zip", wide
    mail = seeds.mail()
    for _ in range(12):
        mail = seeds.mail(mail, "원본.eml")
    yield "mail-in-mail.eml", mail
    yield "zip-in-mail.eml", seeds.mail(seeds.zipped({"a": bytes(100 * MEGA)}), "a.zip")
    packed = seeds.zipped({"a.hwpx": seeds.hwpx(), "b.hwp": seeds.hwp()})
    for _ in range(15):
        packed = seeds.zipped({"a.eml": seeds.mail(packed, "a.zip")})
    yield "mail-in-zip.zip", packed
    tar = b""
    for _ in range(30):
        tar = _tar({"a.tar": tar or b"text"})
    yield "thirty-deep.tar", tar
    yield "self-inclusion.zip", _self_inclusion()
    yield "self-inclusion.hwpx", _self_inclusion("Contents/section0.xml")
    yield "hwpx-in-hwpx.hwpx", seeds.hwpx(extra={"BinData/a.hwpx": seeds.hwpx(extra={"BinData/b.hwpx": seeds.hwpx()})})


def traversal_names() -> Files:
    """Entries whose names lead out of any folder they might be unpacked to."""
    names = [
        f"../../../../../../tmp/{TRAVERSAL}-1", f"/tmp/{TRAVERSAL}-2", f"..\\..\\{TRAVERSAL}-3", f"C:\\{TRAVERSAL}-4",
        f"a/../../{TRAVERSAL}-5", f"\0{TRAVERSAL}-6", f"{'a/' * 500}{TRAVERSAL}-7",
    ]  # fmt: skip
    everything = dict.fromkeys(names, seeds.WORDS)
    yield "names.zip", seeds.zipped(everything)
    yield "names.docx", seeds.with_parts(seeds.docx(), everything)
    yield "names.hwpx", seeds.hwpx(extra=everything)
    yield "section-outside.hwpx", seeds.hwpx(extra={
        "Contents/content.hpf": '<opf:package xmlns:opf="http://www.idpf.org/2007/opf/"><opf:manifest><opf:item id="s" '
        'href="../../../../etc/passwd" media-type="application/xml"/></opf:manifest><opf:spine><opf:itemref idref="s"/>'
        "</opf:spine></opf:package>"
    })  # fmt: skip
    yield "names.epub", seeds.epub(extra=everything)
    yield "names.tar", _tar({name.replace("\0", ""): b"x" for name in names}, links=True)
    yield "names.eml", seeds.mail(b"x", f"../../{TRAVERSAL}-8")
    yield "names.xlsx", seeds.with_parts(seeds.xlsx(), everything)
    storage = seeds.compound({"WordDocument": b"a", f"../../{TRAVERSAL}"[:30]: b"b"})
    yield "storage.doc", storage


def polyglots() -> Files:
    """Files that are two things, depending on who looks."""
    pdf = seeds.pdf_page(seeds.pdf_stream(seeds.TEXT_STREAM))
    archive = seeds.zipped({"META-INF/MANIFEST.MF": "Main-Class: A\n", "A.class": b"\xca\xfe\xba\xbe"})
    script = "<html><script>alert(1)</script><body><p>글</p></body></html>"
    yield "pdf-and-zip.pdf", pdf + seeds.docx()
    yield "zip-and-pdf.docx", seeds.docx() + pdf
    yield "gif-and-jar.gif", b"GIF89a/*" + bytes(10) + archive
    yield "html-and-js.html", f"<!--\n/*{script}*/alert(1)//-->{script}".encode()
    yield "html-and-zip.html", script.encode() + archive
    yield "pdf-and-html.html", b"<!DOCTYPE html>\n" + script.encode() + pdf
    yield "hwp-and-zip.hwp", seeds.hwp() + seeds.hwpx()
    yield "hwpx-and-pdf.hwpx", pdf[:200] + seeds.hwpx()
    yield "docx-is-hwpx.docx", seeds.with_parts(seeds.docx(), {"mimetype": "application/hwp+zip"})
    yield (
        "hwpx-is-docx.hwpx",
        seeds.hwpx(extra={"[Content_Types].xml": seeds.part(seeds.docx(), "[Content_Types].xml")}),
    )
    yield "doc-is-hwp.doc", seeds.compound({"WordDocument": b"a" * 5000, "FileHeader": b"HWP Document File"})
    yield "mail-and-html.eml", seeds.mail() + script.encode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _renamed(archive: bytes, name: str) -> bytes:
    """The archive whose only entry `a` is called otherwise, without packing it again."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        entry = opened.infolist()[0]
        packed = archive[entry.header_offset + 31 : entry.header_offset + 31 + entry.compress_size]
    return _single(name, packed, entry.CRC, entry.file_size)


def _single(name: str, packed: bytes, checksum: int, size: int) -> bytes:
    raw = name.encode()
    common = struct.pack("<HHHHHIIIHH", 20, 0x800, 8, 0, 0x5C62, checksum, len(packed), size, len(raw), 0)
    local = b"PK\3\4" + common + raw + packed
    central = b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + raw
    return local + central + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(central), len(local), 0)


def _overlapping(count: int, name: str = "") -> bytes:
    """Every entry of the directory is the same packed megabyte (D. Fifield, A better zip bomb, 2019, made simpler)."""
    packed = seeds.deflated(bytes(MEGA))
    checksum = zlib.crc32(bytes(MEGA))
    local = (
        b"PK\3\4" + struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0x5C62, checksum, len(packed), MEGA, 1, 0) + b"a" + packed
    )
    central = b""
    for number in range(count):
        raw = (name if name and number == 0 else f"{number:05}").encode()
        central += (
            b"PK\1\2"
            + struct.pack(
                "<HHHHHHIIIHHHHHII", 20, 20, 0, 8, 0, 0x5C62, checksum, len(packed), MEGA, len(raw), 0, 0, 0, 0, 0, 0
            )
            + raw
        )
    return local + central + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(central), len(local), 0)


def _understated(archive: bytes) -> bytes:
    """The directory says that the largest entry is a hundred bytes."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        entry = max(opened.infolist(), key=lambda item: item.file_size)
    at = archive.rindex(b"PK\1\2", 0, archive.rindex(entry.filename.encode()))
    return _patched(archive, at + 24, struct.pack("<I", 100))


def _self_inclusion(name: str = "a.zip") -> bytes:
    """An archive with a stored entry whose data is the archive itself, from its first byte on."""
    raw = name.encode()
    size = 30 + len(raw)

    def build(size: int) -> bytes:
        common = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0x5C62, 0, size, size, len(raw), 0)
        central = b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + raw
        return (
            b"PK\3\4"
            + common
            + raw
            + central
            + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(central), 30 + len(raw), 0)
        )

    return build(len(build(size)))


def _tar(members: dict[str, bytes], *, links: bool = False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        if links:
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
            device = tarfile.TarInfo("device")
            device.type = tarfile.CHRTYPE
            archive.addfile(device)
    return out.getvalue()


def _spaced_xml(size: int) -> bytes:
    head = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    return head + b"<w:p/>" * (size // 6) + b"</w:body></w:document>"


def _fat_bytes(file: bytes) -> int:
    return int.from_bytes(file[44:48], "little") * 512


def _patched(file: bytes, at: int, value: bytes) -> bytes:
    return file[:at] + value + file[at + len(value) :]
