"""The cluster's configuration, compose file and runbook: the facts that matter, and calls that Qdrant's API knows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from qdrant_client import models

from api.settings import load_settings
from rag.index.qdrant_connection import OLDEST_SERVER

ROOT = Path(__file__).resolve().parents[3]
RUNBOOKS = [ROOT / "docs" / "cluster.md", ROOT / "docs" / "cluster.ko.md"]
CALL = re.compile(r"""q -X (\w+) "\$Q(/[^"]*)"(?: -d '([^']*)')?""")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "deploy" / "compose.cluster.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_the_configuration_survives_the_loss_of_a_node() -> None:
    index = load_settings(ROOT / "configs" / "cluster.yaml").rag.index
    assert (index.backend, index.server.replicas, index.server.write_consistency) == ("qdrant", 2, 1)
    assert index.server.shards % 3 == 0
    assert (index.url or "").startswith("https://") and index.api_key_file is not None
    assert index.server.quantisation == "turbo" and index.server.vectors_on_disk


def test_three_nodes_find_each_other(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert sorted(services) == ["qdrant-1", "qdrant-2", "qdrant-3"]
    for name, service in services.items():
        assert service["hostname"] == name
        assert service["command"][-2:] == ["--uri", f"http://{name}:6335"]
        joins = service["command"][1:-2]
        assert joins == ([] if name == "qdrant-1" else ["--bootstrap", "http://qdrant-1:6335"])
        volumes = [volume.partition(":") for volume in service["volumes"]]
        assert {target for _, _, target in volumes} == {"/qdrant/storage", "/qdrant/snapshots"}
        assert all(source.startswith(name) and source in compose["volumes"] for source, _, _ in volumes)


def test_nodes_are_closed_and_say_nothing_to_the_outside(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        settings = service["environment"]
        assert settings["QDRANT__TELEMETRY_DISABLED"] == "true"
        assert settings["QDRANT__SERVICE__ENABLE_SNAPSHOT_URL_RECOVERY"] == "false"
        assert settings["QDRANT__SERVICE__API_KEY"].startswith("${QDRANT_API_KEY:?")  # no key, no start
        assert settings["QDRANT__CLUSTER__ENABLED"] == "true"
        assert all(isinstance(value, str) for value in settings.values())  # YAML's true is no value of an environment
        ports = service.get("ports", [])
        assert all(port.startswith("127.0.0.1:") and "6335" not in port for port in ports)
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        version = re.search(r":v(\d+)\.(\d+)", service["image"])
        assert version and tuple(map(int, version.groups())) >= OLDEST_SERVER


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.name)
def test_every_call_of_the_runbook_is_one_that_qdrant_knows(runbook: Path) -> None:
    calls = CALL.findall(runbook.read_text(encoding="utf-8"))
    seen = set()
    for method, path, body in calls:
        if path == "/collections/$C/cluster":
            operation = json.loads(body)
            (name,) = operation
            kinds = {
                "move_shard": models.MoveShardOperation,
                "replicate_shard": models.ReplicateShardOperation,
                "abort_transfer": models.AbortTransferOperation,
                "drop_replica": models.DropReplicaOperation,
            }
            kinds[name].model_validate(operation)
            seen.add(name)
        elif (method, path) == ("PATCH", "/collections/$C"):
            models.UpdateCollection.model_validate_json(body)
            seen.add("update")
        else:
            assert (method, path) in {("DELETE", "/cluster/peer/1001"), ("POST", "/collections/$C/snapshots")}
            seen.add(path)
    assert len(seen) == 7


def test_the_runbooks_say_the_same_in_both_languages() -> None:
    english, korean = (CALL.findall(path.read_text(encoding="utf-8")) for path in RUNBOOKS)
    assert english == korean
    headings = [path.read_text(encoding="utf-8").count("\n## ") for path in RUNBOOKS]
    assert headings[0] == headings[1]
