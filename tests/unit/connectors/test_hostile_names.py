"""Names from outside: of uploads, archive members, snapshots' addresses, hosts. None is a path or a way out, whatever it is."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.connectors.snapshot import snapshot_key
from ingest.connectors.upload import UploadReceiver
from ingest.parsing.members import member_name
from ingest.pipeline.children import _keys
from ingest.pipeline.records import clean_source_key
from rag.blobs.store import BlobStore
from rag.domain.errors import InvalidRequest, SeogoError
from rag.store import family
from rag.transport.egress import EgressGuard, hosts_of

PIECES = st.sampled_from(
    [
        "../",
        "..",
        ".",
        "/",
        "\\",
        "\x00",
        "%2e%2e",
        "%2f",
        "규정",
        "가",
        "가",
        "\u202e",
        "\u200b",
        "\ufeff",
        "�",
        "\U000e0041",
        "C:",
        "~",
        "con",
        "nul.txt",
        " ",
        "\n",
        "\r\n",
        "'",
        '"',
        ";",
        "$(id)",
        "`",
        "a",
        ".html",
        "?",
        "#",
        "&",
        "\x7f",
        "／",
        "．．",
    ]
)
names = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=60)
long_names = st.builds(lambda head, count, tail: head * count + tail, PIECES, st.integers(1, 1200), names)


def assert_label(name: str) -> None:
    """No root, no way up, no empty part, nothing that does not print, and valid Unicode."""
    parts = name.split("/")
    assert not {"", ".", ".."} & set(parts), name
    assert "\\" not in name and "\x00" not in name
    assert name == unicodedata.normalize("NFC", name)
    name.encode()


@given(names | long_names)
@example("../" * 400 + "etc/passwd")
@example("a/" * 600)
@example("x" * 998 + "/yy")
@example("x" * 999 + "/" + "y" * 999)
def test_a_member_of_an_archive_is_a_label(name: str) -> None:
    shown = member_name(name)
    assert_label(shown)
    assert shown.isprintable() and 1 <= len(shown) <= 1000
    assert member_name(shown) == shown


@given(names, names)
@settings(max_examples=60)
def test_a_file_inside_a_file_stays_below_it(parent: str, name: str) -> None:
    try:
        above = clean_source_key(parent)
    except InvalidRequest:
        above = "묶음.zip"
    for _, key in zip(range(3), _keys(above, member_name(name)), strict=False):
        assert key.startswith(f"{above}{family.CHILD_MARK}"[:200])
        assert_label(key)


@given(names)
@settings(max_examples=60)
def test_a_real_archive_with_such_a_name_gives_the_same_label(name: str) -> None:
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(zipfile.ZipInfo(name), b"x")
        with zipfile.ZipFile(io.BytesIO(packed.getvalue())) as archive:
            [found] = archive.namelist()
    except (ValueError, zipfile.BadZipFile):  # half a surrogate pair can't be written
        return
    assert_label(member_name(found))


@given(name=names)
@settings(max_examples=60, deadline=None)
@example(name='규정"; filename="../../x')
@example(name="../../../etc/cron.d/x")
def test_an_upload_keeps_the_name_as_a_label_and_writes_nowhere_else(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("upload", numbered=True)
    blobs = BlobStore((folder / "blobs").as_uri())
    quoted = name.encode("utf-8", "surrogatepass").replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="' + quoted + b'"\r\n\r\n'
    receiver = UploadReceiver(blobs, "multipart/form-data; boundary=b", 1000, clean_source_key)
    try:
        receiver.feed(head + b"text\r\n--b--\r\n")
        received = receiver.finish()
    except SeogoError:
        received = []
    for item in received:
        if item.error is None:
            assert_label(item.name)
    assert {path.name for path in folder.iterdir()} <= {"blobs"}


@given(st.builds("http://{}/{}?{}".format, names, names, names) | names)
@example("http://intra/../../etc/passwd")
@example("http://intra/%2e%2e/%2e%2e/etc")
@example("http://[::1]:80/x")
@example("http://intra:99999/x")
@example("http://user:p@intra/x")
def test_the_address_of_a_snapshot_is_a_label_or_is_refused(url: str) -> None:
    try:
        key = clean_source_key(snapshot_key(url))
    except InvalidRequest:
        return
    assert_label(key)
    assert "@" not in key.split("/")[0] or "@" not in url.split("/")[2]


HOSTS = st.from_regex(r"[a-z0-9가-힣.\-:%\[\]@/]{0,30}", fullmatch=True)


@given(HOSTS | names)
@example("engine.bank.example.")
@example("engine.bank.example@evil.example")
@example("127.0.0.1.evil.example")
@example("0x7f000001")
@example("2130706433")
@example("017700000001")
def test_a_host_is_allowed_only_if_it_is_named_or_loopback(host: str) -> None:
    allowed = EgressGuard(["engine.bank.example"]).allows(host)
    plain = host.rstrip(".").casefold()
    inside = plain in ("", "localhost", "engine.bank.example") or plain.endswith(".localhost")
    if allowed and not inside:
        from rag.transport.egress import _address

        address = _address(host)
        assert address.is_loopback or address.is_unspecified, host


@given(HOSTS, st.sampled_from(["http", "https", "postgresql+psycopg", "s3"]), names)
def test_every_host_that_a_setting_names_can_be_an_entry(host: str, scheme: str, path: str) -> None:
    """Whatever stands in a URL, the guard starts or says which entry is wrong; it never allows everything."""
    try:
        found = list(hosts_of({"url": f"{scheme}://{host}/{path}"}))
        guard = EgressGuard(found)
    except (SeogoError, ValueError):
        return
    assert not guard.allows("somewhere.else.example") or "somewhere.else.example" in found


def test_no_test_here_left_a_file_behind() -> None:
    assert not Path("etc").exists() and not Path("../etc/cron.d/x").exists()
