"""Scans and pictures, read by the Tesseract of this machine."""

from __future__ import annotations

import io
import itertools
import math
import random
import time
from difflib import SequenceMatcher
from pathlib import Path

import pypdf
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ingest.parsing import outcome, read_so_far
from ingest.parsing.base import SourceFile
from ingest.parsing.identify import identify
from ingest.parsing.ocr import MAX_PIXELS, GrayImage, find_tesseract
from ingest.parsing.ocr_skew import Both, Tilt, straightened, tilt_of
from ingest.parsing.ocr_upright import read_upright
from ingest.parsing.ocr_words import words_of
from ingest.parsing.page_numbers import joined_ranges, page_ranges
from ingest.parsing.parts import joined
from ingest.parsing.pdf import PdfParser
from ingest.parsing.pdf_layout import group_elements, heading_sizes, paragraphs
from ingest.parsing.pdf_page import UP, Line, Turn, Word
from ingest.parsing.picture import PictureParser
from ingest.parsing.read_so_far import Listener
from ingest.parsing.sandbox import ParseLimits, ParseSandbox
from ingest.parsing.scans import is_language
from rag.domain.errors import FileDamaged, NoTextFound, OcrUnavailable, ParseLimitExceeded
from rag.domain.messages import warning_for
from tests.unit.parsing.documents import PdfPage, pdf_bytes, texts

KOREAN_FONT = Path("/usr/share/fonts/truetype/nanum/NanumGothic.ttf")
TESSERACT = find_tesseract()
needs_tesseract = pytest.mark.skipif(TESSERACT is None, reason="no Tesseract here: apt-get install tesseract-ocr")
needs_korean = pytest.mark.skipif(
    TESSERACT is None or "kor" not in TESSERACT.languages or not KOREAN_FONT.is_file(),
    reason="no Korean here: apt-get install tesseract-ocr-kor fonts-nanum",
)
ENGLISH = ["Security policy of the bank", "Every employee is bound by this policy.", "The limit is 1,250 a day."]


def picture(lines, size=(1240, 700), korean=False) -> Image.Image:
    font = ImageFont.truetype(KOREAN_FONT, 40) if korean else ImageFont.load_default(size=40)
    image = Image.new("L", size, 255)
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((100, 80 + number * 80), line, font=font, fill=0)
    return image


def scanned(*pages: Image.Image) -> bytes:
    out = io.BytesIO()
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:], resolution=150)
    return out.getvalue()


def read(tmp_path, data: bytes, name: str, reader=TESSERACT, **asked):
    path = tmp_path / name
    path.write_bytes(data)
    parser = PdfParser() if name.endswith(".pdf") else PictureParser()
    return parser.parse(path, SourceFile(name, identify(path, name).media_type, reader=reader, **asked))


def saved(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


KOREAN = ["모든 임직원은 이 규정을 지켜야 한다.", "출장 숙박비는 하루 7만원까지 지급한다.", "연차 유급휴가는 15일이다."]


@needs_korean
@pytest.mark.parametrize("kind", ["pdf", "png"])
@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_page_that_lay_otherwise_is_read_as_if_it_were_upright(tmp_path, turned, kind) -> None:
    image = picture(KOREAN, korean=True)
    upright = read(tmp_path, scanned(image) if kind == "pdf" else saved(image, "PNG", dpi=(150, 150)), f"a.{kind}")
    lying = image.rotate(turned, expand=True)
    found = read(tmp_path, scanned(lying) if kind == "pdf" else saved(lying, "PNG", dpi=(150, 150)), f"b.{kind}")
    # A picture is enlarged to the width that it has, so one lying on its side is read at another size.
    assert SequenceMatcher(None, "".join(texts(found)), "".join(texts(upright))).ratio() > 0.9
    boxes_hold_the_ink(found, lying)


def boxes_hold_the_ink(document, lying: Image.Image) -> None:
    """The boxes are those of the page as it lies: ink is where they say, and nowhere else."""
    scale = 150 / 72
    for element in document.elements:
        for _, (left, top, right, bottom) in element.anchor.boxes:
            cut = lying.crop((left * scale, top * scale, right * scale, bottom * scale))
            assert cut.getextrema()[0] < 100
            ImageDraw.Draw(lying).rectangle(
                (left * scale - 8, top * scale - 8, right * scale + 8, bottom * scale + 8), fill=255
            )
    assert lying.getextrema()[0] > 100


def in_columns() -> tuple[Image.Image, list[str]]:
    """A page in two columns, and its lines as they are read."""
    image, font = Image.new("L", (1240, 1100), 255), ImageFont.load_default(size=26)
    left = [f"Line {number} of the left column is about leave" for number in range(10, 24)]
    right = [f"Line {number} of the right column is on travel" for number in range(10, 24)]
    for column, x in ((left, 100), (right, 660)):
        for number, line in enumerate(column):
            ImageDraw.Draw(image).text((x, 100 + number * 44), line, font=font, fill=0)
    return image, [*left, *right]


@needs_tesseract
@pytest.mark.parametrize("kind", ["pdf", "png"])
@pytest.mark.parametrize("askew", [2.0, -1.2, 91.5, 178.0])
def test_a_page_that_lay_askew_is_read_as_if_it_were_straight(tmp_path, askew, kind) -> None:
    image, lines = in_columns()
    lying = image.rotate(askew, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    found = read(tmp_path, scanned(lying) if kind == "pdf" else saved(lying, "PNG", dpi=(150, 150)), f"a.{kind}")
    assert SequenceMatcher(None, "\n".join(texts(found)).splitlines(), lines).ratio() > 0.8
    boxes_hold_the_ink(found, lying)


@pytest.mark.parametrize(("believed", "doubtful"), [(0, True), (6, True), (7, False), (10, False)])
@pytest.mark.parametrize("askew", [0.0, 2.0])
def test_a_page_of_which_too_little_is_believed_is_named(tmp_path, believed, doubtful, askew) -> None:
    class Reader(Slow):
        def read(self, image: GrayImage) -> bytes:
            rows = [
                [5, 1, 1, 1, number, 1, 100, 100 + 40 * number, 80, 20, 90 if number < believed else 30, "word"]
                for number in range(10)
            ]
            return "\n".join("\t".join(map(str, row)) for row in rows).encode()

    page = in_columns()[0].rotate(askew, fillcolor=255)
    document = read(tmp_path, saved(page, "PNG", dpi=(150, 150)), "a.png", Reader(0, 60))
    assert document.warnings == (("ocr:1", "ocr_doubtful:1") if doubtful else ("ocr:1",))
    assert "word" in "".join(texts(document))


@pytest.mark.parametrize("askew", [-4.0, -0.7, 0.0, 0.2, 1.3, 3.3])
@pytest.mark.parametrize("lying", [0, 90])
def test_how_askew_a_page_lay(askew, lying) -> None:
    page = in_columns()[0].rotate(lying + askew, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    wanted = -askew if abs(askew) > 0.4 else 0.0
    assert tilt_of(GrayImage(page.width, page.height, 150, page.tobytes())) == pytest.approx(wanted, abs=0.2)


@pytest.mark.parametrize("pixels", [b"\xff", b"\x00"])
def test_what_has_no_lines_is_not_straightened(pixels) -> None:
    assert tilt_of(GrayImage(300, 200, 150, pixels * 60_000)) == 0.0
    noise = random.Random(1).randbytes(60_000)
    assert tilt_of(GrayImage(300, 200, 150, noise)) == 0.0


def test_what_stands_in_a_corner_of_a_page_that_lay_askew_is_kept() -> None:
    page = in_columns()[0]
    ImageDraw.Draw(page).rectangle((0, 0, 30, 30), fill=0)
    lying = page.rotate(3, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    straight, tilt = straightened(GrayImage(lying.width, lying.height, 150, lying.tobytes()), -3)
    again = Image.frombytes("L", (straight.width, straight.height), straight.pixels)
    left, top, *_ = again.point(lambda value: 255 if value < 100 else 0).getbbox()
    assert again.crop((left, top, left + 30, top + 30)).resize((1, 1)).getpixel((0, 0)) < 30
    points = 72 / 150
    box = tilt.back((left * points, top * points, (left + 30) * points, (top + 30) * points))
    corner = lying.crop([round(edge / points) for edge in box])
    assert corner.resize((1, 1)).getpixel((0, 0)) < 60


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 900), (900, 1), (3, 2), (1240, 1754)])
def test_black_pages_are_not_straightened(width, height) -> None:
    assert tilt_of(GrayImage(width, height, 150, b"\x00" * width * height)) == 0.0


@pytest.mark.parametrize("askew", [0.0, 2.0])
def test_light_letters_on_a_dark_ground(askew) -> None:
    page = ImageOps.invert(in_columns()[0].resize((2480, 2200))).rotate(askew, Image.Resampling.BICUBIC, fillcolor=0)
    image = GrayImage(page.width, page.height, 300, page.tobytes())
    assert tilt_of(image) == pytest.approx(-askew, abs=0.2)
    straight, _ = straightened(image, -2.0)
    assert straight.pixels[:10] == b"\x00" * 10  # the corners are as dark


def test_lines_of_a_chart_do_not_tilt_a_page() -> None:
    page = in_columns()[0]
    page.paste(255, (0, 500, 1240, 1100))
    for number in range(3):
        ImageDraw.Draw(page).line((100, 900 + number * 50, 1100, 830 + number * 50), fill=0, width=4)
    assert tilt_of(GrayImage(page.width, page.height, 150, page.tobytes())) == 0.0


def test_a_page_that_is_straightened_is_not_too_large_to_be_read() -> None:
    width, height = 5400, 7300
    straight, tilt = straightened(GrayImage(width, height, 600, b"\xff" * width * height), 3.0)
    assert straight.width * straight.height <= MAX_PIXELS
    assert straight.dpi < 600
    assert tilt.sheet[0] == pytest.approx(
        width * 72 / 600 * math.cos(math.radians(3)) + height * 72 / 600 * math.sin(math.radians(3)), rel=0.01
    )


def test_boxes_of_a_tilted_page_stay_on_it() -> None:
    tilt = Tilt(3.0, (595, 842), (638, 872))
    for box in ((0, 0, 20, 10), (618, 0, 638, 10), (0, 862, 20, 872), (618, 862, 638, 872)):
        left, top, right, bottom = tilt.back(box)
        assert 0 <= left <= right <= 595
        assert 0 <= top <= bottom <= 842
    left, _, right, _ = tilt.back((300, 100, 312, 800))  # a line of a page that lies on its side leans
    assert right - left > 40


def test_there_and_back_a_box_is_where_it_was() -> None:
    tilt, word = Tilt(2.0, (600, 800), (628, 820)), (100.0, 200.0, 130.0, 210.0)
    there = tilt.back(word)
    assert there != pytest.approx(word, abs=3)
    assert tilt.inverse().back(there) == pytest.approx(word, abs=1.5)
    both = Both(Turn(UP, 600, 800), tilt)
    assert both.inverse().back(both.back(word)) == pytest.approx(word, abs=1.5)


@pytest.mark.parametrize(("turned", "order"), [(90, "sideways"), (180, "over")])
def test_a_page_is_first_turned_as_its_lines_lie(turned, order) -> None:
    asked = []

    class Doubting(Slow):
        """Reads words of which it believes none."""

        def read(self, image: GrayImage) -> bytes:
            asked.append((image.width, image.height))
            return b"\t".join([b"5", *[b"1"] * 9, b"10", b"zzz"])

    lying = picture(KOREAN, korean=True).convert("L").rotate(turned, expand=True)
    read_upright(Doubting(0, 60), GrayImage(lying.width, lying.height, 150, lying.tobytes()))
    shown, first, *_ = asked
    assert (first == shown) == (order == "over")
    assert len(asked) == 4


def test_a_page_with_nothing_on_it_is_looked_at_once() -> None:
    asked = []

    class Counting(Slow):
        def read(self, image: GrayImage) -> bytes:
            asked.append((image.width, image.height))
            return b""

    blank = GrayImage(300, 200, 150, b"\xff" * 60_000)
    assert read_upright(Counting(0, 60), blank) is not None
    assert asked == [(300, 200)]
    asked.clear()
    read_upright(Counting(0, 60), GrayImage(300, 200, 150, b"\x00" * 60_000))
    assert asked == [(300, 200), (200, 300), (200, 300), (300, 200)]
    asked.clear()
    read_upright(Counting(0, -1), GrayImage(300, 200, 150, b"\x00" * 60_000))
    assert asked == [(300, 200)]  # no time for more


class Slow:
    """A reader that takes its time for every page, and has until `deadline`."""

    lanes = 1

    def __init__(self, seconds: float, budget: float) -> None:
        self._seconds = seconds
        self._words = iter(["one", "two", "three", "four", "five", "six", "seven", "eight"])
        self.deadline = time.monotonic() + budget

    def read(self, image: GrayImage) -> bytes:
        time.sleep(self._seconds)
        return f"5\t1\t1\t1\t1\t1\t100\t100\t300\t40\t95\tpage-{next(self._words)}".encode()


class Absent:
    """What a parser is given on a machine without Tesseract."""

    lanes = 0
    deadline = 0.0

    def read(self, image: GrayImage) -> bytes | None:
        raise AssertionError("nothing to read with")


def test_page_of_glyph_numbers_is_read_from_its_picture(tmp_path):
    data = pdf_bytes([PdfPage().glyphs(60, 60, b'"7+%-'), PdfPage().text(60, 60, "A page with a text layer.")])
    document = read(tmp_path, data, "a.pdf", reader=Slow(0, 60))
    assert texts(document) == ["page-one", "A page with a text layer."]
    assert document.warnings == ("ocr:1",)
    assert read(tmp_path, data, "a.pdf", reader=None).warnings == ("unmapped_characters",)


def test_page_of_marks_in_a_usual_font_is_read_from_its_text(tmp_path):
    document = read(tmp_path, pdf_bytes([PdfPage().text(60, 60, '"7+%-')]), "a.pdf", reader=Slow(0, 60))
    assert texts(document) == ['"7+%-']
    assert document.warnings == ()


@needs_tesseract
def test_scanned_page_among_others(tmp_path):
    writer = pypdf.PdfWriter(io.BytesIO(pdf_bytes([PdfPage().text(60, 60, "A page with a text layer.")])))
    writer.append(io.BytesIO(scanned(picture(ENGLISH))))
    out = io.BytesIO()
    writer.write(out)
    document = read(tmp_path, out.getvalue(), "a.pdf")
    assert document.warnings == ("ocr:2",)
    assert texts(document)[0] == "A page with a text layer."
    assert "Every employee is bound by this policy." in "\n".join(texts(document))
    (page, (left, top, right, bottom)) = document.elements[1].anchor.boxes[0]
    assert page == 2
    assert left == pytest.approx(100 * 72 / 150, abs=3)
    assert 30 < top < bottom < 160 and 200 < right < 595


@needs_korean
def test_korean_words_are_whole(tmp_path):
    lines = [
        "이 규정은 회사의 정보보호 업무에 필요한 사항을 정한다.",
        "다만 법령에 정함이 있는 경우에는 그러하지 아니하다.",
    ]
    document = read(tmp_path, scanned(picture(lines * 3, size=(1654, 800), korean=True)), "a.pdf")
    found = "\n".join(texts(document))
    expected = [word for line in lines for word in line.split()]
    assert sum(word in found for word in expected) >= 0.8 * len(expected), found


@needs_tesseract
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_pictures(tmp_path, kind):
    document = read(tmp_path, saved(picture(ENGLISH), kind), f"a.{kind.lower()}")
    assert "Every employee is bound by this policy." in "\n".join(texts(document))
    assert document.pages == 1


@needs_tesseract
def test_tiff_of_two_pages(tmp_path):
    pages = [picture(["The first page of it"]), picture(["The second page of it"])]
    document = read(tmp_path, saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]), "a.tif")
    assert [(element.anchor.page, element.text) for element in document.elements] == [
        (1, "The first page of it"),
        (2, "The second page of it"),
    ]
    assert document.warnings == ("ocr:1-2",)


@needs_tesseract
def test_photograph_held_sideways(tmp_path):
    turned = picture(ENGLISH).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    exif[306] = "2026:03:01 09:30:00"
    document = read(tmp_path, saved(turned, "JPEG", exif=exif), "a.jpg")
    assert "Every employee is bound by this policy." in "\n".join(texts(document))
    assert document.metadata.created_at == "2026-03-01T09:30:00"


def test_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    bomb = saved(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(bomb) < 200_000
    with pytest.raises(ParseLimitExceeded):
        read(tmp_path, bomb, "a.png", Slow(0, 10))


def test_damaged_picture(tmp_path):
    with pytest.raises(FileDamaged):
        read(tmp_path, saved(picture(ENGLISH), "PNG")[:300], "a.png", Slow(0, 10))


def test_without_tesseract_a_scan_says_what_to_install(tmp_path):
    with pytest.raises(OcrUnavailable):
        read(tmp_path, scanned(picture(ENGLISH)), "a.pdf", Absent())
    with pytest.raises(OcrUnavailable):
        read(tmp_path, saved(picture(ENGLISH), "PNG"), "a.png", Absent())
    with pytest.raises(NoTextFound):
        read(tmp_path, scanned(picture(ENGLISH)), "a.pdf", None)


def test_without_tesseract_the_other_pages_come_through(tmp_path):
    writer = pypdf.PdfWriter(io.BytesIO(pdf_bytes([PdfPage().text(60, 60, "A page with a text layer.")])))
    writer.append(io.BytesIO(scanned(picture(ENGLISH))))
    out = io.BytesIO()
    writer.write(out)
    document = read(tmp_path, out.getvalue(), "a.pdf", Absent())
    assert texts(document) == ["A page with a text layer."]
    assert document.warnings == ("ocr_unavailable", "pages_without_text:2")
    assert "2" in warning_for(document.warnings[1], "ko")


def test_what_was_read_in_time_is_kept_and_the_rest_is_named(tmp_path):
    document = read(tmp_path, scanned(*[picture(["page"], size=(400, 200))] * 8), "a.pdf", Slow(0.4, 1.3))
    done = {element.anchor.page for element in document.elements}
    assert 1 <= len(done) < 8
    left_out = sorted(set(range(1, 9)) - done)
    assert set(document.warnings) == {f"ocr:{page_ranges(done)}", f"ocr_out_of_time:{page_ranges(left_out)}"}


@pytest.mark.parametrize("name", ["a.pdf", "a.tif"])
def test_what_there_is_no_time_for_is_left_to_the_next_process(tmp_path, name):
    pages = [picture(["page"], size=(400, 200))] * 8
    more = {"save_all": True, "append_images": pages[1:]}
    data = scanned(*pages) if name.endswith(".pdf") else saved(pages[0], "TIFF", **more)
    parts, first = [], 1
    while first:
        parts.append(read(tmp_path, data, name, Slow(0.2, 0.7), first_page=first, may_stop=True))
        assert parts[-1].next_page > first or not parts[-1].next_page
        assert parts[-1].pages == 8
        first = parts[-1].next_page
    assert len(parts) > 1
    document = joined(parts, name)
    assert sorted({element.anchor.page for element in document.elements}) == list(range(1, 9))
    assert (document.warnings, document.pages, document.next_page) == (("ocr:1-8",), 8, 0)


def test_a_page_that_takes_all_the_time_is_named_and_the_next_process_begins_behind_it(tmp_path):
    data = scanned(*[picture(["page"], size=(400, 200))] * 3)
    document = read(tmp_path, data, "a.pdf", Slow(0.5, 0.1), first_page=2, may_stop=True)
    assert (document.elements, document.warnings, document.next_page) == ((), ("ocr_out_of_time:2",), 3)
    with pytest.raises(NoTextFound):
        joined([document, document], "a.pdf")


def test_pages_that_take_too_much_of_the_processor_are_left_to_the_next_process(tmp_path):
    data = pdf_bytes([PdfPage().text(60, 60, f"This is page number {n}.") for n in range(1, 5)])
    parts = [read(tmp_path, data, "a.pdf", None, first_page=first, may_stop=True, cpu_s=0) for first in range(1, 5)]
    assert [part.next_page for part in parts] == [2, 3, 4, 0]
    expected = [f"This is page number {n}." for n in range(1, 5)]
    assert texts(joined(parts, "a.pdf")) == expected


@pytest.mark.parametrize(
    ("layer", "kept"),
    [("Every employee is bound by this policy of the bank", True), ("\x7f{}|~`^\\\\#@ {}|~ `^#@ {}|~", False)],
)
def test_ocr_layer_over_a_scan_is_used_when_it_is_good(tmp_path, layer, kept):
    page = PdfPage()
    page.content.append(b"BT 3 Tr /F1 10 Tf 60 700 Td (" + layer.encode("latin-1") + b") Tj ET")
    writer = pypdf.PdfWriter(io.BytesIO(scanned(picture(ENGLISH, size=(1240, 1754)))))
    writer.pages[0].merge_page(pypdf.PdfReader(io.BytesIO(pdf_bytes([page]))).pages[0])
    out = io.BytesIO()
    writer.write(out)
    document = read(tmp_path, out.getvalue(), "a.pdf", Slow(0, 10))
    assert ("Every employee" in texts(document)[0]) is kept
    assert ("ocr:1" in document.warnings) is not kept


def test_crumbs_are_no_language():
    image = GrayImage(1000, 100, 72, bytes([255]) * 100_000)
    rows = [f"5\t1\t1\t1\t1\t{n}\t{n * 30}\t10\t10\t20\t90\tx" for n in range(30)]
    assert not is_language(words_of("\n".join(rows).encode(), image))


def test_page_ranges():
    assert page_ranges([3, 1, 2, 7]) == "1-3, 7"
    assert joined_ranges(["1-3, 7", "8", "10-12", "13-20, 30"]) == "1-3, 7-8, 10-20, 30"


@needs_tesseract
def test_in_the_sandbox(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(scanned(picture(ENGLISH)))
    with ParseSandbox(ParseLimits(wall_s=60)) as sandbox:
        document = sandbox.parse(path, "a.pdf")
        assert "Every employee is bound by this policy." in "\n".join(texts(document))
        path.write_bytes(saved(picture(ENGLISH), "PNG"))
        assert "Every employee" in "\n".join(texts(sandbox.parse(path, "a.png")))


@needs_tesseract
@pytest.mark.parametrize("name", ["a.pdf", "a.tif"])
def test_a_scan_says_page_by_page_how_far_it_is(tmp_path, name, monkeypatch):
    pages = [picture([f"This is page number {n}"], size=(600, 200)) for n in range(1, 4)]
    more = {"save_all": True, "append_images": pages[1:]}
    data = scanned(*pages) if name.endswith(".pdf") else saved(pages[0], "TIFF", **more)
    said = []
    read(tmp_path, data, name, told=lambda page, total: said.append((page, total)))
    assert said == [(1, 3), (2, 3), (3, 3)]
    (tmp_path / "a").write_bytes(data)
    told = []
    monkeypatch.setattr(outcome, "_TOLD_EVERY_S", 0.0)
    with ParseSandbox() as sandbox:
        sandbox.parse(tmp_path / "a", name, told=told.append)
    assert told and all(1 <= read.pages <= 3 == read.total for read in told)


def test_pages_with_text_count_while_a_picture_before_them_is_read(tmp_path):
    data = pdf_bytes([PdfPage().text(60, 60, f"This is page number {n}.") for n in range(1, 4)])
    writer = pypdf.PdfWriter(io.BytesIO(data))
    writer.append(io.BytesIO(scanned(picture(ENGLISH, size=(600, 300)))))
    writer.append(io.BytesIO(data))
    out = io.BytesIO()
    writer.write(out)
    said = []
    read(tmp_path, out.getvalue(), "a.pdf", Slow(0.1, 60), told=lambda page, total: said.append((page, total)))
    assert said == [(n, 7) for n in range(1, 8)]


def test_many_pages_of_text_behind_two_scanned_ones_are_not_left_to_read(tmp_path, monkeypatch):
    writer = pypdf.PdfWriter(io.BytesIO(scanned(*[picture(ENGLISH, size=(600, 300))] * 2)))
    writer.append(io.BytesIO(pdf_bytes([PdfPage().text(60, 60, f"This is page number {n}.") for n in range(3, 31)])))
    out = io.BytesIO()
    writer.write(out)
    monkeypatch.setattr(read_so_far, "_KNOWN_AFTER_S", 0.5)
    said = []
    listener = Listener(said.append)
    with listener.at_work():
        read(tmp_path, out.getvalue(), "a.pdf", Slow(1.0, 60), told=listener.has_read)
    assert (said[-1].pages, said[-1].total) == (30, 30)
    assert (
        max(item.left_s for item in said if item.seconds >= 0.5) < 5
    )  # it was 28 s after the first scan, all read in two


@needs_tesseract
@pytest.mark.slow
def test_a_long_scan_is_read_to_its_end_by_several_children(tmp_path):
    path = tmp_path / "a"
    words = " ".join(ENGLISH).replace(".", "").split()
    pages = [
        " ".join(random.Random(n).sample(words, 8)) for n in range(1, 31)
    ]  # the same line on all would be a running one
    path.write_bytes(scanned(*[picture([line]) for line in pages]))
    # Six of the sixteen seconds are kept for what follows the last page; a page takes about one, on two to four lanes.
    with ParseSandbox(ParseLimits(wall_s=16)) as sandbox:
        sandbox.warm_up("pdf")
        document = sandbox.parse(path, "a.pdf")
    assert sorted({element.anchor.page for element in document.elements}) == list(range(1, 31))
    assert document.warnings == ("ocr:1-30",)


@pytest.mark.parametrize(
    ("text", "height", "level"),
    [
        ("영업점에서 같은 직무를 담당할 수 있는 기간은 3 년을 넘지", 12.0, 0),  # taller letters of the body
        ("3. 정직과 강등", 14.0, 0),
        ("견책: 6 개월", 14.0, 0),
        ("추진 배경", 14.0, 1),
    ],
)
def test_a_line_of_a_scan_is_a_heading_only_where_that_is_sure(text, height, level):
    def line(words: str, tall: float, *, scanned: bool) -> Line:
        box = (60.0, 100.0, 60.0 + 5 * len(words), 100.0 + tall)
        return Line((Word(words, box),), box, tall, bold=False, scanned=scanned)

    group = [line(text, height, scanned=True)]
    [element] = group_elements(group, 1, heading_sizes([group], 10.0, {}), 10.0)
    assert element.level == level
    printed = [line(text, height, scanned=False)]
    assert heading_sizes([printed], 10.0, {}), "in a digital page all are tall enough"


def test_lines_of_one_paragraph_of_a_scan_need_not_be_as_high():
    def line(words: str, top: float, tall: float, *, scanned: bool) -> Line:
        box = (60.0, top, 500.0, top + tall)
        return Line((Word(words, box),), box, tall, bold=False, scanned=scanned)

    for scanned in (True, False):
        lines = [
            line("같은 직무를 담당할 수 있는 기간은 3 년을 넘지", 100, 12.0, scanned=scanned),
            line("않는다.", 116, 10.0, scanned=scanned),
        ]
        assert len(paragraphs(lines, 10.0)) == (1 if scanned else 2)


ROWS = ["인사위원회 위원", "고객정보 유출 면직", "감봉 견책 정직"]


@pytest.mark.skipif(not KOREAN_FONT.is_file(), reason="no Korean here: apt-get install fonts-nanum")
@pytest.mark.parametrize("ruled", [False, True])
def test_a_box_as_high_as_its_row_is_cut_down_to_the_letters(ruled):
    font = ImageFont.truetype(KOREAN_FONT, 40)
    image = Image.new("L", (900, 300), 255)
    draw = ImageDraw.Draw(image)
    rows = []
    for number, text in enumerate(ROWS):
        draw.text((100, 40 + 60 * number), text, font=font, fill=0)
        if ruled:
            draw.line([(40, 35 + 60 * number), (860, 35 + 60 * number)], fill=0, width=3)
        for place, letter in enumerate(text):
            left, top, right, bottom = draw.textbbox((100, 40 + 60 * number), text[: place + 1], font=font)
            left = right - font.getlength(letter)
            rise = 22 if number == 1 else 0  # the lines above and below show in the box
            box = (round(left), top - rise, round(right - left), bottom - top + 2 * rise)
            if letter != " ":
                rows.append("\t".join(map(str, (5, 1, 1, 1, number, place, *box, 90, letter))))
    lines = words_of("\n".join(rows).encode(), GrayImage(900, 300, 150, image.tobytes()))
    assert [line.text for line in lines] == ROWS
    assert len({line.height for line in lines}) == 1
    assert all(above.box[3] < below.box[1] for above, below in itertools.pairwise(lines))


def test_large_letters_stay_as_large_as_they_are():
    image = Image.new("L", (900, 400), 255)
    draw = ImageDraw.Draw(image)
    boxes = [(100, 40, 300, 100), *((100 + 60 * n, 200, 140 + 60 * n, 220) for n in range(10))]
    for box in boxes:
        draw.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=0)
    tsv = "\n".join(
        f"5\t1\t1\t1\t{min(n, 1)}\t{n}\t{left}\t{top}\t{right - left}\t{bottom - top}\t90\tword"
        for n, (left, top, right, bottom) in enumerate(boxes)
    )
    title, text = words_of(tsv.encode(), GrayImage(900, 400, 72, image.tobytes()))
    assert (title.height, text.height) == (60, 20)
