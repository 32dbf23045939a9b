"""`seogo sizing`: memory, disk, nodes and shards of an index on Qdrant, without asking any server."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api.cli.texts import text, ui_language

if TYPE_CHECKING:
    from rag.sizing.cluster import Plan, Workload

Quantisation = Literal["none", "scalar", "turbo"]


def sizing(
    chunks: Annotated[str, typer.Option(help="Chunks to hold, such as 250000 or 1e9.")],
    dimensions: Annotated[int, typer.Option(min=0, max=65_536, help="Of the dense vectors; 0 for none.")] = 1024,
    quantisation: Annotated[Quantisation, typer.Option(help="Small copy of the vectors.")] = "turbo",
    replicas: Annotated[int, typer.Option(min=1, max=16, help="Copies of every chunk.")] = 2,
    vectors_on_disk: Annotated[
        bool, typer.Option("--vectors-on-disk/--vectors-in-memory", help="Where full vectors are read from.")
    ] = True,
    hnsw_m: Annotated[int, typer.Option(min=0, max=128, help="Links per point in the search graph.")] = 16,
    terms: Annotated[int | None, typer.Option(min=0, help="Distinct terms of a chunk in the lexical leg.")] = None,
    learned_terms: Annotated[int, typer.Option(min=0, help="Of a model's own term weights.")] = 0,
    tokens: Annotated[int, typer.Option(min=0, help="Token vectors of a chunk, for late interaction.")] = 0,
    token_dimensions: Annotated[int, typer.Option(min=0, help="Their width.")] = 1024,
    node_memory_gib: Annotated[int, typer.Option(min=1, help="Memory of a node.")] = 256,
    node_disk_gib: Annotated[int, typer.Option(min=1, help="Disk of a node.")] = 4096,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Plan a Qdrant server or cluster: memory, disk, nodes and shards, with the formula of every part."""
    from rag.sizing.cluster import GIB, TERMS, Node, Workload, plan

    workload = Workload(
        chunks=_whole(chunks),
        dimensions=dimensions,
        quantisation=quantisation,
        replicas=replicas,
        vectors_on_disk=vectors_on_disk,
        hnsw_m=hnsw_m,
        terms=TERMS if terms is None else terms,
        learned_terms=learned_terms,
        tokens=tokens,
        token_dimensions=token_dimensions if tokens else 0,
    )
    node = Node(node_memory_gib * GIB, node_disk_gib * GIB)
    found = plan(workload, node)
    if as_json:
        per_node = {"memory_per_node": found.memory_per_node, "disk_per_node": found.disk_per_node}
        planned = asdict(found)
        for part in planned["parts"]:  # read by programs, in one language
            del part["formula_ko"]
        typer.echo(json.dumps({"workload": asdict(workload), "node": asdict(node), **planned, **per_node}, indent=2))
        return
    _print(workload, found)


def _print(workload: Workload, found: Plan) -> None:
    from rag.sizing.cluster import GIB

    typer.echo(text("sizing_head").format(chunks=workload.chunks, replicas=workload.replicas))
    head = [text(f"sizing_{name}") for name in ("part", "disk", "memory", "formula")]
    typer.echo(_line(*head))
    korean = ui_language() == "ko"
    for part in found.parts:
        formula = (korean and part.formula_ko) or part.formula
        name = text(f"sizing_{part.name.replace(' ', '_')}")
        typer.echo(_line(name, f"{part.disk:.0f}", f"{part.memory:.0f}", formula))
    disk, memory = sum(part.disk for part in found.parts), sum(part.memory for part in found.parts)
    typer.echo(_line(text("sizing_together"), f"{disk:.0f}", f"{memory:.0f}"))
    typer.echo(text("sizing_in_all").format(memory=found.memory / GIB, disk=found.disk / GIB))
    each = {"memory": found.memory_per_node / GIB, "disk": found.disk_per_node / GIB}
    typer.echo(text("sizing_nodes").format(nodes=found.nodes, limit=text(f"sizing_{found.limit}_limit"), **each))
    settings = f"index.server.shards: {found.shards}, index.server.replicas: {workload.replicas}"
    typer.echo(text("sizing_settings").format(settings=settings))


def _line(name: str, disk: str, memory: str, formula: str = "") -> str:
    """A line of the table; Hangul takes two places of a terminal."""
    from rich.cells import cell_len

    right = "".join(" " * max(0, 9 - cell_len(cell)) + cell for cell in (disk, memory))
    return f"  {name}{' ' * max(1, 17 - cell_len(name))}{right}   {formula}".rstrip()


def _whole(given: str) -> int:
    """A whole number, also as 1e9 or 1_000_000."""
    try:
        number = float(given.replace(",", ""))
        if number != int(number) or not 1 <= number <= 1e12:
            raise ValueError
    except (ValueError, OverflowError):
        raise typer.BadParameter(text("not_whole").format(given=given), param_hint="--chunks") from None
    return int(number)
