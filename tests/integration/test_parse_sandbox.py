from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.parsing.read_so_far import ReadSoFar
from ingest.parsing.sandbox import ParseLimits, ParseSandbox
from rag.domain.errors import (
    ConfigurationError,
    EmptyFile,
    FileDamaged,
    FileEncrypted,
    NoTextFound,
    ParseLimitExceeded,
    ParserCrashed,
    TooMuchText,
    UnsupportedFormat,
)
from tests.unit.parsing.documents import PdfPage, pdf_bytes, texts, zip_bytes

HOSTILE = "tests.unit.parsing.hostile_parsers"
LIMITS = ParseLimits(memory_bytes=512 << 20, cpu_s=1, wall_s=60, output_bytes=8 << 20)


@pytest.fixture(scope="module")
def hostile():
    with ParseSandbox(LIMITS, concurrency=4, registry=HOSTILE) as sandbox:
        sandbox.warm_up("hostile")
        yield sandbox


@pytest.fixture(scope="module")
def patient():
    with ParseSandbox(replace(LIMITS, cpu_s=60), concurrency=4, registry=HOSTILE) as sandbox:
        sandbox.warm_up("hostile")
        yield sandbox


@pytest.fixture(scope="module")
def impatient():
    with ParseSandbox(ParseLimits(wall_s=1), concurrency=4, registry=HOSTILE) as sandbox:
        sandbox.warm_up("hostile")
        yield sandbox


@pytest.fixture(scope="module")
def sandbox():
    with ParseSandbox(concurrency=4) as sandbox:
        yield sandbox


@pytest.fixture
def input_file(tmp_path: Path) -> Path:
    path = tmp_path / "input"
    path.write_text("content")
    return path


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition, timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_confinement_holds_here(sandbox):
    capabilities = sandbox.capabilities()
    assert capabilities["network_namespace"] or capabilities["seccomp"], capabilities


def test_parses(hostile, input_file):
    assert texts(hostile.parse(input_file, "read.txt")) == ["content"]


@pytest.mark.parametrize("name", ["allocate", "allocate_slowly"])
def test_limit_of_memory(patient, input_file, name):
    """With CPU time to spare: to fill memory page by page takes the better part of a second of it on a busy machine."""
    with pytest.raises(ParseLimitExceeded) as caught:
        patient.parse(input_file, f"{name}.txt")
    assert caught.value.params == {"name": f"{name}.txt", "resource": "memory"}


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("spin", "CPU time"),
        ("spin_handled", "CPU time"),
        ("answer_much", "text"),
        ("entitle_much", "output"),
    ],
)
def test_limits(hostile, input_file, name, resource):
    with pytest.raises(ParseLimitExceeded) as caught:
        hostile.parse(input_file, f"{name}.txt")
    numbers = {"found": "104.9", "most": "24.0"} if resource == "text" else {}
    assert caught.value.params == {"name": f"{name}.txt", "resource": resource} | numbers


@pytest.mark.parametrize("name", ["segfault", "abort", "exit", "lie", "forbidden", "bug"])
def test_death_and_nonsense(hostile, input_file, name, caplog):
    caplog.set_level(logging.CRITICAL)
    with pytest.raises(ParserCrashed) as caught:
        hostile.parse(input_file, f"{name}.txt")
    assert caught.value.params == {"name": f"{name}.txt"}
    assert texts(hostile.parse(input_file, "read.txt")) == ["content"]


def test_the_log_has_the_traceback_of_a_bug(hostile, input_file, caplog):
    with pytest.raises(ParserCrashed):
        hostile.parse(input_file, "bug.txt")
    assert "KeyError: 'missing'" in caplog.text


def test_printing_harms_nobody(hostile, input_file):
    assert texts(hostile.parse(input_file, "print_much.txt")) == ["printed"]


def test_errors_travel_by_code_with_short_parameters(hostile, input_file):
    with pytest.raises(FileDamaged) as caught:
        hostile.parse(input_file, "damaged.txt")
    assert caught.value.params["name"] == "damaged.txt"
    assert len(caught.value.params["detail"]) == 300


def test_no_network(hostile, input_file):
    (refused,) = texts(hostile.parse(input_file, "network.txt"))
    if hostile.capabilities()["seccomp"]:
        assert refused == "AF_INET AF_INET6 AF_UNIX AF_NETLINK"


def test_network_namespace_is_another(hostile):
    if not hostile.capabilities()["network_namespace"]:
        pytest.skip("the kernel does not let this user make a network namespace")
    pid = hostile._zygote().pid
    assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    interfaces = [line.split(":")[0].strip() for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]]
    assert [name for name in interfaces if name != "lo"] in ([], interfaces[1:])
    assert not [line for line in Path(f"/proc/{pid}/net/route").read_text().splitlines()[1:] if line.strip()]


def test_no_other_processes(hostile, input_file):
    if not hostile.capabilities()["seccomp"]:
        pytest.skip("no seccomp")
    assert texts(hostile.parse(input_file, "fork.txt")) == ["refused refused refused"]


def test_no_other_files(hostile, input_file):
    if not hostile.capabilities()["landlock"]:
        pytest.skip("no landlock")
    # Three standard descriptors, the input, the result pipe, and the one that lists them.
    assert texts(hostile.parse(input_file, "files.txt")) == ["reached [] read 'content' fds 6"]


def test_no_secrets_of_the_service(hostile, input_file):
    (names,) = texts(hostile.parse(input_file, "environment.txt"))
    assert set(names.strip("[]").replace("'", "").split(", ")) <= {
        "DO_NOT_TRACK", "HF_HUB_OFFLINE", "LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "MKL_NUM_THREADS", "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONUTF8", "SCARF_NO_ANALYTICS",
    }  # fmt: skip


def test_file_that_is_already_deleted(hostile, tmp_path):
    """The descriptor is what counts: a blob may be swept away while it is being read."""
    path = tmp_path / "gone"
    path.write_text("still here")
    original = os.fstat

    def delete_then_stat(descriptor: int) -> os.stat_result:
        path.unlink(missing_ok=True)
        return original(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fstat", delete_then_stat)
        assert texts(hostile.parse(path, "read.txt")) == ["still here"]


def test_in_parallel(input_file):
    names = ["read.txt", "segfault.txt", "sleep.txt", "read.txt", "spin.txt", "damaged.txt"] * 3

    def outcome(name: str) -> str:
        try:
            return texts(sandbox.parse(input_file, name))[0]
        except Exception as error:
            return type(error).__name__

    with (
        ParseSandbox(replace(LIMITS, wall_s=10), concurrency=4, registry=HOSTILE) as sandbox,
        ThreadPoolExecutor(8) as pool,
    ):
        outcomes = list(pool.map(outcome, names))
    expected = ["content", "ParserCrashed", "ParseLimitExceeded", "content", "ParseLimitExceeded", "FileDamaged"] * 3
    assert outcomes == expected


def test_a_file_that_somebody_waits_for_does_not_wait_for_others(input_file):
    with (
        ParseSandbox(replace(LIMITS, wall_s=30), concurrency=2, registry=HOSTILE) as sandbox,
        ThreadPoolExecutor(3) as pool,
    ):
        sandbox.warm_up("hostile")
        pid = sandbox._zygote().pid
        others = [pool.submit(sandbox.parse, input_file, "sleep.txt") for _ in range(3)]
        assert wait_for(lambda: len(children_of(pid)) == 2)
        assert texts(sandbox.parse(input_file, "read.txt", urgent=True)) == ["content"]
        assert sandbox.identify(input_file, "read.txt", urgent=True) == "text/plain"
        assert not any(other.done() for other in others)
        sandbox.close()
        # Two die with the zygote, the third finds the sandbox closed.
        assert {type(other.exception()) for other in others} == {ParserCrashed, RuntimeError}


def row(number: int) -> str:
    return f"2024-03-{number % 28 + 1:02},강남지점,110-{number:07},{number * 37},급여이체\n"


@pytest.mark.slow
def test_a_ledger_of_twenty_megabytes_is_read(sandbox, tmp_path):
    path = tmp_path / "ledger"
    path.write_text("date,branch,account,amount,memo\n" + "".join(map(row, range(340_000))), encoding="utf-8")
    assert path.stat().st_size > 17 << 20
    document = sandbox.parse(path, "원장.csv")
    assert sum(element.text.count("110-") for element in document.elements) == 340_000


@pytest.mark.parametrize("name", ["원장.csv", "원장.txt"])
def test_a_file_with_too_much_text_is_refused_with_the_number(sandbox, tmp_path, name):
    path = tmp_path / "ledger"
    line = "110-234-567890,12345,transfer\n"
    path.write_text(line * (60_000_000 // len(line)), encoding="utf-8")
    with pytest.raises(TooMuchText) as caught:
        sandbox.parse(path, name)
    assert float(str(caught.value.params["found"])) == pytest.approx(60, rel=0.1)
    assert float(str(caught.value.params["most"])) > 20


def test_text_that_is_more_than_the_answer_may_have_is_refused_with_the_number(tmp_path):
    """Hangul takes three bytes a letter: the answer is full before the number of letters is reached."""
    path = tmp_path / "law"
    path.write_text("금융기관의 임직원은 이 규정을 지켜야 한다\n" * 40_000, encoding="utf-8")
    with ParseSandbox(ParseLimits(output_bytes=2 << 20)) as sandbox, pytest.raises(TooMuchText) as caught:
        sandbox.parse(path, "규정.txt")
    found, most = (float(str(caught.value.params[name])) for name in ("found", "most"))
    assert found == 1.0 and 0.3 < most < 0.8


def test_pages_are_read_by_as_many_children_as_it_takes(hostile, input_file):
    told = []
    document = hostile.parse(input_file, "pages.txt", told=lambda read: told.append((read.pages, read.total)))
    numbers, children = zip(*(text.split(" of ") for text in texts(document)), strict=True)
    assert (numbers, len(set(children))) == (("1", "2", "3", "4"), 4)
    assert (document.warnings, document.pages, document.next_page) == (("ocr:1-4",), 4, 0)
    assert told == [(1, 4), (2, 4), (3, 4)]


def test_what_a_child_says_for_the_next_one_reaches_it(hostile, input_file):
    document = hostile.parse(input_file, "pages_that_say.txt")
    assert texts(document) == ["", " 쪽 1", " 쪽 1 쪽 2", " 쪽 1 쪽 2 쪽 3"]
    assert document.seam == ""


def test_a_child_that_never_comes_to_the_end_is_left(hostile, input_file):
    assert [text[0] for text in texts(hostile.parse(input_file, "pages_without_end.txt"))] == ["1", "2"]


def test_nobody_has_to_wait_for_the_rest_of_the_pages(hostile, input_file):
    def gone(read: ReadSoFar) -> None:
        raise NoTextFound(name=f"{read.pages} of {read.total}")

    with pytest.raises(NoTextFound) as caught:
        hostile.parse(input_file, "pages_that_wait.txt", told=gone)
    assert caught.value.params["name"] == "1 of 4"


def test_a_child_is_listened_to_while_it_works(hostile, input_file):
    told = []
    assert texts(hostile.parse(input_file, "tell.txt", told=told.append)) == ["told"]
    assert [(read.pages, read.total) for read in told] == [(1, 4)]
    assert (told[0].seconds, told[0].left_s) == (0, 0)  # the first word of its pages tells nothing of their pace
    assert texts(hostile.parse(input_file, "tell.txt")) == ["told"]  # nobody has to


def test_what_can_not_be_is_not_passed_on(hostile, input_file):
    told = []
    assert texts(hostile.parse(input_file, "tell_nonsense.txt", told=told.append)) == ["told"]
    assert told == []


def test_what_a_child_says_counts_as_output(patient, input_file):
    with pytest.raises(ParseLimitExceeded) as caught:
        patient.parse(input_file, "tell_much.txt")
    assert caught.value.params["resource"] == "output"


def test_whoever_listens_can_end_it(hostile, input_file):
    def gone(read: ReadSoFar) -> None:
        raise NoTextFound(name="gone")

    with pytest.raises(NoTextFound):
        hostile.parse(input_file, "tell_and_wait.txt", told=gone)
    assert wait_for(lambda: not children_of(hostile._zygote().pid))


def test_sleeping_child_is_stopped_and_reaped(impatient, input_file):
    with pytest.raises(ParseLimitExceeded) as caught:
        impatient.parse(input_file, "sleep.txt")
    assert caught.value.params["resource"] == "time"
    pid = impatient._zygote().pid
    assert wait_for(lambda: not children_of(pid))


def test_zygote_is_replaced(input_file):
    with ParseSandbox(LIMITS, registry=HOSTILE) as sandbox:
        assert texts(sandbox.parse(input_file, "read.txt")) == ["content"]
        first = sandbox._zygote().pid
        os.kill(first, signal.SIGKILL)
        assert texts(sandbox.parse(input_file, "read.txt")) == ["content"]
        assert sandbox._zygote().pid != first


def test_zygote_that_dies_during_a_parse(input_file):
    with ParseSandbox(LIMITS, registry=HOSTILE) as sandbox:
        sandbox.warm_up("hostile")
        pid = sandbox._zygote().pid
        killer = threading.Thread(target=lambda: wait_for(lambda: children_of(pid)) and os.kill(pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(ParserCrashed):
            sandbox.parse(input_file, "sleep.txt")
        killer.join()
        assert texts(sandbox.parse(input_file, "read.txt")) == ["content"]


def test_zygote_that_hangs_is_replaced(input_file):
    with ParseSandbox(ParseLimits(wall_s=1), registry=HOSTILE) as sandbox:
        sandbox.warm_up("hostile")
        pid = sandbox._zygote().pid
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ParseLimitExceeded):
            sandbox.parse(input_file, "read.txt")
        assert texts(sandbox.parse(input_file, "read.txt")) == ["content"]
        assert sandbox._zygote().pid != pid


def test_close_leaves_nothing_behind(input_file):
    sandbox = ParseSandbox(LIMITS, registry=HOSTILE)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    sandbox.warm_up("hostile")
    pid = sandbox._zygote().pid

    def parse() -> None:
        with pytest.raises(ParserCrashed):
            sandbox.parse(input_file, "sleep.txt")

    thread = threading.Thread(target=parse)
    thread.start()
    assert wait_for(lambda: children_of(pid))
    (child,) = children_of(pid)
    sandbox.close()
    thread.join()
    assert not Path(f"/proc/{pid}").exists()
    assert wait_for(lambda: not Path(f"/proc/{child}").exists())
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    with pytest.raises(RuntimeError):
        sandbox.parse(input_file, "read.txt")


SERVICE = """
import sys, threading
from pathlib import Path
from ingest.parsing.read_so_far import ReadSoFar
from ingest.parsing.sandbox import ParseSandbox
sandbox = ParseSandbox(registry=sys.argv[2])
sandbox.warm_up("hostile")
print(sandbox._zygote().pid, flush=True)
sandbox.parse(Path(sys.argv[1]), "sleep.txt")
"""


def test_service_that_is_killed_leaves_no_processes(input_file):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SERVICE, str(input_file), HOSTILE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as service:
        assert service.stdout is not None
        zygote = int(service.stdout.readline())
        assert wait_for(lambda: children_of(zygote))
        (child,) = children_of(zygote)
        service.kill()
    assert wait_for(lambda: not Path(f"/proc/{child}").exists())
    assert wait_for(lambda: not is_running(zygote))


def is_running(pid: int) -> bool:
    """Not a zombie: whoever adopts it may take a while to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_registry_that_cannot_be_imported(input_file):
    with ParseSandbox(registry="ingest.parsing.no_such_module") as sandbox, pytest.raises(ConfigurationError):
        sandbox.parse(input_file, "a.txt")


@pytest.mark.slow
def test_500_parses_leak_nothing(hostile, input_file):
    for _ in range(20):
        hostile.parse(input_file, "read.txt")
    pid = hostile._zygote().pid

    def held() -> tuple[int, int]:
        gc.collect()  # what tests before this one left open goes now, or while it runs
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path(f"/proc/{pid}/fd").iterdir()))

    before, rss_kb = held(), hostile.zygote_rss_kb()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: hostile.parse(input_file, "read.txt"), range(500)))
    ours, its = held()
    assert (ours <= before[0], its) == (True, before[1])
    assert hostile.zygote_rss_kb() - rss_kb < 1024
    assert children_of(pid) == []


def bad_files() -> dict[str, tuple[bytes, type[Exception]]]:
    import io

    import docx
    import pypdf

    out = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("본문")
    document.save(out)
    good_docx = out.getvalue()
    encrypted = io.BytesIO()
    writer = pypdf.PdfWriter(io.BytesIO(pdf_bytes([PdfPage().text(50, 50, "secret")])))
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(encrypted)
    return {
        "empty.pdf": (b"", EmptyFile),
        "no_pages.pdf": (pdf_bytes([]), NoTextFound | FileDamaged),
        "scan.pdf": (pdf_bytes([PdfPage()]), NoTextFound),
        "encrypted.pdf": (encrypted.getvalue(), FileEncrypted),
        "truncated.docx": (good_docx[: len(good_docx) // 2], FileDamaged),
        "noise.docx": (bytes((i * 197 + i // 7) % 256 for i in range(5000)), UnsupportedFormat),
        "bomb.docx": (zip_bytes({"word/document.xml": bytes(300 << 20)}), ParseLimitExceeded),
        "picture.docx": (b"GIF89a" + bytes(100), UnsupportedFormat),
        "truncated.png": (b"\x89PNG\r\n\x1a\n" + bytes(100), FileDamaged),
        "blank.txt": (b"  \n \n", NoTextFound),
    }


@pytest.mark.parametrize("name", sorted(bad_files()))
def test_bad_files(sandbox, tmp_path, name):
    data, error = bad_files()[name]
    path = tmp_path / "blob"
    path.write_bytes(data)
    with pytest.raises(getattr(error, "__args__", error)) as caught:
        sandbox.parse(path, name)
    assert caught.value.params["name"] == name


def test_wrong_extension_is_parsed_as_what_it_is(sandbox, tmp_path):
    path = tmp_path / "blob"
    path.write_bytes(pdf_bytes([PdfPage().text(50, 50, "A PDF all the same")]))
    document = sandbox.parse(path, "규정.docx")
    assert document.media_type == "application/pdf"
    assert texts(document) == ["A PDF all the same"]


def test_xml_bomb(sandbox, tmp_path):
    """Entities that multiply, and XML that needs far more memory than its file."""
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE d [{entities}]><w:document xmlns:w="w"><w:body>&a9;</w:body></w:document>'
    path = tmp_path / "blob"
    path.write_bytes(zip_bytes({"word/document.xml": bomb.encode()}))
    with pytest.raises((FileDamaged, NoTextFound, ParseLimitExceeded)):
        sandbox.parse(path, "a.docx")


def test_every_sample_parses(sandbox):
    folder = Path(__file__).parents[2] / "ingest" / "samples"
    samples = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    if not samples:
        pytest.skip("no samples here")
    for path in samples:
        if path.stat().st_size:
            assert sandbox.parse(path, path.name).elements, path


def test_overhead_is_small(sandbox, tmp_path):
    """Measured 18 ms on two cores at 2.5 GHz; the bound leaves room for a loaded machine."""
    path = tmp_path / "a.txt"
    path.write_text("짧은 글")
    times = []
    for _ in range(20):
        begin = time.monotonic()
        sandbox.parse(path, "a.txt")
        times.append(time.monotonic() - begin)
    assert sorted(times)[10] < 0.2
