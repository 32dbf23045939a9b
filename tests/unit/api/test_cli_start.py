"""What a command loads before it does anything. Not a timing: what costs is the heavy libraries, so these are looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rag.index.folder_lock import locked, require_free

_HEAVY = (
    "alembic",
    "dbos",
    "fastapi",
    "ingest",
    "kiwipiepy",
    "mcp",
    "numpy",
    "rag.settings",
    "rag.store",
    "scim2_models",
    "sqlalchemy",
)
_ASK_A_SERVER = """
import json, sys
sys.argv = ["seogo", "--server", "http://127.0.0.1:1", "--key", "sgk_1_2", *json.loads(sys.argv[1])]
from api.cli.main import run
try:
    run()
except SystemExit:
    pass
"""
_ASK_HERE = """
import sys
from pathlib import Path
from api.cli.connection import connect
from api.cli.options import Options
with connect(Options(data_dir=Path(sys.argv[1]))) as client:
    assert client.get("/api/v1/collections").status_code == 200
    print(client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).status_code, file=sys.stderr)
"""


def loaded(code: str, *arguments: str) -> tuple[set[str], str]:
    """The modules of a process that ran this, and what it said."""
    code += "\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.split()), done.stderr


@pytest.mark.parametrize(
    "command",
    [["search", "휴가"], ["ask", "휴가"], ["code", "search", "main"], ["collections", "list"], ["ingestion", "status"]],
    ids=lambda command: "-".join(command[:2]),
)
def test_a_command_that_asks_a_server_loads_what_speaks_http_alone(command: list[str]) -> None:
    modules, said = loaded(_ASK_A_SERVER, json.dumps(command))
    assert "127.0.0.1" in said or "Errno" in said, "it has asked"
    assert "httpx" in modules and not modules & set(_HEAVY)


def test_a_command_on_a_local_folder_loads_no_kit_of_tools(tmp_path: Path) -> None:
    modules, said = loaded(_ASK_HERE, str(tmp_path))
    assert "sqlalchemy" in modules and "mcp" not in modules
    assert said.split()[-1] == "503"  # nobody asks there


_BESIDE_A_SERVER = """
import json, sys
sys.argv = ["seogo", "--data-dir", sys.argv[1], *json.loads(sys.argv[2])]
from api.cli.main import run
try:
    run()
except SystemExit as end:
    print(json.dumps({"code": end.code, "loaded": sorted(sys.modules)}))
"""


@pytest.mark.parametrize("place", ["", "0123456789ab"], ids=["first", "of-a-space"])
@pytest.mark.parametrize("words", [["ask", "x"], ["search", "x"], ["collections", "list"]], ids=" ".join)
def test_a_store_in_use_is_said_before_anything_is_loaded(tmp_path: Path, words: list[str], place: str) -> None:
    folder = tmp_path / "index" / place
    folder.mkdir(parents=True)
    held = locked(folder)
    try:
        command = [sys.executable, "-c", _BESIDE_A_SERVER, str(tmp_path), json.dumps(words)]
        environment = {**os.environ, "SEOGO_LANG": "ko"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert "store_in_use" in done.stderr and "--server" in done.stderr
        found = json.loads(done.stdout)
        assert found["code"] == 1
        assert not {"alembic", "dbos", "fastapi", "kiwipiepy", "numpy", "uvicorn", "qdrant_edge"} & set(found["loaded"])
        assert not (tmp_path / "seogo.sqlite").exists(), "the store of a server is left alone"
    finally:
        os.close(held)
    require_free(tmp_path / "index")


def test_a_look_keeps_nothing(tmp_path: Path) -> None:
    require_free(tmp_path / "none")
    os.close(locked(tmp_path))
    require_free(tmp_path)
    os.close(locked(tmp_path))
