"""The corpus of hostile files: every family, seeded, the same on every machine.

    python -m tests.hostile.corpus FOLDER [EVERY]

writes every `EVERY`-th file and `index.jsonl` with `{"file", "name", "family"}`. The names under which the files are uploaded
are hostile too, so they stand in the index only.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile import containers, contents, seeds

Files = Iterator[tuple[str, bytes]]
SEED = 20260302
_CUTS = (0.02, 0.25, 0.6, 0.97)
_FLIPPED_FILES = 6


@dataclass(frozen=True, slots=True)
class HostileFile:
    """One file, and the name it is uploaded under."""

    family: str
    name: str
    data: bytes

    @property
    def is_hwp(self) -> bool:
        """Whether it is, or says it is, HWP or HWPX."""
        return self.name.lower().endswith((".hwp", ".hwpx"))


def real_files() -> dict[str, Callable[[], bytes]]:
    """Undamaged files of every kind, by name; HWP and HWPX in several shapes, since a quarter of all is to be theirs."""
    long = seeds.hwpx_section("".join(seeds.hwpx_paragraph(f"{n}. {seeds.WORDS}") for n in range(300)))
    table = seeds.hwpx_table(
        seeds.hwpx_cell(seeds.hwpx_paragraph("가")) + seeds.hwpx_cell(seeds.hwpx_paragraph("나"), 0, 1), 1, 2
    )
    return {
        "규정.docx": lambda: seeds.sample("취업규칙.docx"),
        "한도.xlsx": lambda: seeds.sample("거래한도표.xlsx"),
        "정책.pdf": lambda: seeds.sample("정보보호_정책.pdf"),
        "안건.pptx": seeds.pptx,
        "짧은.hwpx": seeds.hwpx,
        "긴.hwpx": lambda: seeds.hwpx(long),
        "표.hwpx": lambda: seeds.hwpx(seeds.hwpx_section(seeds.hwpx_paragraph("", table) * 20)),
        "짧은.hwp": seeds.hwp,
        "긴.hwp": lambda: seeds.hwp(b"".join(seeds.hwp_paragraph(f"{n}. {seeds.WORDS}") for n in range(300))),
        "평문.hwp": lambda: seeds.hwp(flags=0),
        "책.epub": seeds.epub,
        "글.odt": seeds.odt,
        "편지.eml": lambda: seeds.mail(seeds.docx(), "첨부.docx"),
        "공지.mhtml": seeds.mhtml,
        "안내.md": lambda: seeds.sample("hanbit-gateway-manual.md"),
    }


def truncated() -> Files:
    """Real files cut off."""
    for name, make in real_files().items():
        data = make()
        for cut in _CUTS:
            yield f"{int(cut * 100)}-{name}", data[: max(1, int(len(data) * cut))]


def bit_flipped() -> Files:
    """Real files with some of their bits turned: few anywhere, many in a row, and in the first kilobyte."""
    for name, make in real_files().items():
        data = make()
        chance = random.Random(f"{SEED}-{name}")
        for number in range(_FLIPPED_FILES):
            changed = bytearray(data)
            reach = 1024 if number % 3 == 2 else len(data)
            start = chance.randrange(len(data)) if number % 3 == 1 else 0
            for _ in range(1 + chance.randrange(40)):
                at = min(start + chance.randrange(200 if number % 3 == 1 else reach), len(data) - 1)
                changed[at] ^= 1 << chance.randrange(8)
            yield f"{number}-{name}", bytes(changed)


def wrong_extensions() -> Files:
    """Real files under names of other kinds."""
    extensions = (
        "pdf",
        "docx",
        "hwp",
        "hwpx",
        "xlsx",
        "txt",
        "html",
        "png",
        "zip",
        "eml",
        "json",
        "adoc",
        "rst",
        "vtt",
        "epub",
    )
    for number, make in enumerate(real_files().values()):
        yield f"{number}.{extensions[number]}", make()


def odd_names() -> Files:
    """Harmless contents under names made to mislead, to break out, or to break something."""
    text = f"{seeds.WORDS}\n".encode()
    names = [
        "규정\u202efdp.txt", "비\u200b밀\u200b.md", "\u2066a\u2069.csv", "a\0b.txt", "줄\n바꿈.txt", "../../../etc/passwd",
        f"../{containers.TRAVERSAL}-9.txt", "/etc/shadow", "..\\..\\boot.ini", "CON", "aux.txt", "a" * 300 + ".txt", "가" * 700,
        ".htaccess", "a;rm -rf ~.txt", "$(id).md", "<script>alert(1)</script>.txt", "'; DROP TABLE documents;--.txt",
        "\ud7ff\uffff.txt", "\u3164\u115f.txt", "e\u0301" * 50 + ".txt", "%2e%2e%2fa.txt", "a.txt.", " .txt", "...",
        "😀" * 100 + ".hwp", "규정\u202exwph.hwpx", "..\u2215..\u2215a.hwpx",
    ]  # fmt: skip
    for name in names:
        yield name, seeds.hwpx() if name.endswith(".hwpx") else text + name.encode(errors="replace")


FAMILIES: dict[str, Callable[[], Files]] = {
    "zip_bombs": containers.zip_bombs,
    "hwp_bombs": containers.hwp_bombs,
    "stream_bombs": containers.stream_bombs,
    "pixel_bombs": containers.pixel_bombs,
    "ole_loops": containers.ole_loops,
    "nested_archives": containers.nested_archives,
    "traversal_names": containers.traversal_names,
    "polyglots": containers.polyglots,
    "xml_bombs": contents.xml_bombs,
    "xxe": contents.xxe,
    "external_links": contents.external_links,
    "macros": contents.macros,
    "pdf_loops": contents.pdf_loops,
    "deep_nesting": contents.deep_nesting,
    "huge_dimensions": contents.huge_dimensions,
    "formulas": contents.formulas,
    "huge_lines": contents.huge_lines,
    "endless_patterns": contents.endless_patterns,
    "odd_encodings": contents.odd_encodings,
    "hwp_records": contents.hwp_records,
    "truncated": truncated,
    "bit_flipped": bit_flipped,
    "wrong_extensions": wrong_extensions,
    "odd_names": odd_names,
}
"""Name to generator; each gives (name, content)."""


def corpus() -> Iterator[HostileFile]:
    """All files, one at a time: together they take more memory than a machine should give to a test."""
    for family, files in FAMILIES.items():
        for name, data in files():
            yield HostileFile(family, name, data)


def write(folder: Path, every: int = 1) -> int:
    """Write every `every`-th file and the index; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (folder / "index.jsonl").open("w", encoding="utf-8") as index:
        for number, item in enumerate(corpus()):
            if number % every:
                continue
            (folder / f"{number:04}").write_bytes(item.data)
            entry = {"file": f"{number:04}", "name": item.name, "family": item.family}
            index.write(json.dumps(entry) + "\n")
            count += 1
    return count


if __name__ == "__main__":
    sys.stdout.write(f"{write(Path(sys.argv[1]), int((sys.argv[2:] or ['1'])[0]))} files\n")
