"""Questions about code over HTTP and at the command line, on a service that ingests."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from tests.support.running import Caller, Running
from tests.support.tenants import Tenant, code_readings, code_world, deafen, put

FILES = {
    "gateway.py": (
        '"""카드사 연동."""\n\n\ndef charge_card(amount: int) -> None:\n    """카드사에 청구한다."""\n    print(amount)\n'
    ),
    "service.py": (
        "from gateway import charge_card\n\n\nclass PaymentService:\n    def approve(self, amount: int) -> bool:\n"
        "        charge_card(amount)\n        return True\n"
    ),
    "test_service.py": (
        "from service import PaymentService\n\n\ndef test_approve() -> None:\n    assert PaymentService().approve(1)\n"
    ),
}


@pytest.fixture(scope="module")
def owner(service: Running) -> Iterator[Caller]:
    caller = service.caller()
    caller.collection("payments", kind="code")
    documents = caller.ingest("payments", FILES, timeout_s=240)
    assert {item["version"]["state"] for item in documents} == {"active"}, documents
    yield caller


def posted(owner: Caller, name: str, **body: object) -> dict:
    response = owner.post(f"/api/v1/code/{name}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_search_by_words_pattern_and_symbol(owner: Caller) -> None:
    [found] = posted(owner, "search", query=r"charge_card\(amount\)", regex=True)["matches"]
    assert found["spot"]["place"] == "service.py:6"
    assert found["spans"] == [[8, 27]] and found["symbol"] == "PaymentService.approve"
    assert owner.get(found["spot"]["url"].removeprefix("http://testserver")).status_code == 200
    words = posted(owner, "search", query="카드사에 청구", repositories=["payments"])
    assert words["matches"][0]["spot"]["source_key"] == "gateway.py"
    symbol = posted(owner, "search", symbol="PaymentService", path="*.py", language="python")
    assert [item["spot"]["first"] for item in symbol["matches"]] == [4]
    refused = owner.post("/api/v1/code/search", json={"query": "(?<=a)b", "regex": True})
    assert refused.status_code == 422 and refused.json()["code"] == "pattern_refused"
    nowhere = owner.post("/api/v1/code/search", json={"query": "a", "repositories": ["nothing"]})
    assert nowhere.status_code == 404 and nowhere.json()["code"] == "repository_not_found"


def test_symbols_and_references(owner: Caller) -> None:
    found = owner.get("/api/v1/code/symbols", params={"name": "PaySer", "kind": "class"}).json()["definitions"]
    assert [item["symbol"]["name"] for item in found] == ["PaymentService"]
    uses = owner.get("/api/v1/code/references", params={"name": "charge_card", "of": "callers"}).json()
    assert [(item["enclosing"], item["sure"]) for item in uses["uses"]] == [("PaymentService.approve", "sure")]
    tests = owner.get("/api/v1/code/references", params={"name": "PaymentService", "of": "tests"}).json()
    assert {item["spot"]["source_key"] for item in tests["uses"]} == {"test_service.py"}
    called = owner.get("/api/v1/code/references", params={"name": "approve", "of": "callees"}).json()["callees"]
    assert [item["definitions"][0]["spot"]["place"] for item in called] == ["gateway.py:4"]
    importers = owner.get("/api/v1/code/references", params={"name": "gateway.py", "of": "importers"}).json()["uses"]
    assert [item["spot"]["place"] for item in importers] == ["service.py:1"]
    assert owner.get("/api/v1/code/references", params={"name": "no", "of": "callees"}).status_code == 404


def test_map_and_pack(owner: Caller) -> None:
    found = posted(owner, "map", budget=500, task="charge_card")
    assert "gateway.py:\n  def charge_card(" in found["text"] and found["tokens"] <= 500
    pack = posted(owner, "pack", budget=2000, task="charge_card must log")
    assert pack["tokens"] <= 2000 and "def charge_card(amount: int) -> None:\n" in pack["text"]
    assert {item["source_key"] for item in pack["files"]} >= {"gateway.py", "service.py"}


def test_nothing_of_it_for_others(owner: Caller, service: Running) -> None:
    stranger = service.caller()
    assert posted(stranger, "search", query="charge_card", regex=True)["matches"] == []
    assert posted(stranger, "map", budget=500)["text"] == ""
    assert stranger.get("/api/v1/code/symbols", params={"name": "PaymentService"}).json()["definitions"] == []


def test_a_rule_on_a_file_counts_at_every_door_also_if_the_index_ignores_it(
    owner: Caller, service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(service.services.ingest.jobs.upkeep), "relabel", lambda self, identity: None)
    tenant = Tenant(service)
    document_id = code_world(tenant)
    before = code_readings(tenant.reader, document_id)
    assert all(before.values()), before
    assert put(tenant.boss, document_id, deny=[tenant.subject(tenant.reader)]).status_code == 200
    after = code_readings(tenant.reader, document_id)
    assert not any(after.values()), after
    deafen(monkeypatch)
    assert not any(code_readings(tenant.reader, document_id).values())


def test_what_was_shown_is_on_the_trail(owner: Caller) -> None:
    posted(owner, "pack", budget=2000, task="charge_card must be audited")
    found = owner.get("/api/v1/audit/events", params={"kind": "question", "limit": 500}).json()["events"]
    shown = [item for item in found if item["what"] == "POST /api/v1/code/pack" and item["whose"]["documents"]]
    assert shown and "charge_card must be audited" not in json.dumps(found)


def test_commands(owner: Caller, service: Running, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from api.cli import connection
    from api.cli.main import app

    def connected(options: object) -> object:
        from contextlib import contextmanager

        @contextmanager
        def opened() -> Iterator[object]:
            class Client:
                def get(self, path: str, **arguments: object) -> object:
                    return owner.get(path, **arguments)

                def post(self, path: str, **arguments: object) -> object:
                    return owner.post(path, **arguments)

            yield Client()

        return opened()

    monkeypatch.setattr(connection, "connect", connected)
    run = CliRunner().invoke
    found = run(app, ["code", "search", "-e", r"def charge_\w+"])
    assert found.exit_code == 0 and "gateway.py:4" in found.output, found.output
    assert run(app, ["code", "search", "-e", "zzz"]).exit_code == 1
    assert "class PaymentService" in run(app, ["code", "symbols", "PaymentService"]).output
    assert (
        "service.py:6  [sure] PaymentService.approve"
        in run(app, ["code", "uses", "charge_card", "--of", "callers"]).output
    )
    assert "def charge_card" in run(app, ["code", "map", "payments", "--budget", "1k"]).output
    packed = tmp_path / "pack.md"  # type: ignore[operator]
    done = run(app, ["code", "pack", "payments", "--task", "charge_card", "--budget", "2k", "-o", str(packed)])
    assert done.exit_code == 0 and "## Task\n\ncharge_card" in packed.read_text(encoding="utf-8")
    assert json.loads(run(app, ["code", "pack", "payments", "--task", "x", "--budget", "2k", "--json"]).stdout)["files"]
    assert run(app, ["code", "pack", "payments", "--task", "x", "--budget", "many"]).exit_code == 2
