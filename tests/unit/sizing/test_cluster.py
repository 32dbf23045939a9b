"""The sizing sheet, with numbers worked out by hand, and beside what Edge really writes."""

import json
import re

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from benchmarks.sizing import compared
from rag.domain.errors import InvalidRequest
from rag.sizing.cluster import (
    CHUNKS_PER_SHARD,
    GIB,
    Node,
    Workload,
    dense_bytes,
    link_bytes,
    plan,
    quantised_bytes,
)

MILLION = Workload(1_000_000, dimensions=1024, vectors_on_disk=False, terms=100)


def test_parts_by_hand() -> None:
    assert dense_bytes(1024) == 4096
    assert (quantised_bytes(1024, "none"), quantised_bytes(1024, "scalar"), quantised_bytes(1024, "turbo")) == (
        0,
        1028,
        520,
    )
    # a million points are numbered with 20 bits; 32 links on the ground, 16/15 above, and the same within the scope
    assert link_bytes(16, 1_000_000) == pytest.approx(2 * (32 + 16 / 15) * 20 / 8)
    assert link_bytes(0, 1_000_000) == 0
    assert link_bytes(16, 10**9) == link_bytes(16, CHUNKS_PER_SHARD)  # a link stays inside its shard


def test_a_million_chunks_on_one_node_by_hand() -> None:
    found = plan(MILLION)
    graph = 165 + 1 / 3
    memory, disk = 4096 + graph + 800 + 290 + 48, 4096 + graph + 800 + 800 + 384 + 485 + 30
    assert found.memory == pytest.approx(memory * 1e6 * 1.2, abs=1)
    assert found.disk == pytest.approx(disk * 1e6 * 1.5 + 576 * 2**20 * 1.5, abs=1)
    assert (found.nodes, found.shards, found.limit) == (1, 1, "memory")


def test_a_billion_chunks_by_hand() -> None:
    found = plan(Workload(10**9, dimensions=1024, quantisation="turbo", replicas=2))
    graph = 2 * (32 + 16 / 15) * 25 / 8
    memory = (520 + graph + 8 * 160 + 290 + 48) * 1e9 * 2 * 1.2
    assert found.memory == pytest.approx(memory, rel=1e-9)
    assert found.nodes == -(-memory // (0.9 * 256 * GIB)) == 23
    # 12 shards for 23 nodes with two copies; 50 would hold the chunks, 60 is the next multiple of 12
    assert found.shards == 60
    assert found.disk == pytest.approx(
        (4096 + 520 + graph + 1280 + 1280 + 384 + 485 + 30) * 1e9 * 3 + 60 * 2 * 576 * 2**20 * 1.5, rel=1e-9
    )
    assert found.memory_per_node < 256 * GIB and found.disk_per_node < 4096 * GIB


def test_what_decides_the_number_of_nodes() -> None:
    small_disk = plan(MILLION, Node(memory=256 * GIB, disk=4 * GIB))
    # 10.14 GB of chunks and .91 GB for each shard; 3.87 GB of a node are planned for: 3 would do but for their 3 shards
    assert (small_disk.limit, small_disk.nodes, small_disk.shards) == ("disk", 4, 4)
    copies = plan(Workload(1000, replicas=2))
    assert (copies.limit, copies.nodes, copies.shards) == ("copies", 3, 2)
    assert plan(Workload(1000, replicas=5)).nodes == 5


def test_quantisation_saves_memory_only_with_vectors_on_disk() -> None:
    def memory(**changes: object) -> int:
        return plan(Workload(10**6, 1024, **changes)).memory  # type: ignore[arg-type]

    full = memory(vectors_on_disk=False)
    assert memory(vectors_on_disk=False, quantisation="turbo") > full
    assert memory(quantisation="scalar") < full / 2
    assert memory(quantisation="turbo") < memory(quantisation="scalar")
    assert memory(quantisation="turbo", quantised_in_memory=False) == memory(quantisation="none")


def test_late_interaction_is_mostly_disk() -> None:
    plain, late = plan(Workload(10**6)), plan(Workload(10**6, tokens=200, token_dimensions=1024, learned_terms=80))
    assert late.memory == pytest.approx(plain.memory + 8 * 80 * 1e6 * 1.2, abs=2)
    assert late.disk > plain.disk + 4 * 200 * 1024 * 1e6 * 1.5


def test_no_dense_leg() -> None:
    names = [part.name for part in plan(Workload(10**6, dimensions=0, quantisation="turbo")).parts]
    assert names == ["sparse vectors", "sparse index", "payload", "payload indexes", "ids"]


@pytest.mark.parametrize("bad", [Workload(0), Workload(1, replicas=0), Workload(1, dimensions=-1)])
def test_nonsense_is_refused(bad: Workload) -> None:
    with pytest.raises(InvalidRequest):
        plan(bad)


def test_the_command_prints_the_plan() -> None:
    arguments = ["sizing", "--chunks", "1e9", "--dimensions", "1024", "--quantisation", "turbo", "--replicas", "2"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "nodes: 23" in shown.output and "shards: 60" in shown.output
    as_json = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert (as_json["nodes"], as_json["shards"], as_json["workload"]["chunks"]) == (23, 60, 10**9)
    assert set(as_json["parts"][0]) == {"name", "disk", "memory", "formula"}
    assert sum(part["memory"] for part in as_json["parts"]) * 1e9 * 2 * 1.2 == pytest.approx(as_json["memory"])
    korean = CliRunner().invoke(app, arguments, env={"SEOGO_LANG": "ko"}).output
    assert "노드: 23대(메모리 기준)" in korean and "검색 그래프" in korean
    assert not re.search(r"\b(of|each|part|together|disk|chunks)\b", korean), korean
    plan_of_all = [*arguments, "--tokens", "300", "--learned-terms", "40", "--token-dimensions", "128"]
    korean = CliRunner().invoke(app, plan_of_all, env={"SEOGO_LANG": "ko"}).output
    for line in korean.splitlines()[1:-1]:  # the last one holds settings
        assert not re.findall(r"[a-z]{2,}", line.replace("turbo", "")), line
    for formula in ("8 · 낱말 200개", "4 · 토큰 300개 · 128", "30, 메모리 48"):
        assert formula in korean
    for formula in ("8 · 200 terms", "4 · 300 tokens · 128", "30, in memory 48"):
        assert formula in CliRunner().invoke(app, plan_of_all).output
    for wrong in ("-5", "1.5", "viele", "1e13", "nan", "inf"):
        assert CliRunner().invoke(app, ["sizing", f"--chunks={wrong}"]).exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize("quantisation", ["none", "scalar", "turbo"])
def test_the_formulas_meet_what_edge_writes(quantisation: str) -> None:
    for part in compared(20_000, 384, quantisation):
        assert 0.95 * part.measured <= part.computed <= 1.5 * part.measured, part


def test_a_small_shard_meets_them_too() -> None:
    exact = {part.name: part for part in compared(1_000, 384, "turbo")}
    for name in ("dense vectors", "quantised copy"):
        part = exact[name]
        assert 0.9 * part.measured <= part.computed <= 1.1 * part.measured, part
