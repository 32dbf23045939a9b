from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import docx
import pptx
import pytest

from ingest.parsing import media_types
from ingest.parsing.converter import Converter, _check, find_converter
from ingest.parsing.sandbox import ParseSandbox
from rag.domain.document import ElementKind
from rag.domain.errors import ConverterMissing, FileDamaged, FileEncrypted, ParseLimitExceeded
from tests.unit.parsing.documents import texts
from tests.unit.parsing.test_identify import ole

ROOT = Path(__file__).resolve().parents[2]
needs_libreoffice = pytest.mark.skipif(
    find_converter() is None, reason="LibreOffice is not installed: apt-get install libreoffice-writer-nogui"
)

RTF = (
    r"{\rtf1\ansi{\stylesheet{\s1\outlinelevel0 heading 1;}}\pard\s1\outlinelevel0 \u44552?\u50997? \u44508?\u51221?\par "
    r"\pard\plain \u48376?\u47928? 5,000\par \trowd\cellx2000\cellx4000\intbl A\cell B\cell\row"
    r"\trowd\cellx2000\cellx4000\intbl 1\cell 2\cell\row\pard "
    r'{\field{\*\fldinst INCLUDETEXT "SECRET" }{\fldrslt shown}}\par '
    r'{\field{\*\fldinst INCLUDEPICTURE "http://203.0.113.9/p.png" \\d}{\fldrslt }}\par}'
)


@pytest.fixture(scope="module")
def sandbox():
    with ParseSandbox(converter=find_converter()) as sandbox:
        yield sandbox


@needs_libreoffice
def test_rtf_becomes_a_document_with_structure_and_no_foreign_file(sandbox, tmp_path, monkeypatch):
    places = tmp_path / "temporary"
    places.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(places))
    secret = tmp_path / "secret.txt"
    secret.write_text("KEEP-ME-OUT")
    path = tmp_path / "규정.rtf"
    path.write_text(RTF.replace("SECRET", str(secret)))
    document = sandbox.parse(path, "규정.rtf")
    assert document.media_type == media_types.RTF
    assert document.parser.startswith("legacy/1>docx/")
    assert "converted" in document.warnings
    assert document.elements[0].kind is ElementKind.HEADING
    assert texts(document)[:3] == ["금융 규정", "본문 5,000", "| A | B |\n| --- | --- |\n| 1 | 2 |"]
    assert "KEEP-ME-OUT" not in "".join(texts(document))
    assert not list(places.iterdir())


@pytest.mark.slow
@needs_libreoffice
def test_doc_and_ppt(sandbox, tmp_path):
    document = docx.Document()
    document.add_heading("취업규칙", 1)
    document.add_paragraph("제1조(목적) 이 규칙은 근로조건을 정한다.")
    document.save(tmp_path / "a.docx")
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "분기 실적"
    slide.placeholders[1].text = "매출 증가"
    slide.notes_slide.notes_text_frame.text = "발표자 메모"
    deck.save(tmp_path / "b.pptx")
    for name, extension in (("a.docx", "doc"), ("b.pptx", "ppt")):
        profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
        command = ["soffice", "--headless", profile, "--convert-to", extension, "--outdir", tmp_path, tmp_path / name]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    read = sandbox.parse(tmp_path / "a.doc", "a.doc")
    assert texts(read) == ["취업규칙", "제1조(목적)", "이 규칙은 근로조건을 정한다."]
    assert read.media_type == media_types.DOC
    data = bytearray((tmp_path / "a.doc").read_bytes())
    data[data.index(b"\xec\xa5") + 0x0B] |= 0x01  # fEncrypted in the file information block
    (tmp_path / "c.doc").write_bytes(data)
    with pytest.raises(FileEncrypted):
        sandbox.parse(tmp_path / "c.doc", "c.doc")
    read = sandbox.parse(tmp_path / "b.ppt", "b.ppt")
    assert texts(read) == ["분기 실적", "매출 증가", "발표자 메모"]
    assert (read.media_type, read.pages) == (media_types.PPT, 1)


@needs_libreoffice
def test_what_libreoffice_can_not_read_is_damaged(sandbox, tmp_path):
    path = tmp_path / "a.doc"
    path.write_bytes(ole("WordDocument"))
    with pytest.raises(FileDamaged):
        sandbox.parse(path, "a.doc")


def test_without_libreoffice_the_message_says_so(tmp_path):
    path = tmp_path / "a.doc"
    path.write_bytes(ole("WordDocument"))
    with ParseSandbox() as sandbox, pytest.raises(ConverterMissing) as caught:
        sandbox.parse(path, "규정.doc")
    assert caught.value.params["name"] == "규정.doc"


JAIL = """
import os, socket, sys
from pathlib import Path
from ingest.parsing.office_runner import Run, confine_self
folder, outside = Path(sys.argv[1]), Path(sys.argv[2])
assert confine_self(Run(folder, "/usr/bin/soffice", "", "", 1, 5, 1 << 32, 1 << 20))

def attempt(name, action):
    try:
        action()
    except OSError as error:
        print(name, "refused")
    else:
        print(name, "done")

def connect(family, address):
    with socket.socket(family) as channel:
        channel.connect(address)

def send():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(b"x", str(outside / "socket"))

attempt("read outside", lambda: (outside / "secret").read_text())
attempt("list outside", lambda: os.listdir(outside))
attempt("write outside", lambda: (outside / "new").write_text("x"))
attempt("write to the system", lambda: Path("/usr/seogo-test").write_text("x"))
attempt("environment of another process", lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes())
attempt("command line of another process", lambda: Path(f"/proc/{os.getppid()}/cmdline").read_bytes())
attempt("passwords", lambda: Path("/etc/passwd").read_text())
attempt("internet", lambda: connect(socket.AF_INET, ("127.0.0.1", 9)))
attempt("internet 6", lambda: connect(socket.AF_INET6, ("::1", 9)))
attempt("local service", lambda: connect(socket.AF_UNIX, str(outside / "socket")))
attempt("local datagram", send)
attempt("abstract service", lambda: connect(socket.AF_UNIX, "\\0seogo-test"))
attempt("large file", lambda: (folder / "large").write_bytes(bytes(2 << 20)))
attempt("own folder", lambda: (folder / "new").write_text("x"))
attempt("read the system", lambda: Path("/usr/bin/env").read_bytes())
"""


@needs_libreoffice
def test_the_jail_of_the_converter(tmp_path):
    import signal
    import socket

    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "input").write_bytes(b"x")
    (outside / "secret").write_text("secret")
    with socket.socket(socket.AF_UNIX) as service, socket.socket(socket.AF_UNIX) as abstract:
        service.bind(str(outside / "socket"))
        service.listen()
        abstract.bind("\0seogo-test")
        abstract.listen()
        command = [sys.executable, "-c", JAIL, str(folder), str(outside)]
        ignoring = lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # noqa: E731
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, preexec_fn=ignoring)
    outcomes = dict(line.rsplit(" ", 1) for line in ran.stdout.splitlines())
    assert outcomes.pop("own folder") == outcomes.pop("read the system") == "done"
    assert len(outcomes) == 13, ran.stderr
    assert set(outcomes.values()) == {"refused"}, outcomes


RUNAWAY = """
import os, sys, time
from pathlib import Path
from ingest.parsing import office_runner
from ingest.parsing.office_runner import Run, convert
office_runner.command = lambda run: ["/bin/sh", "-c", sys.argv[2]]
status = convert(Run(Path(sys.argv[1]), "", "", "", 1.5, 5, 1 << 32, 1 << 20))
print(status, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
"""


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("setsid sleep 300 & (setsid sleep 300 &) ; sleep 300", 3),
        ("(setsid sleep 300 &) ; exit 0", 0),
        ("while true; do head -c 500000 /dev/zero > out/$(date +%N); done", 4),
    ],
)
def test_nothing_that_was_started_survives(tmp_path, script, status):
    (tmp_path / "input").write_bytes(b"x")
    command = [sys.executable, "-c", RUNAWAY, str(tmp_path), script]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert ran.stdout.strip() == f"{status} []", ran.stderr


TERMINATED = """
import sys
from pathlib import Path
from ingest.parsing import office_runner
office_runner.command = lambda run: ["/bin/sh", "-c", "echo started > out/started; setsid sleep 317"]
sys.exit(office_runner.main([sys.argv[1], "/usr/bin/soffice", "", "", "60", "5", str(1 << 32), str(1 << 20)]))
"""


@needs_libreoffice
def test_the_end_of_the_service_is_the_end_of_what_it_started(tmp_path):
    (tmp_path / "input").write_bytes(b"x")
    runner = subprocess.Popen([sys.executable, "-c", TERMINATED, str(tmp_path)], cwd=ROOT)
    deadline = time.monotonic() + 30
    while not (tmp_path / "out" / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    runner.terminate()
    assert runner.wait(10) == 3
    assert not [line for line in _command_lines() if "sleep\x00317" in line]


def _command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace"))
    return found


def test_only_a_plain_file_of_a_fair_size_is_accepted(tmp_path):
    (tmp_path / "secret").write_text("secret")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "secret")
    with pytest.raises(FileDamaged):
        _check(link, 100, "a.doc")
    with pytest.raises(FileDamaged):
        _check(tmp_path / "missing", 100, "a.doc")
    with pytest.raises(FileDamaged):
        _check(tmp_path, 100_000, "a.doc")
    with pytest.raises(ParseLimitExceeded):
        _check(tmp_path / "secret", 3, "a.doc")
    _check(tmp_path / "secret", 100, "a.doc")


@needs_libreoffice
def test_a_conversion_ends_in_time(tmp_path):
    path = tmp_path / "a.rtf"
    path.write_text(RTF)
    hasty = Converter(find_converter().program, wall_s=0.3)
    with ParseSandbox(converter=hasty) as sandbox, pytest.raises(ParseLimitExceeded) as caught:
        sandbox.parse(path, "a.rtf")
    assert caught.value.params == {"name": "a.rtf", "resource": "time"}
