from __future__ import annotations

import base64
import io
import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from uvicorn.logging import AccessFormatter, DefaultFormatter

from rag.access.personal_data import logs

NUMBER, SHOWN = "900101-1234567", "900101-1******"


@pytest.fixture
def masking() -> Iterator[None]:
    """Installed, and everything as it was afterwards."""
    before = logging.getLogRecordFactory(), sys.excepthook, threading.excepthook
    logs.install()
    logs.install()
    yield
    logging.setLogRecordFactory(before[0])
    sys.excepthook, threading.excepthook = before[1], before[2]


def written(logger_name: str, formatter: logging.Formatter, *calls: tuple[object, ...], **extra: object) -> str:
    """What a handler writes of real calls of a logger."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger(logger_name)
    logger.addHandler(handler)
    logger.propagate, level = False, logger.level
    logger.setLevel(logging.INFO)
    try:
        for message, *arguments in calls:
            logger.info(message, *arguments, **extra)  # type: ignore[arg-type]
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
        logger.setLevel(level)
    return stream.getvalue()


@pytest.mark.usefixtures("masking")
def test_messages_arguments_and_objects_hold_no_identifiers() -> None:
    class Customer:
        def __str__(self) -> str:
            return f"김민수({NUMBER})"

    text = written(
        "seogo.test",
        logging.Formatter("%(message)s"),
        (f"고객 {NUMBER} 조회",),
        ("고객 %s 조회", NUMBER),
        ("고객 %(number)s 조회", {"number": NUMBER}),
        ("고객 %s", Customer()),
        ("주민번호 %s-%s", "900101", "1234567"),
        ("key %s, mail %s", "sgk_0123456789ab_" + "x" * 43, "hong@bank.co.kr"),
        ("%d of %d, 100%% done", 3, 4),
    )
    lines = text.splitlines()
    assert lines[:3] == [f"고객 {SHOWN} 조회"] * 3
    assert lines[3:5] == [f"고객 김민수({SHOWN})", f"주민번호 {SHOWN}"]
    assert "x" * 10 not in lines[5] and "hong@" not in lines[5]
    assert lines[6] == "3 of 4, 100% done"


@pytest.mark.usefixtures("masking")
def test_tracebacks_hold_no_identifiers() -> None:
    try:
        try:
            raise ValueError(f"no such customer: {NUMBER}")
        except ValueError as error:
            raise RuntimeError("contact 010-2345-6789") from error
    except RuntimeError:
        text = written("seogo.test", logging.Formatter("%(message)s"), ("failed",), exc_info=True, stack_info=True)
    assert "Traceback" in text and "RuntimeError" in text and "Stack (most recent call last)" in text
    assert SHOWN in text and "010-****-6789" in text
    assert "1234567" not in text and "2345-6789" not in text


@pytest.mark.usefixtures("masking")
@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (f"/api/v1/documents?filter={NUMBER}", NUMBER),
        ("/api/v1/documents?q=%EA%B3%A0%EA%B0%9D&rrn=9001011234567", "1234567"),
        ("/api/v1/documents?mail=hong%40bank.co.kr", "hong%40"),
        ("/api/v1/documents?phone=010%2D2345%2D6789", "2345"),
        ("/api/v1/documents?phone=%2B82%2010-2345-6789", "2345"),
    ],
)
def test_the_access_log_of_uvicorn_holds_no_identifiers(path: str, gone: str) -> None:
    """uvicorn formats its access log from the arguments, which stay five."""
    arguments = ("127.0.0.1:51234", "GET", path, "1.1", 200)
    formatter = AccessFormatter('%(client_addr)s - "%(request_line)s" %(status_code)s', use_colors=False)
    text = written("uvicorn.access", formatter, ('%s - "%s %s HTTP/%s" %d', *arguments))
    assert text.startswith('127.0.0.1:51234 - "GET /api/v1/documents?') and "200" in text
    assert gone not in text and "*" in text
    assert gone not in written("uvicorn.error", DefaultFormatter("%(message)s"), ("%s", path))


WRITINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "address": quote,
    "form": quote_plus,
    "address in an address": lambda text: quote(quote(text)),
    "JSON": json.dumps,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
}


@pytest.mark.usefixtures("masking")
@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("900101-1234567", "1234567"),
        ("홍길동900101-1234567", "1234567"),  # `%99900101` has no digit of the name before the number
        ("홍길동 010-2345-6789", "2345"),
        ("９００１０１－１２３４５６７", "１２３４５６"),
        ("900101\u200b-1234567", "1234567"),
        ("9\u200d00101-1234567", "1234567"),
        ("900101\u20131234567", "1234567"),
        ("카드 4539 1488 0343 6467", "1488 0343"),
        ("홍hong@bank.co.kr", "ong@"),
        ("hong\u200b@bank.co.kr", "ong"),
        ("사번20231234", "0231234"),
        ("여권M12345678", "12345678"),
        ("%900101\u20131234567", "1234567"),  # a sign that escapes nothing beside one that is escaped
        ("5%홍 010\u20132345\u20136789", "2345"),
    ],
    ids=["number", "name before", "phone", "wide", "split", "split inside", "dash", "card", "mail", "mail split",
         "employee", "passport", "per cent", "per cent before a name"],
)  # fmt: skip
def test_no_way_of_writing_it_tells_an_identifier(text: str, gone: str, writing: str) -> None:
    written_so = WRITINGS[writing](text)
    line = written("seogo.test", logging.Formatter("%(message)s"), ("GET %s 404", f"/api/v1/files?name={written_so}"))
    assert "*" in line and line.endswith(" 404\n")
    for shown in (line, _read_back(line)):
        assert gone not in shown and gone not in shown.replace("\u200b", "").replace("\u200d", "")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("LIKE '%900101-1234567%'", "LIKE '%900101-1******%'"),
        ("5%900101-1234567", "5%900101-1******"),
        ("%010-2345-6789", "%010-****-6789"),
        ("ef%fe@bank.co.kr", "e*%**@bank.co.kr"),
        ("GET /api/v1/documents?title=%25900101-1234567%25", "GET /api/v1/documents?title=%25900101-1******%25"),
        ("title=%2525900101-1234567", "title=%2525900101-1******"),
        ("C:\\x90\\900101-1234567", "C:\\x90\\900101-1******"),
        ("name=%010+2345+6789", "name=%010+****+6789"),
        ("rrn=900101%252D1234567", "rrn=900101%2**********"),
        ("홍길동%EA%B8%B8900101-1234567", "홍길동%EA%B8%B8900101-1******"),
        ("100%2C 010-2345-6789", "100%2C 010-****-6789"),
    ],
)
def test_a_sign_that_escapes_nothing_hides_nothing_of_a_number(line: str, shown: str) -> None:
    assert logs.loggable(line) == shown


FLOODS = {
    "escapes": "/" + "%41" * 20_000,
    "one escape": "/" + "a" * 59_000 + "%41",
    "digits": "/" + "1234%20" * 8_000,
    "escapes of escapes": "/" + "%25252541" * 6_000,
}


@pytest.mark.usefixtures("masking")
@pytest.mark.parametrize("flood", FLOODS)
def test_an_address_that_nobody_needs_whole_is_read_and_shown_in_part(flood: str) -> None:
    arguments = ('%s - "%s %s HTTP/%s" %d', "127.0.0.1:51234", "GET")
    formatter = AccessFormatter("%(request_line)s", use_colors=False)
    began = time.process_time()
    text = written("uvicorn.access", formatter, (*arguments, FLOODS[flood], "1.1", 200))
    assert text.endswith("… HTTP/1.1\n") and len(text) < 4_050
    assert time.process_time() - began < 0.2  # .02 to .06 s


@pytest.mark.usefixtures("masking")
@pytest.mark.parametrize("before", [3_986, 3_990, 3_995, 3_999])
def test_no_half_of_a_number_is_left_at_the_end_of_what_is_shown(before: int) -> None:
    formatter = AccessFormatter("%(request_line)s", use_colors=False)
    path = "/" + "a" * (before - 2) + " " + NUMBER + " " + "b" * 5_000
    text = written("uvicorn.access", formatter, ('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", path, "1.1", 200))
    assert (SHOWN[: 4_000 - before] + "…") in text


def test_messages_and_tracebacks_are_told_whole() -> None:
    assert logs.loggable("a" * 9_000) == "a" * 9_000
    assert logs.loggable_start("word " * 1_800) == "word " * 800 + "…"


def _long_token() -> str:
    """A token as identity providers make them for a member of many groups."""
    claims = {"name": "홍길동", "rrn": NUMBER, "groups": [f"g{number}" for number in range(600)]}
    parts = (json.dumps({"alg": "HS256"}), json.dumps(claims), "x" * 32)
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


@pytest.mark.usefixtures("masking")
@pytest.mark.parametrize("before", [0, 500, 3_960])
@pytest.mark.parametrize("escaped", [False, True])
def test_nothing_is_shown_of_a_token_that_goes_on_beyond_what_is_read(before: int, escaped: bool) -> None:
    token = _long_token()
    assert len(token) > 5_000
    path = "/x?q=1&" + "ab+%20&" * (before // 7) + "t=" + (token.replace(".", "%2E") if escaped else token)
    formatter = AccessFormatter("%(request_line)s", use_colors=False)
    text = written("uvicorn.access", formatter, ('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", path, "1.1", 200))
    assert text == "GET /x?q=1&" + "ab+%20&" * (before // 7) + "… HTTP/1.1\n"


def test_of_an_agent_what_stands_before_such_a_token_is_shown() -> None:
    agent, token = "portal/2.1 (batch) ", _long_token()
    assert logs.loggable_start(agent + token) == agent + "…"
    assert logs.loggable_start(agent + "word " * 790 + token) == agent + "word " * 790 + "…"


def _read_back(line: str) -> str:
    text = unquote_plus(unquote_plus(line))
    text = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(
        r"(?:\\x[0-9a-f]{2})+", lambda found: bytes.fromhex(found[0].replace("\\x", "")).decode(errors="replace"), text
    )


@pytest.mark.usefixtures("masking")
def test_what_nobody_caught_holds_no_identifiers(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError(f"customer {NUMBER}")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    printed = capsys.readouterr().err
    assert printed.count(SHOWN) == 2 and NUMBER not in printed


@pytest.mark.usefixtures("masking")
def test_what_cannot_be_looked_through_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __str__(self) -> str:
            raise OSError("no")

    text = written("seogo.test", logging.Formatter("%(message)s"), ("고객 %s", Broken()))
    assert text == "(message withheld: it could not be looked through)\n"


def test_without_it_identifiers_would_be_told() -> None:
    assert NUMBER in written("seogo.test", logging.Formatter("%(message)s"), ("고객 %s", NUMBER))


def test_serving_and_working_install_it() -> None:
    from api.cli import connection, serving

    for module, functions in ((serving, ("serve", "work")), (connection, ("_local_service",))):
        for name in functions:
            function = getattr(module, name)
            code = getattr(function, "__wrapped__", function).__code__
            assert {"logs", "install"} <= {*code.co_names, *code.co_varnames}, name
