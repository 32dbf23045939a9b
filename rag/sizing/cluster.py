"""How much memory and disk an index on Qdrant takes, and how many nodes and shards hold it.

Every part of a chunk has a formula and says where it comes from. "Measured" is `python -m benchmarks.sizing`: qdrant-edge-py
0.9, which writes the server's file formats, 20,000 chunks of 384 dimensions and 60 terms. What stays in memory follows
`rag/index/qdrant_collections.py` and the server's memory tiers (Qdrant's documentation, "Memory tiers", 1.19).

    memory of a copy = chunks · Σ memory of the parts
    memory in all    = memory of a copy · replicas · 1.2
    disk in all      = (chunks · Σ disk of the parts · replicas + shards · replicas · 576 MiB) · 1.5
    nodes            = the most of: memory in all / (0.9 · memory of a node), disk in all / (0.9 · disk of a node), replicas,
                       and 3 where there are copies
    shards           = the least multiple of nodes / replicas, rounded up, with at most 20,000,000 chunks in a shard
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from rag.domain.errors import InvalidRequest

Quantisation = Literal["none", "scalar", "turbo"]

GIB = 1 << 30
MIB = 1 << 20

TERMS = 160
"""Distinct terms of a chunk with Hangul bigrams: 160 in an article of ko_finlaw (449 characters), 125 in one of
en_scifact_train (1,495), 28 in one of code_cosqa_dev (274); means of 300 texts each."""
BYTES_PER_POSTING = 8
"""Of the inverted index: a weight in 4 bytes, a compressed id and skip data. Measured: 7.0."""
BYTES_PER_STORED_TERM = 8
"""Of the vector itself, kept for updates: id and weight, 4 bytes each. Measured: 6.4, compressed in blocks of 128 bytes."""
PAYLOAD = 384
"""Ids, scope, labels and validity of a point, compressed. Measured: 383."""
PAYLOAD_INDEXES = 485
"""Of 6 keyword and 2 integer fields. Measured: 485, of which 98 for scope, 59 for labels, 65 for document, 65 for validity."""
PAYLOAD_INDEXES_IN_MEMORY = 290
"""Of these what searches use: scope, labels, document and validity."""
IDS_ON_DISK = 30
"""Id, and version of the last change. Measured: 29.3."""
IDS_IN_MEMORY = 48
"""Id (16 bytes) and number (4) in both directions, version (8)."""
SEGMENTS_PER_SHARD = 8
"""The server's usual number: one for each core, up to 8."""
BYTES_PER_SHARD = 64 * MIB + SEGMENTS_PER_SHARD * 64 * MIB
"""What a shard takes when empty: two files of 32 MiB of write-ahead log, and in each segment pages that are laid out at once.
Measured: 55 MB of log, and 61 MB in the pages of two segments."""
CHUNKS_PER_SHARD = 20_000_000
"""Our choice. At 1,024 dimensions such a shard is some 170 GB, which is how much travels when it is moved to another node."""
MEMORY_HEADROOM = 1.2
"""For requests, for the segments that are being built, and for the operating system's own use."""
DISK_HEADROOM = 1.5
"""A segment is written anew before the old one goes; the factor of Qdrant's own rule (documentation, "Capacity planning")."""
FILL = 0.9
"""Share of a node that is planned for."""
_SMALLEST_CLUSTER = 3
"""Nodes whose majority survives the loss of one (Raft: Ongaro & Ousterhout 2014)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be held.

    Attributes:
        dimensions: of the dense leg; 0 where there is none.
        terms: distinct terms of a chunk in the lexical leg.
        learned_terms: the same of a model's own term weights; 0 where there are none.
        tokens, token_dimensions: of a chunk for late interaction; 0 where there are none.
        hnsw_m: links per point in the search graph (`index.server.hnsw_m`).
        replicas: copies of every chunk.
        vectors_on_disk, quantised_in_memory: as in `index.server`.
    """

    chunks: int
    dimensions: int = 1024
    quantisation: Quantisation = "none"
    replicas: int = 1
    vectors_on_disk: bool = True
    quantised_in_memory: bool = True
    hnsw_m: int = 16
    terms: int = TERMS
    learned_terms: int = 0
    tokens: int = 0
    token_dimensions: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster, in bytes."""

    memory: int = 256 * GIB
    disk: int = 4096 * GIB


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of one chunk in one copy, and how they come about.

    Attributes:
        formula_ko: the formula in Korean, where it holds words; else empty.
    """

    name: str
    disk: float
    memory: float
    formula: str
    formula_ko: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes, all copies and headroom included, in bytes."""

    parts: tuple[Part, ...]
    memory: int
    disk: int
    nodes: int
    shards: int
    limit: str

    @property
    def memory_per_node(self) -> int:
        """Of the memory in all."""
        return math.ceil(self.memory / self.nodes)

    @property
    def disk_per_node(self) -> int:
        """Of the disk in all."""
        return math.ceil(self.disk / self.nodes)


def plan(workload: Workload, node: Node | None = None) -> Plan:
    """Memory, disk, nodes and shards for a workload.

    Raises:
        InvalidRequest: a number is out of range.
    """
    node = node or Node()
    _check(workload, node)
    parts = tuple(item for item in _parts(workload) if item.disk or item.memory)
    memory = workload.chunks * sum(item.memory for item in parts) * workload.replicas * MEMORY_HEADROOM
    disk = workload.chunks * sum(item.disk for item in parts) * workload.replicas * DISK_HEADROOM
    least = max(workload.replicas, _SMALLEST_CLUSTER) if workload.replicas > 1 else 1
    shards = nodes = 0
    # shards have a size of their own, so more of them can need one more node; each round only grows
    while True:
        fixed = shards * workload.replicas * BYTES_PER_SHARD * DISK_HEADROOM
        needs = {
            "memory": math.ceil(memory / (FILL * node.memory)),
            "disk": math.ceil((disk + fixed) / (FILL * node.disk)),
            "copies": least,
        }
        wanted_nodes = max(needs.values())
        wanted_shards = _shards(workload, wanted_nodes)
        if (wanted_nodes, wanted_shards) == (nodes, shards):
            limit = max(needs, key=lambda key: needs[key])
            return Plan(parts, math.ceil(memory), math.ceil(disk + fixed), nodes, shards, limit)
        nodes, shards = max(nodes, wanted_nodes), max(shards, wanted_shards)


def dense_bytes(dimensions: int) -> int:
    """A full vector: 4 bytes a dimension (float32)."""
    return 4 * dimensions


def quantised_bytes(dimensions: int, quantisation: Quantisation) -> float:
    """The small copy: scalar d + 4 (int8, and a correction), turbo d / 2 + 8 (4 bits, and two). Measured: d + 4, d / 2 + 8."""
    if quantisation == "scalar":
        return dimensions + 4
    return dimensions / 2 + 8 if quantisation == "turbo" else 0


def link_bytes(m: int, chunks: int) -> float:
    """Links of a point: (2m on the ground + m · 1/(m - 1) above) · ⌈log₂ points⌉ / 8, and as many again inside its scope.

    A point is in 1/(m - 1) upper levels on average (Malkov & Yashunin 2018, with mL = 1 / ln m); the server packs each link
    into as many bits as number the points of a segment. Measured without links inside scopes: 55 for m = 16, here 62.
    Links inside scopes (`payload_m`) are an upper bound: scopes too small for a graph have none.
    """
    if m < 2:
        return 0.0
    bits = math.ceil(math.log2(max(2, min(chunks, CHUNKS_PER_SHARD))))
    return 2 * (2 * m + m / (m - 1)) * bits / 8


def _parts(load: Workload) -> list[Part]:
    full, small = dense_bytes(load.dimensions), 0.0
    if load.dimensions:
        small = quantised_bytes(load.dimensions, load.quantisation)
    links = link_bytes(load.hnsw_m, load.chunks) if load.dimensions else 0.0
    terms = load.terms + load.learned_terms
    postings = float(BYTES_PER_POSTING * terms)
    return [
        Part("dense vectors", full, 0 if load.vectors_on_disk else full, f"4 · {load.dimensions}"),
        Part("quantised copy", small, small if load.quantised_in_memory else 0, load.quantisation),
        Part("search graph", links, links, *_links_formula(load)),
        Part("sparse vectors", BYTES_PER_STORED_TERM * terms, 0, *_terms_formula(BYTES_PER_STORED_TERM, terms)),
        Part("sparse index", postings, postings, *_terms_formula(BYTES_PER_POSTING, terms)),
        Part("token vectors", dense_bytes(load.tokens * load.token_dimensions), 0, *_tokens_formula(load)),
        Part("payload", PAYLOAD, 0, str(PAYLOAD)),
        Part("payload indexes", PAYLOAD_INDEXES, PAYLOAD_INDEXES_IN_MEMORY, str(PAYLOAD_INDEXES)),
        Part("ids", IDS_ON_DISK, IDS_IN_MEMORY, *_ids_formula()),
    ]


def _links_formula(load: Workload) -> tuple[str, str]:
    before, after = "2 · (2m + m/(m-1)) ·", f"/ 8, m = {load.hnsw_m}"
    return f"{before} bits {after}", f"{before} 비트 {after}"


def _terms_formula(each: int, terms: int) -> tuple[str, str]:
    return f"{each} · {terms} terms", f"{each} · 낱말 {terms}개"


def _tokens_formula(load: Workload) -> tuple[str, str]:
    tokens, width = load.tokens, load.token_dimensions
    return f"4 · {tokens} tokens · {width}", f"4 · 토큰 {tokens}개 · {width}"


def _ids_formula() -> tuple[str, str]:
    return f"{IDS_ON_DISK}, in memory {IDS_IN_MEMORY}", f"{IDS_ON_DISK}, 메모리 {IDS_IN_MEMORY}"


def _shards(workload: Workload, nodes: int) -> int:
    """Copies of shards spread evenly: shards · replicas is a multiple of the nodes, or nearly."""
    step = math.ceil(nodes / workload.replicas)
    return step * max(1, math.ceil(workload.chunks / (CHUNKS_PER_SHARD * step)))


def _check(load: Workload, node: Node) -> None:
    least_zero = (load.dimensions, load.hnsw_m, load.terms, load.learned_terms, load.tokens, load.token_dimensions)
    if load.chunks < 1 or load.replicas < 1 or min(least_zero) < 0:
        raise InvalidRequest(
            detail="sizing: chunks and replicas are at least 1, and nothing is negative",
            detail_ko="규모 계산: 청크와 복제본은 1 이상이고, 음수는 쓸 수 없습니다",
        )
    if node.memory < GIB or node.disk < GIB:
        raise InvalidRequest(
            detail="sizing: a node has at least 1 GiB of memory and of disk",
            detail_ko="규모 계산: 노드의 메모리와 디스크는 각각 1GiB 이상이어야 합니다",
        )
