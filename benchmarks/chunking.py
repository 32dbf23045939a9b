"""Chunks against langchain's RecursiveCharacterTextSplitter at equal token budget and tokenizer: what retrieval brings back.

    python -m benchmarks.chunking [--budgets 128 200 256] [--half settings|report|both] [--all] [--json FILE]

`en_chunking`: long documents and questions with the exact characters that answer them. Documents are told apart into two
halves by a hash of their name. Settings of the chunker were chosen on the half `settings`; the default is the whole set, and
the half `report` tells what holds where nothing was chosen. Of each document the first 200,000 characters are used and the
questions that they answer; `--all` uses everything. Both sides' chunks are embedded, indexed and searched by the same code:
(a) the dense leg alone, MiniLM, (b) the product's hybrid search, a chunk a passage, (c) the same with neighbours as one
passage, as it shows them: five of those are as long as they come, so (c) is told and has no bar. Headings of the document
above a chunk count among the tokens that it brings back, for they are shown with it. Printed for each: recall, precision and
IoU of tokens, at 5 passages and at 800 tokens of passages, with paired 95 % bootstrap intervals of the difference over the
questions. Bar, pooled over the budgets: on (a) and (b) at each measure IoU and precision better and recall not surely worse;
of (b) at 5 passages, IoU and precision surely better. Where ranks tie, hybrid search orders by ids that differ between runs:
its figures move by some .03 points of IoU and .3 of recall.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import numpy as np
from langchain_text_splitters import RecursiveCharacterTextSplitter
from numpy.typing import NDArray

from benchmarks.data import DataMissing, unpacked
from benchmarks.workbench import Workbench, workbench
from ingest.chunking.base import Budget
from ingest.chunking.structure import StructureChunker
from ingest.parsing import media_types
from ingest.parsing.base import SourceFile
from ingest.parsing.text import TextParser
from rag.domain.anchor import LineAnchor
from rag.domain.document import Chunk, Element, ElementKind, chunk_id
from rag.domain.language import CollectionKind, Language
from rag.evaluation.intervals import bootstrap
from rag.index.base import DENSE, LegQuery

BUDGETS = (128, 200, 256)
PASSAGES = 5
SAMPLE = 200_000
TOKENS = 800
DEPTH = 40
RESAMPLES = 4000
SEED = 20261128
SIDES = ("langchain", "seogo")
MEASURES = ("recall", "precision", "iou")
MERGED = "merged"
_ROW_RULE = re.compile(r"\|(?: --- \|)+$")
"""What the parser writes below the header of a table."""
Span = tuple[int, int]
Cutter = Callable[["Source"], list["Placed"]]


@dataclass(frozen=True, slots=True)
class Source:
    """A document and the questions about it.

    Attributes:
        bounds: offsets where the tokens of the text begin, and where the last one ends.
        questions: text and answering spans.
    """

    name: str
    path: Path
    text: str
    bounds: NDArray[np.int64]
    questions: list[tuple[str, list[Span]]]


@dataclass(frozen=True, slots=True)
class Placed:
    """A chunk and the characters of its document that it shows."""

    chunk: Chunk
    spans: list[Span]


def half_of(name: str) -> str:
    """Which half a document belongs to, by its name alone."""
    return "settings" if hashlib.sha256(name.encode()).digest()[0] % 2 else "report"


def load(
    folder: Path, halves: Sequence[str], tokenize: Callable[[str], list[Span]], sample: int | None
) -> list[Source]:
    """The documents of these halves, at most their first `sample` characters, up to a line's end."""
    questions: dict[str, list[tuple[str, list[Span]]]] = {}
    for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        spans = [(span["start_index"], span["end_index"]) for span in row["metadata"]["spans"]]
        questions.setdefault(row["metadata"]["doc"], []).append((row["text"], spans))
    sources = []
    for path in sorted((folder / "docs").glob("*.md")):
        if half_of(path.stem) in halves:
            text = path.read_bytes().decode()
            if sample is not None and len(text) > sample:
                text = text[: text.rindex("\n", 0, sample)]
                path.write_text(text, encoding="utf-8", newline="")
            asked = [(q, spans) for q, spans in questions[path.stem] if all(end <= len(text) for _, end in spans)]
            starts = np.array([start for start, _ in tokenize(text)] + [len(text)], dtype=np.int64)
            sources.append(Source(path.stem, path, text, starts, asked))
    return sources


def seogo_cutter(budget: Budget) -> Cutter:
    """The product: its parser for plain text, its chunker; every line is looked up where its anchor says that it stands."""
    chunker = StructureChunker(lambda language: budget)

    def cut(source: Source) -> list[Placed]:
        parsed = TextParser().parse(source.path, SourceFile(f"{source.name}.txt", media_types.TEXT, "utf-8"))
        lines = _line_spans(source.text)
        headings = [element for element in parsed.elements if element.kind is ElementKind.HEADING]
        chunks = chunker.chunk(parsed, UUID(int=0), f"{source.name}.txt")
        return [
            Placed(chunk, [*_above(chunk, headings, source.text, lines), *_found(chunk, source.text, lines)])
            for chunk in chunks
        ]

    return cut


def _line_spans(text: str) -> list[Span]:
    ends = np.cumsum([len(line) + 1 for line in text.split("\n")]).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _above(chunk: Chunk, headings: Sequence[Element], text: str, lines: Sequence[Span]) -> Iterator[Span]:
    """The headings above the chunk, without their signs: whoever is shown it is shown them, too."""
    assert isinstance(chunk.anchor, LineAnchor)
    first = chunk.anchor.first
    nearest = {item.text: _first_line(item) for item in headings if _first_line(item) <= first}
    for title in chunk.heading_path:
        if title not in nearest:  # the name of the file
            continue
        start, stop = lines[nearest[title] - 1]
        start = text.index(title.split()[0], start, stop)
        yield start, text.index(title.split()[-1], start, stop) + len(title.split()[-1])


def _first_line(element: Element) -> int:
    assert isinstance(element.anchor, LineAnchor)
    return element.anchor.first


def _found(chunk: Chunk, text: str, lines: Sequence[Span]) -> Iterator[Span]:
    offset, stop = 0, 0
    for line in chunk.text.split("\n"):
        words = line.replace("|", " ").split() if line.startswith("| ") else line.split()
        if words and not _ROW_RULE.match(line):
            anchor = chunk.anchor_of(offset, offset + len(line))
            assert isinstance(anchor, LineAnchor)
            low, high = lines[anchor.first - 1][0], lines[anchor.last - 1][1]
            after = stop if low <= stop <= high else low
            # The parser may have replaced characters and taken out blanks, so only the words have to be there, in order.
            found = re.search(r"[\s|]*".join(map(re.escape, words)), text[after:high])
            if found is None:
                raise ValueError(f"{line[:60]!r} does not stand where its anchor says")
            yield after + found.start(), (stop := after + found.end())
        offset += len(line) + 1


def langchain_cutter(budget: Budget) -> Cutter:
    """The peer, as `from_huggingface_tokenizer` sets it up: default separators, length in tokens without special ones.

    It adds up the lengths of its splits, so special tokens in each would make its chunks a third smaller than the budget.
    """
    [special] = budget.count([""])
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=budget.limit - special, chunk_overlap=0, add_start_index=True,
        length_function=lambda text: budget.count([text])[0] - special,
    )  # fmt: skip

    def cut(source: Source) -> list[Placed]:
        placed = []
        for ordinal, found in enumerate(splitter.create_documents([source.text])):
            start, body = found.metadata["start_index"], found.page_content
            identity = chunk_id(UUID(int=0), f"{source.name}{budget.limit}", ordinal)
            chunk = Chunk(identity, ordinal, body, LineAnchor(1, 1), language=Language.ENGLISH)
            placed.append(Placed(chunk, [(start, start + len(body))]))
        return placed

    return cut


def tokens_of(source: Source, spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Which tokens of the document lie in the spans."""
    covered = np.zeros(len(source.bounds) - 1, dtype=np.bool_)
    for start, end in spans:
        covered[np.searchsorted(source.bounds, start, "right") - 1 : np.searchsorted(source.bounds, end, "left")] = True
    return covered


@dataclass(frozen=True, slots=True)
class Filled:
    """A workbench with one side's chunks in it."""

    bench: Workbench
    placed: dict[str, tuple[str, list[Span]]]
    sizes: list[int]


def fill(bench: Workbench, sources: Sequence[Source], cut: Cutter) -> Filled:
    """Cut, embed and index the documents."""
    placed: dict[str, tuple[str, list[Span]]] = {}
    sizes = []
    for source in sources:
        own = []
        for number, item in enumerate(cut(source)):
            chunk = replace(item.chunk, id=chunk_id(bench.version_for(source.name), "bench", number), ordinal=number)
            placed[str(chunk.id)] = (source.name, item.spans)
            sizes.append(int(tokens_of(source, item.spans).sum()))
            own.append(chunk)
        bench.add([(source.name, own)])
    return Filled(bench, placed, sizes)


def ranked(filled: Filled, question: str) -> dict[str, list[tuple[str, ...]]]:
    """Passages by the ids of their chunks, best first: of the dense leg, of hybrid search, and of that with neighbours as one."""
    bench, permit = filled.bench, filled.bench.permit()
    vector = bench.rag.space.embed_query(question, Language.ENGLISH).dense
    assert vector is not None
    dense = bench.rag.index.search(permit, {DENSE: LegQuery(vector, DEPTH)})[DENSE]
    merging = bench.rag.retriever
    apart = replace(merging, settings=merging.settings.model_copy(update={"merge_neighbours": False}))
    hybrid, merged = (one.search(permit, question, limit=DEPTH).passages for one in (apart, merging))
    return {
        "dense": [(str(hit.chunk_id),) for hit in dense],
        "hybrid": [(str(passage.chunk.id),) for passage in hybrid],
        MERGED: [tuple(map(str, passage.members or (passage.chunk.id,))) for passage in merged],
    }


def scores(
    filled: Filled,
    sources: dict[str, Source],
    asked: Source,
    wanted: Sequence[Span],
    ranking: Sequence[tuple[str, ...]],
) -> dict[str, tuple[float, float, float]]:
    """Recall, precision and IoU at 5 passages and at 800 tokens."""
    relevant = tokens_of(asked, wanted)
    masks = []
    for members in ranking:
        name = filled.placed[members[0]][0]
        spans = [span for identity in members for span in filled.placed[identity][1]]
        masks.append((name, np.flatnonzero(tokens_of(sources[name], spans))))
    found: dict[str, tuple[float, float, float]] = {}
    for rule in ("k", "tokens"):
        taken = masks[:PASSAGES] if rule == "k" else _up_to(masks, TOKENS)
        total = sum(len(places) for _, places in taken)
        found_once = np.zeros_like(relevant)
        for name, places in taken:
            if name == asked.name:
                found_once[places] = True
        hit = int((relevant & found_once).sum())
        found[rule] = (hit / relevant.sum(), hit / max(total, 1), hit / (relevant.sum() + total - hit))
    return found


def _up_to(masks: Sequence[tuple[str, NDArray[np.int64]]], limit: int) -> list[tuple[str, NDArray[np.int64]]]:
    """Passages of `limit` tokens in all; the last one is cut."""
    taken = []
    for name, places in masks:
        taken.append((name, places[:limit]))
        limit -= len(taken[-1][1])
        if limit <= 0:
            break
    return taken


def measure(filled: Filled, sources: Sequence[Source]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Rows of recall, precision, IoU, one per question, by leg and rule."""
    by_name = {source.name: source for source in sources}
    rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for source in sources:
        for question, wanted in source.questions:
            for leg, ranking in ranked(filled, question).items():
                for rule, values in scores(filled, by_name, source, wanted, ranking).items():
                    rows.setdefault((leg, rule), []).append(values)
    return {key: np.array(values) for key, values in rows.items()}


def run(
    halves: Sequence[str], budgets: Sequence[int], sides: Sequence[str], sample: int | None
) -> list[dict[str, object]]:
    """All budgets on both sides; prints a table for each."""
    rows: list[dict[str, object]] = []
    pooled: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    with unpacked("en_chunking") as folder:
        for limit in budgets:
            results: dict[str, dict[tuple[str, str], NDArray[np.float64]]] = {}
            for side in sides:
                start = time.perf_counter()
                with workbench(CollectionKind.DOCUMENTS) as bench:
                    embedder = bench.rag.space.budget_embedder(Language.ENGLISH)
                    budget = Budget(limit, embedder.count_tokens)
                    sources = load(folder, halves, tokenizer(bench), sample)
                    cut = seogo_cutter(budget) if side == "seogo" else langchain_cutter(budget)
                    filled = fill(bench, sources, cut)
                    results[side] = measure(filled, sources)
                print(
                    f"budget {limit}, {side}: {len(filled.sizes)} chunks, {np.mean(filled.sizes):.0f} tokens on average, "
                    f"{time.perf_counter() - start:.0f} s",
                    flush=True,
                )
            for key, values in results[sides[-1]].items():
                rows.append(_row(limit, key, results, values))
                if len(sides) == 2:
                    pooled.setdefault(key, []).append(values - results[sides[0]][key])
    for key, gains in pooled.items():
        rows.append({"budget": "all", "leg": key[0], "at": key[1], **_gain(np.concatenate(gains))})
    return rows


def tokenizer(bench: Workbench) -> Callable[[str], list[Span]]:
    """Character spans of a text's tokens, by the dense model's own tokenizer."""
    from tokenizers import Tokenizer

    from rag.embedding.sentence_transformer import default_minilm_folder

    loaded = Tokenizer.from_file(str(default_minilm_folder() / "tokenizer.json"))
    loaded.no_truncation()
    loaded.no_padding()
    return lambda text: list(loaded.encode(text, add_special_tokens=False).offsets)


def _row(
    limit: int,
    key: tuple[str, str],
    results: dict[str, dict[tuple[str, str], NDArray[np.float64]]],
    values: NDArray[np.float64],
) -> dict[str, object]:
    row: dict[str, object] = {"budget": limit, "leg": key[0], "at": key[1]}
    for side, found in results.items():
        row |= {f"{side} {name}": round(float(found[key][:, i].mean()) * 100, 2) for i, name in enumerate(MEASURES)}
    return row | (_gain(values - results["langchain"][key]) if "langchain" in results else {})


def _gain(gains: NDArray[np.float64]) -> dict[str, object]:
    row: dict[str, object] = {}
    for i, name in enumerate(MEASURES):
        interval = bootstrap(gains[:, i], resamples=RESAMPLES, seed=SEED)
        row[f"gain {name}"] = [round(value * 100, 2) for value in interval]
    return row


def show(rows: Sequence[dict[str, object]]) -> None:
    """The rows as a table: the peer, ours, the gain with its interval, in percent."""
    for row in rows:
        parts = [f"{row['budget']!s:>4} {row['leg']!s:7}@{row['at']!s:7}"]
        for name in MEASURES:
            means = "/".join(f"{row[f'{side} {name}']:5.2f}" for side in SIDES if f"{side} {name}" in row)
            gain = row.get(f"gain {name}")
            shown = f" {gain[0]:+.2f} [{gain[1]:+.2f}, {gain[2]:+.2f}]" if isinstance(gain, list) else ""
            parts.append(f"{name} {means}{shown}")
        print("  ".join(parts))


def reached(rows: Sequence[dict[str, object]]) -> bool:
    """The bar; `surely` is the end of the interval."""
    for row in rows:
        if row["budget"] != "all" or row["leg"] == MERGED:
            continue
        product = (row["leg"], row["at"]) == ("hybrid", "k")
        for name in MEASURES:
            gain = row[f"gain {name}"]
            assert isinstance(gain, list)
            mean, low, high = gain
            if (high < 0) if name == "recall" else (low if product else mean) <= 0:
                return False
    return True


def main() -> int:
    """Run and compare with the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budgets", type=int, nargs="+", default=list(BUDGETS))
    parser.add_argument("--half", choices=("settings", "report", "both"), default="both")
    parser.add_argument("--side", choices=SIDES, help="one side only, without a comparison")
    parser.add_argument("--all", action="store_true", help="whole documents")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    halves = ("settings", "report") if arguments.half == "both" else (arguments.half,)
    sides = (arguments.side,) if arguments.side else SIDES
    try:
        rows = run(halves, arguments.budgets, sides, None if arguments.all else SAMPLE)
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\nhalf: {arguments.half}; percent, langchain/seogo, gain with its 95 % interval")
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    if len(sides) == 1:
        return 0
    done = reached(rows)
    print(f"bar: {'reached' if done else 'MISSED'}")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
