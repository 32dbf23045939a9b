"""Secrets: only from files, only from private ones, and in nothing that is shown."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from api.settings import load_settings
from ingest.settings import IngestSettings
from rag.bootstrap import open_database
from rag.domain.errors import ConfigurationError
from rag.domain.messages import localized
from rag.settings import RagSettings, StoreSettings
from rag.transport.secret_files import read_secret, with_password

ENGLISH = re.compile(r"\b(is|the|a|expected|holds|must|others|no such)\b")
SECRET = "hunter2-비밀/@:?#"


def secret_file(folder: Path, content: str = SECRET, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_text(content, encoding="utf-8")
    file.chmod(mode)
    return file


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_private_file_gives_its_secret(tmp_path: Path, mode: int) -> None:
    assert read_secret(secret_file(tmp_path, f"  {SECRET}\n", mode)) == SECRET


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o660, 0o666, 0o777])
def test_a_file_that_others_can_read_or_change_is_refused_and_it_says_how_to_mend_it(tmp_path: Path, mode: int) -> None:
    file = secret_file(tmp_path, mode=mode)
    with pytest.raises(ConfigurationError) as refused:
        read_secret(file)
    assert f"chmod 600 {file}" in str(refused.value)
    assert SECRET not in str(refused.value)
    file.chmod(0o600)
    assert read_secret(file) == SECRET


def test_what_is_no_secret_is_refused(tmp_path: Path) -> None:
    for content in ("", " \n", "x" * 20_000):
        with pytest.raises(ConfigurationError):
            read_secret(secret_file(tmp_path, content))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    for path in (tmp_path, tmp_path / "none", tmp_path / "binary"):
        with pytest.raises(ConfigurationError):
            read_secret(path)


def test_what_is_wrong_with_a_secret_is_said_in_korean_too(tmp_path: Path) -> None:
    public, empty = secret_file(tmp_path, mode=0o644), tmp_path / "empty"
    empty.touch(0o600)
    for path, said in (
        (public, f"chmod 600 {public}"),
        (empty, "비밀값이 텍스트로 들어 있어야"),
        (tmp_path, "일반 파일이어야"),
        (tmp_path / "none", "열 수 없습니다"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            read_secret(path)
        korean = localized(refused.value, "ko")
        assert said in korean and not ENGLISH.search(korean), korean
    with pytest.raises(ConfigurationError) as refused:
        with_password("postgresql://db/seogo", public)
    assert "사용자 이름이 있고" in localized(refused.value, "ko")


def test_a_link_to_a_public_file_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret_file(tmp_path, mode=0o644))
    with pytest.raises(ConfigurationError, match="chmod"):
        read_secret(link)


def test_a_password_comes_into_the_address_at_the_connection(tmp_path: Path) -> None:
    address = "postgresql+psycopg://seogo@db:5432/seogo?sslmode=require"
    made = make_url(with_password(address, secret_file(tmp_path)))
    assert (made.username, made.password, made.host, made.query["sslmode"]) == ("seogo", SECRET, "db", "require")
    assert with_password(address, None) == address
    for wrong in ("postgresql://db/seogo", "postgresql://seogo:x@db/seogo"):
        with pytest.raises(ConfigurationError) as refused:
            with_password(wrong, secret_file(tmp_path))
        assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://seogo:hunter2@db/seogo",
        "postgresql://db/seogo?user=seogo&password=hunter2",
        "postgresql://:hunter2@db/x",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for make in (lambda: StoreSettings(url=address), lambda: IngestSettings(queue_database_url=address)):
        with pytest.raises(ValidationError):
            make()
    config = tmp_path / "seogo.yaml"
    config.write_text(f"rag:\n  store:\n    url: {address}\n")
    with pytest.raises(ConfigurationError) as in_file:
        load_settings(config)
    monkeypatch.setenv("SEOGO_RAG__STORE__URL", address)
    with pytest.raises(ConfigurationError) as in_environment:
        load_settings(None)
    for refused in (in_file, in_environment):
        assert "password_file" in str(refused.value)
        assert "hunter2" not in str(refused.value)


def test_settings_and_the_store_show_no_secret(tmp_path: Path) -> None:
    settings = RagSettings(
        data_dir=tmp_path,
        store=StoreSettings(url="postgresql+psycopg://seogo@127.0.0.1:1/seogo", password_file=secret_file(tmp_path)),
    )
    database = open_database(settings)
    try:
        shown = f"{settings!r} {settings.model_dump_json()} {settings.store_url()} {database.url!r} {database.engine!r}"
        shown += str(database.url)
        assert database.url.password == SECRET
        assert SECRET not in shown
        assert "hunter2" not in shown
    finally:
        database.close()


def test_a_process_shows_no_secret_to_others(tmp_path: Path) -> None:
    """What `ps` and `/proc` show of a process whose secrets come from files, and what it logs when its database is away."""
    config = tmp_path / "seogo.yaml"
    file = secret_file(tmp_path, "hunter2")
    config.write_text(
        f"rag:\n  data_dir: {tmp_path / 'data'}\n  store:\n    url: postgresql+psycopg://seogo@127.0.0.1:1/seogo\n"
        f"    password_file: {file}\n"
    )
    command = [sys.executable, "-m", "api.cli.main", "--config", str(config), "db", "current"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[3])
    seen = b""
    while process.poll() is None:
        for name in ("cmdline", "environ"):
            try:
                seen += Path(f"/proc/{process.pid}/{name}").read_bytes()
            except OSError:
                break
        time.sleep(0.05)
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    assert process.returncode != 0
    assert b"current" in seen
    assert b"hunter2" not in seen + said
    assert b"Traceback" not in said
