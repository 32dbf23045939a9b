"""What a service that runs writes for its operator, searched for identifiers after everything in which they could get there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.test_cli import seogo
from tests.support.engine_server import EngineServer, engine_server, refusing, unused_port

NUMBER, CARD, PHONE, MAIL = "900101-1234568", "4539-1488-0343-6467", "010-2345-6789", "minsu.kim@bank.example"
SECRET = "ghp_0123456789abcdefABCDEF0123456789abcd"
OTHER = "880808-2345671"
"""What a model says that nobody asked it; what repeats the request is withheld as a whole."""
RAW = (
    NUMBER,
    OTHER,
    CARD,
    PHONE,
    MAIL,
    SECRET,
    NUMBER.replace("-", ""),
    CARD.replace("-", ""),
    "minsu.kim%40bank.example",
)
QUESTION = f"고객 {NUMBER}, 카드 {CARD}, 전화 {PHONE}, 메일 {MAIL}의 상담 내용은 무엇인가?"
TEXT = f"# 상담\n\n고객 {NUMBER}의 카드 {CARD}, 전화 {PHONE}, 메일 {MAIL}, 토큰 {SECRET}의 상담 내용은 한도 조정이다.\n"


@contextmanager
def serving(config: Path, log: Path, address: str) -> Iterator[None]:
    """`seogo serve`, ready, all that it writes in one file."""
    command = [sys.executable, "-m", "api.cli.main", "--config", str(config), "serve"]
    command += ["--port", address.rpartition(":")[2]]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "SEOGO_LANG": "en"})
        try:
            _until(lambda: _live(address), process)
            yield
        finally:
            process.terminate()
            process.wait(60)


def _live(address: str) -> bool:
    try:
        return httpx.get(f"{address}/api/v1/health/live", trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _until(true: Any, process: subprocess.Popen[bytes] | None = None) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end and (process is None or process.poll() is None)
        time.sleep(0.1)


def configured(folder: Path, engine: EngineServer) -> Path:
    """Settings with a model that refuses all that it is asked."""
    model = {"name": "house", "urls": [f"{engine.url}/v1"], "context_tokens": 8192}
    rag = {
        "data_dir": str(folder / "data"),
        "embedding": {"dense": "none"},
        "generation": {"models": [model]},
    }
    config = folder / "seogo.yaml"
    config.write_text(yaml.safe_dump({"rag": rag}, allow_unicode=True))
    return config


def lived_through(caller: httpx.Client, folder: Path) -> None:
    """Ingestion, a file that fails, questions, refusals, an unexpected error: with identifiers wherever one can stand."""
    assert caller.post("/api/v1/collections", json={"name": "상담"}).status_code == 201
    files = {f"김민수_{NUMBER}.md": TEXT.encode(), f"깨진_{PHONE}.pdf": b"%PDF-1.4 " + NUMBER.encode()}
    parts = [("files", (name, content)) for name, content in files.items()]
    taken = caller.post("/api/v1/collections/상담/documents", files=parts)
    assert taken.status_code == 202, taken.text
    ids = [item["document_id"] for item in taken.json()["documents"]]

    def states() -> list[str]:
        told = caller.post("/api/v1/documents/status", json={"ids": ids}).json()["documents"]
        return sorted(item["version"]["state"] for item in told)

    _until(lambda: not {"queued", "running"} & set(states()))
    assert states() == ["active", "failed"]
    assert caller.post("/api/v1/search", json={"question": QUESTION}).json()["passages"]
    asked = caller.post("/api/v1/answers", json={"question": QUESTION})
    assert asked.status_code in (200, 422, 502, 503), asked.text
    for path in (f"/api/v1/collections/{NUMBER}", f"/api/v1/search?question={MAIL}", f"/v1/models/{PHONE}"):
        caller.get(path)
    caller.get("/api/v1/me", headers={"Authorization": f"Bearer {SECRET}"})
    caller.post("/api/v1/search", content=f'{{"question": "{NUMBER}'.encode(), headers={"X-Request-ID": NUMBER})
    for blob in (folder / "data" / "blobs" / "originals").rglob("*"):  # what nobody expects
        if blob.is_file():
            blob.unlink()
            blob.mkdir()
    with suppress(httpx.RemoteProtocolError):  # the connection is cut, and the log says why
        caller.get(f"/api/v1/documents/{ids[0]}/content", params={"who": NUMBER})


@pytest.mark.slow
def test_no_identifier_is_in_the_output_of_a_service(tmp_path: Path) -> None:
    log, address = tmp_path / "served.log", f"http://127.0.0.1:{unused_port()}"
    with engine_server(refusing(400, f"the account {OTHER} has no right")) as engine:
        config = configured(tmp_path, engine)
        data = tmp_path / "data"
        seogo(data, "db", "upgrade")
        key = seogo(data, "keys", "create", "portal", "--scope", "admin").stdout.split()[-1]
        with serving(config, log, address):
            headers = {"Authorization": f"Bearer {key}"}
            with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=60) as caller:
                lived_through(caller, tmp_path)
        assert engine.exchanges, "the model was asked, and what it quoted went through the log"
    written = log.read_text(encoding="utf-8")
    found = [item for item in (*RAW, key) if item in written]
    assert found == [], written[-4000:]
    # It would be easy to hold no identifiers by writing nothing: the refusal of the model is there, without them.
    assert "the account 880808-2****** has no right" in written and "Traceback" in written
