"""Programs written from a specification, through the API, by a scripted engine."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from api.cli.main import app
from ingest.pipeline.program_context import questions_of
from rag.domain.anchor import LineAnchor
from rag.domain.errors import ModelBroken, ModelNotServed
from rag.domain.principal import Scope
from rag.generation.catalogue import Catalogue
from rag.generation.catalogue_routing import CatalogueRouter
from rag.generation.engine import Finished, ReasoningDelta, TextDelta, Usage
from rag.generation.registry import Generation
from rag.generation.scripted import Step, spoken
from rag.settings import GenerationSettings, ServedModel
from rag.store import program as programs_table
from rag.text.template_tokens import holds_template_token
from tests.conftest import new_database
from tests.support.running import Caller, Running, running, settings_for
from tests.support.scripted_desk import ScriptedDesk

SPEC = "# 여비 계산기\n\n출장 거리와 일수로 여비를 계산하는 명령줄 프로그램을 만든다.\n\n## 규칙\n\n`FareTable`을 쓴다."
CODE = {
    "fares/table.py": "class FareTable:\n    '''여비 표.'''\n\n    def fare(self, km: int) -> int:\n        return km * 150\n",
    "fares/days.py": "def allowance(days: int) -> int:\n    '''일비.'''\n    return days * 20_000\n",
}
WRITTEN = (
    "<<<FILE app/main.py>>>\nfrom fares.table import FareTable\n\nprint(FareTable().fare(10))\n<<<END FILE>>>\n"
    '<<<FILE config/app.json>>>\n{"통화": "원"}\n<<<END FILE>>>\n'
    "<<<FILE src/App.kt>>>\nfun main() {}\n<<<END FILE>>>\n"
)


@pytest.fixture(scope="module")
def desk() -> ScriptedDesk:
    return ScriptedDesk(WRITTEN)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, desk: ScriptedDesk
) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("service")
    overrides: dict[str, Any] = {"ingest": {"upkeep_every_s": 1}, "rag": {"embedding": {"dense": "none"}}}
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres_cluster")
        overrides["rag"]["store"] = {"url": new_database(cluster)}
        overrides["ingest"]["queue_database_url"] = new_database(cluster)
    generation = Generation(desk.router, {"scripted": desk})
    with running(settings_for(folder, overrides), generation=generation) as started:
        yield started


@pytest.fixture(scope="module")
def owner(service: Running) -> Caller:
    caller = service.caller(Scope.ADMIN)
    name = caller.collection("fares", kind="code")
    documents = caller.ingest(name, CODE)
    assert [item["version"]["state"] for item in documents] == ["active"] * len(CODE)
    return caller


def order(caller: Caller, **more: Any) -> dict[str, Any]:
    body = {"specification": SPEC, "repositories": ["fares"], **more}
    response = caller.post("/api/v1/generations", json=body)
    assert response.status_code == 202, response.text
    return dict(response.json())


def ended(caller: Caller, identity: str, timeout_s: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while True:
        found = caller.get(f"/api/v1/generations/{identity}").json()
        if found["state"] not in ("queued", "running"):
            return dict(found)
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_a_program_is_written_checked_and_fetched(desk: ScriptedDesk, owner: Caller) -> None:
    engine = desk.put([ReasoningDelta("음…"), *spoken(WRITTEN)[:-1], Finished("stop", Usage(900, 120))])
    ordered = order(owner, title="여비")
    assert (ordered["state"], ordered["title"]) == ("queued", "여비")
    found = ended(owner, ordered["id"])
    assert (found["state"], found["stage"], found["failure"]) == ("done", "end", None)
    assert (found["model"], found["written_tokens"]) == ("scripted", 120)

    [call] = engine.calls
    assert call.thinking is True
    assert call.patience is not None and call.patience.total_s == 7200
    assert call.max_tokens is not None and 4096 <= call.max_tokens <= 32_768
    system, user = (str(message["content"]) for message in call.messages)
    assert "<<<END FILE>>>" in system and "명세" in system
    assert "class FareTable" in user and "fares/days.py" in user
    assert user.rstrip().endswith("`FareTable`을 쓴다.")

    manifest = owner.get(f"/api/v1/generations/{ordered['id']}/manifest").json()
    files = {item["path"]: item for item in manifest["files"]}
    assert {path: item["syntax"] for path, item in files.items()} == {
        "app/main.py": "ok",
        "config/app.json": "ok",
        "src/App.kt": "unchecked",
    }
    assert {item["path"] for item in manifest["included"]} == set(CODE)
    assert manifest["omitted"] == []
    assert (manifest["prompt"], manifest["paths_listed"], manifest["cut_off"]) == ("program_write.ko.v1", 2, False)
    assert (manifest["usage"]["completion"], manifest["retried"]) == (120, [])

    got = owner.get(f"/api/v1/generations/{ordered['id']}/files/config/app.json")
    assert got.content == '{"통화": "원"}\n'.encode()
    assert "attachment" in got.headers["content-disposition"]
    packed = owner.get(f"/api/v1/generations/{ordered['id']}/archive")
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(files)
        assert len(archive.read("app/main.py")) == files["app/main.py"]["size"]
    assert owner.get(f"/api/v1/generations/{ordered['id']}/archive").content == packed.content
    assert owner.get(f"/api/v1/generations/{ordered['id']}/files/../fares").status_code == 404
    listed = owner.get("/api/v1/generations").json()["generations"]
    assert ordered["id"] in [item["id"] for item in listed]


def _long_file(rules: int, steps: int) -> str:
    """One class that the specification names, behind many functions that it does not."""
    bodies = "".join(
        f"def rule_{number}(km: int) -> int:\n"
        + "".join(f"    step_{step} = km * {number} + {step}\n" for step in range(steps))
        + f"    return step_{steps - 1}\n\n\n"
        for number in range(rules)
    )
    return bodies + "class FareTable:\n    def fare(self, km: int) -> int:\n        return km * 150 + rule_7(km)\n"


def test_a_long_file_comes_as_one_place_with_the_bodies_folded_that_the_task_does_not_need(
    desk: ScriptedDesk, service: Running
) -> None:
    """Passages have no such place, and cut a file instead of leaving out bodies."""
    own, text = service.caller(Scope.ADMIN), _long_file(150, 16)
    own.collection("fares", kind="code")
    own.ingest("fares", {"fares/long.py": text})
    engine = desk.put(spoken(WRITTEN))
    identity = order(own)["id"]
    assert ended(own, identity)["state"] == "done"
    [call] = engine.calls
    prompt = str(call.messages[1]["content"])
    whole = LineAnchor(1, text.count("\n")).label("en")
    assert f" fares/long.py {whole}]" in prompt
    [included] = own.get(f"/api/v1/generations/{identity}/manifest").json()["included"]
    assert (included["path"], included["place"]) == ("fares/long.py", whole)
    assert "        return km * 150 + rule_7(km)" in prompt, "what is named stands there with its body"
    assert prompt.count("def rule_") == 150 and len(re.findall(r"^ +… lines \d+–\d+$", prompt, re.M)) > 100
    assert "step_5 = km * 140 + 5" not in prompt


def test_a_file_of_which_the_heads_alone_do_not_fit_beside_the_answer_comes_in_passages(
    desk: ScriptedDesk, service: Running
) -> None:
    """Made to fit into all that the model takes, it would be left out beside the answer, and its passages with it."""
    own = service.caller(Scope.ADMIN)
    own.collection("fares", kind="code")
    own.ingest("fares", {"fares/long.py": _long_file(400, 6)})
    engine = desk.put(spoken(WRITTEN))
    assert ended(own, order(own)["id"])["state"] == "done"
    assert "        return km * 150 + rule_7(km)" in str(engine.calls[0].messages[1]["content"])


def test_what_is_hidden_from_some_readers_is_no_part_of_a_program(desk: ScriptedDesk, service: Running) -> None:
    number, own = "900101-1234568", service.caller(Scope.ADMIN)
    own.collection("fares", kind="code")
    own.request("PATCH", "/api/v1/collections/fares", json={"privacy": {"default": "mask"}})
    own.ingest("fares", {f"fares/김민수_{number}.py": f"class FareTable:\n    owner = '{number}'\n", **CODE})
    assert number in str(own.search("FareTable owner"))
    engine = desk.put(spoken(WRITTEN))
    assert ended(own, order(own)["id"])["state"] == "done"
    [call] = engine.calls
    prompt = "\n".join(str(message["content"]) for message in call.messages)
    assert "owner = '900101-" in prompt and "fares/김민수_900101-" in prompt
    assert number not in prompt


def test_what_a_model_writes_of_persons_and_secrets_by_itself_is_hidden_in_the_program(
    desk: ScriptedDesk, service: Running
) -> None:
    number, card, key = "900101-1234568", "4539-1488-0343-6467", "ghp_0123456789abcdefABCDEF0123456789abcd"
    own = service.caller(Scope.ADMIN)
    own.collection("fares", kind="code")
    own.request("PATCH", "/api/v1/collections/fares", json={"privacy": {"default": "mask"}})
    own.ingest("fares", CODE)
    written = f"<<<FILE app/main.py>>>\nOWNER = '{number}'\nTOKEN = '{key}'\nprint(20_000)\n<<<END FILE>>>\n"
    written += f"<<<FILE app/김민수_{number}.py>>>\nx = 1\n<<<END FILE>>>\n"
    written += "<<<FILE app/broken.py>>>\ndef f(:\n<<<END FILE>>>\n"
    mended = f"<<<FILE app/broken.py>>>\ndef f() -> str:\n    return '{card}'\n<<<END FILE>>>\n"
    engine = desk.put(spoken(written), spoken(mended))
    identity = order(own)["id"]
    assert ended(own, identity)["state"] == "done" and len(engine.calls) == 2
    address = f"/api/v1/generations/{identity}"
    manifest = own.get(f"{address}/manifest").json()
    assert manifest["masked"] == ["app/broken.py", "app/main.py"]
    assert [item["reason"] for item in manifest["rejected"]] == ["personal_data"]
    assert {item["path"]: item["syntax"] for item in manifest["files"]} == {"app/main.py": "ok", "app/broken.py": "ok"}
    main = own.get(f"{address}/files/app/main.py").text
    assert len(main) == len(f"OWNER = '{number}'\nTOKEN = '{key}'\nprint(20_000)\n") and "print(20_000)" in main
    with zipfile.ZipFile(io.BytesIO(own.get(f"{address}/archive").content)) as archive:
        everything = "".join(archive.read(name).decode() for name in archive.namelist())
    everything += main + json.dumps(manifest, ensure_ascii=False)
    for secret in (number, card, key):
        assert secret not in everything, secret


def test_broken_syntax_is_mended_once_and_what_stays_broken_is_said(desk: ScriptedDesk, owner: Caller) -> None:
    broken = "<<<FILE a.py>>>\ndef f(:\n<<<END FILE>>>\n<<<FILE b.json>>>\n{\n<<<END FILE>>>\n"
    broken += "<<<FILE c.py>>>\nx = 1\n<<<END FILE>>>"
    repair = "<<<FILE a.py>>>\ndef f() -> None:\n    pass\n<<<END FILE>>>\n<<<FILE b.json>>>\n{{\n<<<END FILE>>>\n"
    repair += "<<<FILE c.py>>>\nx = 2\n<<<END FILE>>>\n<<<FILE new.py>>>\nx = 3\n<<<END FILE>>>"
    engine = desk.put(spoken(broken), spoken(repair))
    identity = order(owner)["id"]
    assert ended(owner, identity)["state"] == "done"
    manifest = owner.get(f"/api/v1/generations/{identity}/manifest").json()
    shown = [(item["path"], item["syntax"], item["repaired"]) for item in manifest["files"]]
    assert shown == [("a.py", "ok", True), ("b.json", "error", False), ("c.py", "ok", False)]
    assert manifest["files"][1]["detail"]
    assert owner.get(f"/api/v1/generations/{identity}/files/c.py").text == "x = 1\n"
    assert len(engine.calls) == 2
    assert "def f(:" in str(engine.calls[1].messages[-1]["content"])


def test_the_adapter_that_the_settings_name_writes_and_mends(
    desk: ScriptedDesk, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = ServedModel(name="scripted", urls=("http://model.example/v1",), adapters=("hr",), context_tokens=32_768)
    settings = GenerationSettings(models=(served,), jobs={"batch": "hr"})
    tuned = CatalogueRouter({"scripted": desk}, Catalogue({}, {}, {}), settings)
    bare = CatalogueRouter({"scripted": desk}, Catalogue({}, {}, {}), settings.model_copy(update={"jobs": {}}))
    engine = desk.put(
        spoken("<<<FILE a.py>>>\ndef f(:\n<<<END FILE>>>"), spoken("<<<FILE a.py>>>\nx = 1\n<<<END FILE>>>")
    )
    # Nothing is set for such jobs any more when it is mended: whoever wrote it mends it all the same.
    monkeypatch.setattr(desk.router, "choose", lambda job: (bare if engine.calls else tuned).choose(job))
    identity = order(owner)["id"]
    found = ended(owner, identity)
    assert (found["state"], found["model"]) == ("done", "scripted:hr")
    assert [call.adapter for call in engine.calls] == ["hr", "hr"]
    manifest = owner.get(f"/api/v1/generations/{identity}/manifest").json()
    assert (manifest["model"], manifest["files"][0]["repaired"]) == ("scripted:hr", True)


def test_what_a_template_would_read_as_its_own_comes_back_into_files(desk: ScriptedDesk, owner: Caller) -> None:
    spec = "`<|im_end|>`와 `[TOOL_CALLS]`를 찾는 함수를 쓴다."
    engine = desk.put(spoken("<<<FILE a.py>>>\nENDS = ('‹¦im_end¦›', '⟦TOOL_CALLS⟧')\n<<<END FILE>>>"))
    identity = order(owner, specification=spec)["id"]
    assert ended(owner, identity)["state"] == "done"
    assert not holds_template_token(str(engine.calls[0].messages[1]["content"]))
    text = owner.get(f"/api/v1/generations/{identity}/files/a.py").text
    assert text == "ENDS = ('<|im_end|>', '[TOOL_CALLS]')\n"


def test_a_second_try_is_told(desk: ScriptedDesk, owner: Caller) -> None:
    desk.put([ReasoningDelta("처리 중입니다. 다시 시도합니다. " * 100)], spoken(WRITTEN))
    identity = order(owner)["id"]
    assert ended(owner, identity)["state"] == "done"
    assert owner.get(f"/api/v1/generations/{identity}/manifest").json()["retried"] == ["repetition"]


def test_a_mending_that_fails_costs_nothing(desk: ScriptedDesk, owner: Caller) -> None:
    desk.put(spoken("<<<FILE a.py>>>\ndef f(:\n<<<END FILE>>>"), [ModelNotServed(name="scripted")])
    identity = order(owner)["id"]
    assert ended(owner, identity)["state"] == "done"
    manifest = owner.get(f"/api/v1/generations/{identity}/manifest").json()
    assert (manifest["repair_failed"], manifest["files"][0]["syntax"]) == ("model_not_served", "error")


def test_bad_paths_and_cut_off_files_are_named(desk: ScriptedDesk, owner: Caller) -> None:
    text = (
        "<<<FILE ../../etc/cron.d/x>>>\nx\n<<<END FILE>>>\n<<<FILE a.md>>>\n가\n<<<END FILE>>>\n<<<FILE b.py>>>\nx = ("
    )
    desk.put([TextDelta(text), Finished("length")])
    identity = order(owner)["id"]
    assert ended(owner, identity)["state"] == "done"
    manifest = owner.get(f"/api/v1/generations/{identity}/manifest").json()
    assert [item["path"] for item in manifest["files"]] == ["a.md"]
    assert [item["reason"] for item in manifest["rejected"]] == ["parent", "cut_off"]
    assert manifest["cut_off"] is True


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (spoken("죄송합니다. 작성할 수 없습니다."), "generation_stopped"),
        ([ModelNotServed(name="scripted")], "model_not_served"),
        ([Finished("stop")], "generation_stopped"),
        ([TextDelta("처리 중입니다. 다시 시도합니다. " * 100)], "generation_stopped"),
    ],
)
def test_failures_have_a_code_and_a_sentence(desk: ScriptedDesk, owner: Caller, script: list[Step], code: str) -> None:
    desk.put(script)
    found = ended(owner, order(owner)["id"])
    assert (found["state"], found["failure"]["code"]) == ("failed", code)
    assert "scripted" in found["failure"]["message"]
    korean = owner.get(f"/api/v1/generations/{found['id']}", headers={"Accept-Language": "ko"}).json()
    assert korean["failure"]["message"] != found["failure"]["message"]
    refused = owner.get(f"/api/v1/generations/{found['id']}/manifest")
    assert (refused.status_code, refused.json()["code"]) == (409, "generation_unfinished")


def test_an_engine_that_is_away_for_a_moment_costs_nothing(desk: ScriptedDesk, owner: Caller) -> None:
    engine = desk.put([TextDelta("<<<FILE a.py>>>\nhalf"), ModelBroken(name="scripted")], spoken(WRITTEN))
    identity = order(owner)["id"]
    assert ended(owner, identity)["state"] == "done"
    assert len(engine.calls) == 2
    paths = [item["path"] for item in owner.get(f"/api/v1/generations/{identity}/manifest").json()["files"]]
    assert paths == ["app/main.py", "config/app.json", "src/App.kt"]


def test_a_specification_that_is_too_long_for_the_model_is_refused_with_both_numbers(
    desk: ScriptedDesk, owner: Caller
) -> None:
    engine = desk.put(spoken(WRITTEN))
    found = ended(owner, order(owner, specification="표를 만든다. " * 6000)["id"])
    assert (found["state"], found["failure"]["code"]) == ("failed", "invalid_request")
    assert "32768" in found["failure"]["message"]
    assert engine.calls == []


def test_excerpts_that_do_not_fit_are_listed(desk: ScriptedDesk, service: Running, owner: Caller) -> None:
    name = owner.collection(kind="code")
    code = {f"m{n}.py": "\n".join(f"def step_{n}_{i}(): return 'fare {i} km'" for i in range(90)) for n in range(16)}
    owner.ingest(name, code)
    engine = desk.put(spoken(WRITTEN))
    desk.context_tokens = 16_384
    try:
        identity = order(owner, specification="Call step functions for the fare in km.\n\n" * 3, repositories=[name])[
            "id"
        ]
        assert ended(owner, identity)["state"] == "done"
    finally:
        desk.context_tokens = 32_768
    manifest = owner.get(f"/api/v1/generations/{identity}/manifest").json()
    assert manifest["included"] and manifest["omitted"]
    assert max(item["rank"] for item in manifest["included"]) < 16 * 20
    paths = [(item["path"], item["place"]) for item in manifest["included"]]
    user = str(engine.calls[0].messages[-1]["content"])
    places = [user.index(f" {path} {place}]") for path, place in paths]
    assert places == sorted(places)
    for item in manifest["omitted"]:
        assert f" {item['path']} {item['place']}]" not in user


def test_cancelling_stops_the_engine(desk: ScriptedDesk, owner: Caller) -> None:
    engine = desk.put([TextDelta("<<<FILE a.py>>>\n"), 60.0, Finished("stop")])
    identity = order(owner)["id"]
    deadline = time.monotonic() + 30
    while not engine.calls:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    cancelled = owner.post(f"/api/v1/generations/{identity}/cancel").json()
    assert cancelled["state"] == "cancelled"
    while engine.stopped != [0]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    again = owner.post(f"/api/v1/generations/{identity}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "generation_ended")


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_what_was_read_for_a_program_goes_when_it_ends_badly(
    desk: ScriptedDesk, service: Running, owner: Caller, how: str
) -> None:
    script: list[Step] = [ModelNotServed(name="scripted")] if how == "failed" else [TextDelta("x"), 60.0]
    engine = desk.put(script)
    identity = order(owner)["id"]
    deadline = time.monotonic() + 30
    while not engine.calls:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    if how == "cancelled":
        owner.post(f"/api/v1/generations/{identity}/cancel")
    assert ended(owner, identity)["state"] == how
    blobs = service.services.rag.blobs
    while (left := [key.split("/")[-1] for key in blobs._keys(f"results/{identity}/")]) != ["spec.txt"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_deleting_removes_everything_and_stops_what_is_written(
    desk: ScriptedDesk, service: Running, owner: Caller
) -> None:
    engine = desk.put([TextDelta("x"), 60.0, Finished("stop")])
    identity = order(owner)["id"]
    deadline = time.monotonic() + 30
    while not engine.calls:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert owner.delete(f"/api/v1/generations/{identity}").status_code == 204
    assert owner.get(f"/api/v1/generations/{identity}").status_code == 404
    while engine.stopped != [0]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    desk.put(spoken(WRITTEN))
    done = order(owner)["id"]
    assert ended(owner, done)["state"] == "done"
    blobs = service.services.rag.blobs
    assert sorted(key.split("/")[-1] for key in blobs._keys(f"results/{done}/")) == [
        "file-00000",
        "file-00001",
        "file-00002",
        "spec.txt",
    ]
    assert owner.delete(f"/api/v1/generations/{done}").status_code == 204
    for job in (identity, done):
        assert blobs._keys(f"results/{job}/") == []


def test_a_key_that_is_revoked_meanwhile_gets_nothing(desk: ScriptedDesk, service: Running, owner: Caller) -> None:
    tenant = service.services.rag.authenticate(owner.headers["Authorization"].split()[1]).tenant_id
    caller = _caller_in(service, tenant)
    engine = desk.put([TextDelta("<<<FILE a.py>>>\nx = 1\n<<<END FILE>>>"), 1.5, Finished("stop")])
    identity = order(caller)["id"]
    deadline = time.monotonic() + 30
    while not engine.calls:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    prefix = "_".join(caller.headers["Authorization"].split()[1].split("_", 2)[:2])
    assert service.services.rag.keys.revoke(prefix)
    found = ended(owner, identity)
    assert (found["state"], found["failure"]["code"]) == ("failed", "not_authenticated")


def _caller_in(service: Running, tenant: UUID, *scopes: Scope, collections: list[UUID] | None = None) -> Caller:
    from rag.store.tenant import Tenant

    with service.services.rag.database.read() as session:
        row = session.get(Tenant, tenant)
    assert row is not None
    key = service.key(*(scopes or (Scope.WRITE,)), tenant=row.name, collections=collections)
    return Caller(service, {"Authorization": f"Bearer {key}", "Accept-Language": "en"})


def test_only_who_may_read_all_repositories_sees_what_was_made_of_them(
    desk: ScriptedDesk, service: Running, owner: Caller
) -> None:
    tenant = service.services.rag.authenticate(owner.headers["Authorization"].split()[1]).tenant_id
    other = owner.collection(kind="code")
    fares, second = (UUID(owner.get(f"/api/v1/collections/{name}").json()["id"]) for name in ("fares", other))
    desk.put(spoken(WRITTEN))
    identity = order(owner, repositories=["fares", other])["id"]
    assert ended(owner, identity)["state"] == "done"
    half = _caller_in(service, tenant, Scope.WRITE, collections=[fares])
    both = _caller_in(service, tenant, Scope.WRITE, collections=[fares, second])
    stranger = service.caller(Scope.ADMIN)
    addresses = ["", "/manifest", "/files/app/main.py", "/archive"]
    for address in addresses:
        assert both.get(f"/api/v1/generations/{identity}{address}").status_code == 200
        for outsider in (half, stranger):
            refused = outsider.get(f"/api/v1/generations/{identity}{address}")
            absent = outsider.get(f"/api/v1/generations/{uuid4()}{address}")
            assert (refused.status_code, refused.text) == (404, absent.text)
    for outsider in (half, stranger):
        assert outsider.post(f"/api/v1/generations/{identity}/cancel").status_code == 404
        assert outsider.delete(f"/api/v1/generations/{identity}").status_code == 404
        assert identity not in outsider.get("/api/v1/generations").text
    assert owner.get(f"/api/v1/generations/{identity}").status_code == 200
    reader = _caller_in(service, tenant, Scope.READ)
    assert reader.get(f"/api/v1/generations/{identity}").status_code == 200
    body = {"specification": SPEC, "repositories": ["fares"]}
    assert reader.post("/api/v1/generations", json=body).status_code == 403
    assert reader.delete(f"/api/v1/generations/{identity}").status_code == 403
    assert stranger.post("/api/v1/generations", json=body).status_code == 404
    owner.delete(f"/api/v1/collections/{other}")
    assert owner.get(f"/api/v1/generations/{identity}").status_code == 404


def test_orders_that_can_not_be_right_are_refused(desk: ScriptedDesk, owner: Caller) -> None:
    documents = owner.collection()
    for body, status in (
        ({"specification": "", "repositories": ["fares"]}, 422),
        ({"specification": SPEC, "repositories": []}, 422),
        ({"specification": SPEC, "repositories": [documents]}, 422),
        ({"specification": SPEC, "repositories": ["nowhere"]}, 404),
        ({"specification": SPEC, "repositories": ["fares"], "typo": 1}, 422),
    ):
        assert owner.post("/api/v1/generations", json=body).status_code == status, body
    assert owner.get("/api/v1/generations", params={"cursor": "x"}).status_code == 422


def test_a_tenant_can_not_fill_the_queue(desk: ScriptedDesk, service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.services.ingest.programs, "_waiting", 2)
    caller = service.caller()
    name = caller.collection(kind="code")
    desk.put([TextDelta("x"), 60.0, Finished("stop")])
    first, second = (order(caller, repositories=[name])["id"] for _ in range(2))
    body = {"specification": SPEC, "repositories": [name]}
    refused = caller.post("/api/v1/generations", json=body)
    assert (refused.status_code, refused.json()["code"]) == (503, "model_busy")
    other = service.caller()
    other_name = other.collection(kind="code")
    third = order(other, repositories=[other_name])["id"]
    assert caller.post(f"/api/v1/generations/{second}/cancel").status_code == 200
    caller.delete(f"/api/v1/generations/{order(caller, repositories=[name])['id']}")
    caller.delete(f"/api/v1/generations/{first}")
    other.delete(f"/api/v1/generations/{third}")


def test_the_list_goes_on_from_page_to_page(desk: ScriptedDesk, service: Running) -> None:
    caller = service.caller()
    name = caller.collection(kind="code")
    desk.put(spoken(WRITTEN))
    wanted = [order(caller, repositories=[name], title=str(n))["id"] for n in range(3)]
    for identity in wanted:
        ended(caller, identity)
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = caller.get("/api/v1/generations", params=params).json()
        seen += [item["id"] for item in page["generations"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == wanted[::-1]


def test_old_generations_are_removed_and_lost_ones_are_queued_again(
    desk: ScriptedDesk, service: Running, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from ingest.jobs import programs as jobs

    desk.put(spoken(WRITTEN))
    programs = service.services.ingest.programs
    with monkeypatch.context() as patch:
        patch.setattr(jobs.ProgramJobs, "_submit", lambda *_: None)  # the process dies here
        lost = order(owner)["id"]
        programs.look_around()
        assert owner.get(f"/api/v1/generations/{lost}").json()["state"] == "queued"
    monkeypatch.setattr(jobs, "_LOST_AFTER", timedelta(0))
    programs.look_around()
    assert ended(owner, lost)["state"] == "done"
    database = service.services.rag.database
    with database.write() as session:
        row = session.get(programs_table.Program, UUID(lost))
        assert row is not None and row.ended_at is not None
        row.ended_at -= timedelta(days=31)
    programs.look_around()
    assert owner.get(f"/api/v1/generations/{lost}").status_code == 404
    assert service.services.rag.blobs._keys(f"results/{lost}/") == []


def commanded(caller: Caller, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """A command that talks to this service."""

    @contextmanager
    def connect(_: Any) -> Iterator[Any]:
        yield TestClient(caller.running.http.app, headers=caller.headers, raise_server_exceptions=False)

    monkeypatch.setattr("api.cli.connection.connect", connect)
    monkeypatch.setenv("SEOGO_LANG", "en")
    return CliRunner().invoke(app, ["code", *arguments])


def test_the_command_line_writes_the_files(
    desk: ScriptedDesk, owner: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, out = tmp_path / "명세.md", tmp_path / "out"
    spec.write_text(SPEC, encoding="utf-8")
    desk.put(spoken(WRITTEN))
    order_it = ("generate", "--spec", str(spec), "--repo", "fares", "--output", str(out))
    done = commanded(owner, monkeypatch, *order_it)
    assert done.exit_code == 0, done.output
    assert "app/main.py" in done.output and "unchecked" in done.output
    assert (out / "config" / "app.json").read_text(encoding="utf-8") == '{"통화": "원"}\n'
    again = commanded(owner, monkeypatch, *order_it)
    assert again.exit_code == 1
    assert "--force" in again.output
    assert commanded(owner, monkeypatch, *order_it, "--force").exit_code == 0

    listed = json.loads(commanded(owner, monkeypatch, "list", "--json").stdout)["generations"]
    identity = listed[0]["id"]
    assert json.loads(commanded(owner, monkeypatch, "show", identity).stdout)["manifest"]["files"]
    assert commanded(owner, monkeypatch, "download", identity, "-o", str(tmp_path / "two")).exit_code == 0
    assert (tmp_path / "two" / "app" / "main.py").exists()
    assert commanded(owner, monkeypatch, "cancel", identity).exit_code == 1
    assert commanded(owner, monkeypatch, "delete", identity).exit_code == 0
    assert commanded(owner, monkeypatch, "show", identity).exit_code == 1


def test_the_command_line_says_what_went_wrong(
    desk: ScriptedDesk, owner: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "spec.md"
    spec.write_text(SPEC, encoding="utf-8")
    desk.put(spoken("<<<FILE a.py>>>\ndef f(:\n<<<END FILE>>>"))
    broken = commanded(owner, monkeypatch, "generate", "--spec", str(spec), "--repo", "fares", "--json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["files"][0]["syntax"] == "error"
    desk.put([ModelNotServed(name="scripted")])
    failed = commanded(owner, monkeypatch, "generate", "--spec", str(spec), "--repo", "fares")
    assert failed.exit_code == 1
    assert "model_not_served" in failed.output
    assert commanded(owner, monkeypatch, "generate", "--spec", "nowhere", "--repo", "fares").exit_code == 1
    assert commanded(owner, monkeypatch, "generate", "--spec", str(spec), "--repo", "nowhere").exit_code == 1


def test_names_that_a_terminal_shows_otherwise_are_fetched_as_they_are(
    desk: ScriptedDesk, owner: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ("docs/❤\ufe0f 안내.md", "docs/표\u3164 1.md")
    written = "".join(f"<<<FILE {path}>>>\n# {number}\n<<<END FILE>>>\n" for number, path in enumerate(paths))
    spec, out = tmp_path / "spec.md", tmp_path / "out"
    spec.write_text(SPEC, encoding="utf-8")
    desk.put(spoken(written))
    done = commanded(
        owner, monkeypatch, "generate", "--spec", str(spec), "--repo", "fares", "--output", str(out), "--json"
    )
    assert done.exit_code == 0, done.output
    assert {str(path.relative_to(out)) for path in out.rglob("*.md")} == set(paths)
    assert (out / paths[1]).read_text(encoding="utf-8") == "# 1\n"
    identity = json.loads(done.stdout)["id"]
    assert commanded(owner, monkeypatch, "download", identity, "-o", str(tmp_path / "two")).exit_code == 0
    assert (tmp_path / "two" / paths[0]).exists()


def test_files_never_leave_the_folder(
    desk: ScriptedDesk, owner: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put(spoken(WRITTEN))
    identity = order(owner)["id"]
    ended(owner, identity)
    out = tmp_path / "out"
    out.mkdir()
    (out / "app").symlink_to(tmp_path)
    done = commanded(owner, monkeypatch, "download", identity, "-o", str(out), "--force")
    assert done.exit_code == 1
    assert not (tmp_path / "main.py").exists()
    assert list(out.iterdir()) == [out / "app"]


def test_pieces_of_a_specification() -> None:
    assert questions_of(SPEC) == [SPEC.replace("\n\n", "\n")]
    long = "\n\n".join(f"## 항목 {n}\n\n" + "요구 사항을 적는다. " * 40 for n in range(100))
    pieces = questions_of(long)
    assert 20 <= len(pieces) <= 24
    assert all(0 < len(piece) <= 1200 for piece in pieces)
    lines = "\n".join(pieces).splitlines()
    assert all(f"## 항목 {n}" in lines for n in range(100))
    assert len(questions_of("가" * 50_000)) <= 24
    assert questions_of(" \n") == []
