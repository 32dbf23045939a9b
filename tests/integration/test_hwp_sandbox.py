"""Hangul documents in the sandbox that production parses in: no network, no files, capped memory."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from ingest.parsing.sandbox import ParseSandbox
from rag.domain.errors import FileEncrypted, ParseLimitExceeded
from tests.support.compound import compound_file
from tests.support.hwp3 import hwp3_file
from tests.support.hwp5 import COMPRESSED, DISTRIBUTION, PASSWORD, document_info, file_header, hwp5_file
from tests.support.hwp_content import Paragraph, table
from tests.support.hwpx import hwpx_container, hwpx_file, section_xml
from tests.unit.parsing.documents import texts

CONTENT = [Paragraph("제1조(목적) 여비를 정한다."), Paragraph(table([["구분", "일비"], ["직원", "25,000원"]]))]
EXPECTED = ["제1조(목적)", "여비를 정한다.", "| 구분 | 일비 |\n| --- | --- |\n| 직원 | 25,000원 |"]


@pytest.fixture(scope="module")
def sandbox():
    with ParseSandbox(concurrency=2) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("규정.hwp", hwp5_file(CONTENT)),
        ("배포용.hwp", hwp5_file(CONTENT, flags=COMPRESSED | DISTRIBUTION)),
        ("규정.hwpx", hwpx_file(CONTENT)),
        ("옛 규정.hwp", hwp3_file(CONTENT)),
    ],
)
def test_every_format_is_read(sandbox, tmp_path: Path, name: str, data: bytes):
    path = tmp_path / "blob"
    path.write_bytes(data)
    assert texts(sandbox.parse(path, name)) == EXPECTED


def test_errors_reach_the_service(sandbox, tmp_path: Path):
    path = tmp_path / "blob"
    path.write_bytes(hwp5_file(CONTENT, flags=COMPRESSED | PASSWORD))
    with pytest.raises(FileEncrypted):
        sandbox.parse(path, "규정.hwp")


def test_bombs_end_at_a_limit(sandbox, tmp_path: Path):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(300)) + packer.flush()
    files = {"FileHeader": file_header(COMPRESSED), "DocInfo": document_info(), "BodyText/Section0": bomb}
    path = tmp_path / "blob"
    path.write_bytes(compound_file(files))
    with pytest.raises(ParseLimitExceeded):
        sandbox.parse(path, "규정.hwp")


def test_half_a_megabyte_that_unpacks_to_fifty_is_read(sandbox, tmp_path: Path):
    """Streamed: 46 MB of XML from a file of less than one."""
    segment = '<hp:lineseg textpos="0" vertpos="0" vertsize="1000" textheight="1000" baseline="850" flags="393216"/>'
    paragraph = f"<hp:p><hp:run><hp:t>여비</hp:t></hp:run><hp:linesegarray>{segment * 500}</hp:linesegarray></hp:p>"
    part = section_xml([Paragraph("첫 문단")]).replace("</hs:sec>", paragraph * 1000 + "</hs:sec>")
    path = tmp_path / "blob"
    path.write_bytes(hwpx_container({"Contents/section0.xml": part}))
    assert len(part) > 45 << 20 > 50 * path.stat().st_size
    assert len(sandbox.parse(path, "규정.hwpx").elements) == 1001
