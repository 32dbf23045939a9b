"""Our encode loop against FlagEmbedding's own, on a model of bge-m3's shape and the same texts.

    python -m benchmarks.flag_encoding [--texts 1,8,64,256] [--layers N] [--precision float32,auto] [--rounds N] [--json]

The model: random weights in XLM-RoBERTa-large's shape (24 layers, 1,024 wide, 16 heads, 4,096 feed-forward) with a small
vocabulary, which costs memory and not time, built in a temporary folder. The texts: Korean and English in turn, of lognormal
length. Theirs: `BGEM3FlagModel(folder, use_fp16=False).encode(texts, return_dense=True, return_sparse=True)`, its batch of 256.
Ours: `load_flag(folder)` and `embed`, dense and sparse. One process, in turn, the same threads, tokenisation included on both
sides. Every number of texts gets its rounds with the order swapped; medians of the wall clock and of the process's CPU seconds.

Differences are the largest of any number: dense components and term weights. A narrower number format is told with the
smallest cosine of its dense vectors to theirs; float32 against float32 is told beside it.
Bars: ratio >= 2 for every N within their batch of 256, padding <= 1.2, difference <= 1e-4 in float32, cosine >= 0.999 in any;
exit status 1 where one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from rag.domain.language import Language
from rag.domain.vectors import Embeddings, SparseVector
from rag.embedding.base import Role
from rag.embedding.flag import load_flag
from rag.embedding.local import LocalEmbedder
from rag.embedding.precision import MIN_COSINE, Precision
from rag.inference.batches import padding_factor
from tests.support.tiny_models import bge_m3_folder, lognormal_texts

BAR, PADDING_BAR, DIFFERENCE_BAR = 2.0, 1.2, 1e-4
LIMIT = 512
"""Longest text in tokens: FlagEmbedding's default."""

Encode = Callable[[Sequence[str]], Embeddings]


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured for one number of texts in one number format of ours; theirs is always float32.

    Attributes:
        theirs_s, ours_s: medians over the rounds, wall clock seconds.
        ratio: median over the rounds of theirs divided by ours; `cpu_ratio` of the process's CPU seconds.
        padding: tokens that we compute, padding included, for each real one; `their_padding` theirs.
        cosine: smallest between our dense vectors and theirs.
        load_1m: processes that wanted to run in the last minute.
    """

    precision: str
    texts: int
    tokens: int
    theirs_s: float
    ours_s: float
    ratio: float
    cpu_ratio: float
    padding: float
    their_padding: float
    difference: float
    cosine: float
    load_1m: float

    def missed(self) -> list[str]:
        """The bars that were missed."""
        bars = {
            f"ratio {self.ratio:.2f} < {BAR}": self.ratio >= BAR,
            f"padding {self.padding:.2f} > {PADDING_BAR}": self.padding <= PADDING_BAR,
            f"cosine {self.cosine:.5f} < {MIN_COSINE}": self.cosine >= MIN_COSINE,
            f"difference {self.difference:.1e} > {DIFFERENCE_BAR}": self.precision
            not in ("float32", "openvino-float32")
            or self.difference <= DIFFERENCE_BAR,
        }
        return [f"{self.precision}, N = {self.texts}: {bar}" for bar, met in bars.items() if not met]


def theirs(folder: Path) -> Encode:
    """The library's side: float32, since half precision is wrong on a CPU; everything else its default."""
    from FlagEmbedding import BGEM3FlagModel

    model = BGEM3FlagModel(str(folder), use_fp16=False, devices="cpu")

    def encode(texts: Sequence[str]) -> Embeddings:
        made: dict[str, Any] = model.encode(list(texts), return_dense=True, return_sparse=True)
        terms = ({int(term): float(weight) for term, weight in item.items()} for item in made["lexical_weights"])
        ordered = ({term: item[term] for term in sorted(item)} for item in terms)
        return Embeddings(
            dense=np.asarray(made["dense_vecs"], dtype=np.float32),
            sparse=tuple(SparseVector(tuple(item), tuple(item.values())) for item in ordered),
        )

    return encode


def ours(embedder: LocalEmbedder) -> Encode:
    """Our side as a function."""
    return lambda texts: embedder.embed(texts, Role.PASSAGE)


def difference(a: Embeddings, b: Embeddings) -> float:
    """Largest difference of any dense component or term weight; a term that one side lacks counts as zero there."""
    if a.dense is None or b.dense is None or a.sparse is None or b.sparse is None:
        raise TypeError("both sides give dense and sparse vectors")
    largest = float(np.max(np.abs(a.dense - b.dense)))
    for one, other in zip(a.sparse, b.sparse, strict=True):
        left, right = (dict(zip(item.indices, item.values, strict=True)) for item in (one, other))
        largest = max(largest, *(abs(left.get(t, 0.0) - right.get(t, 0.0)) for t in left.keys() | right.keys()), 0.0)
    return largest


def timed(encode: Encode, texts: Sequence[str]) -> tuple[float, float, Embeddings]:
    """Wall seconds, CPU seconds of the process, and the vectors."""
    cpu, wall = time.process_time(), time.perf_counter()
    made = encode(texts)
    return time.perf_counter() - wall, time.process_time() - cpu, made


def measure(
    texts: Sequence[str], their_encode: Encode, embedders: Sequence[LocalEmbedder], rounds: int
) -> list[Report]:
    """Theirs and each of ours in turn on the same texts."""
    sides: dict[str, Encode] = {
        "theirs": their_encode,
        **{embedder.precision: ours(embedder) for embedder in embedders},
    }
    times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    made: dict[str, Embeddings] = {}
    for turn in range(rounds):
        for side in sorted(sides, reverse=bool(turn % 2)):
            wall, cpu, made[side] = timed(sides[side], texts)
            times[side].append((wall, cpu))
    lengths = [min(length, LIMIT) for length in embedders[0].count_tokens(texts)]
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    rows = [order[i : i + 256] for i in range(0, len(order), 256)]
    expected = made["theirs"]
    reports = []
    for embedder in embedders:
        pairs = list(zip(times["theirs"], times[embedder.precision], strict=True))
        found = made[embedder.precision]
        reports.append(
            Report(
                precision=embedder.precision,
                texts=len(texts),
                tokens=sum(lengths),
                theirs_s=statistics.median(a[0] for a, _ in pairs),
                ours_s=statistics.median(b[0] for _, b in pairs),
                ratio=statistics.median(a[0] / b[0] for a, b in pairs),
                cpu_ratio=statistics.median(a[1] / b[1] for a, b in pairs),
                padding=padding_factor(lengths, embedder.batches(lengths)),
                their_padding=padding_factor(lengths, rows),
                difference=difference(found, expected),
                cosine=float(np.min(np.sum(cast(Any, found.dense) * expected.dense, axis=1))),
                load_1m=os.getloadavg()[0],
            )
        )
    return reports


def run(counts: Sequence[int], layers: int, precisions: Sequence[str], rounds: int, median: float) -> list[Report]:
    """Build the model, load both sides, and measure every number of texts."""
    with tempfile.TemporaryDirectory() as place:
        folder = bge_m3_folder(
            Path(place) / "m3", layers=layers, width=1024, heads=16, feed_forward=4096, limit=LIMIT, spread=0.02
        )
        embedders: dict[str, LocalEmbedder] = {}
        for precision in precisions:
            made = load_flag(
                folder, name="m3", languages=frozenset(Language), precision=cast(Precision, precision), cache_dir=None
            )
            embedders.setdefault(made.precision, made)
        their_encode = theirs(folder)
        warm = lognormal_texts(2, seed=1, median=median)
        for encode in (their_encode, *map(ours, embedders.values())):
            encode(warm)
        reports: list[Report] = []
        for count in counts:
            texts = lognormal_texts(count, seed=count, median=median)
            few = rounds if count <= 8 else 1
            for report in measure(texts, their_encode, list(embedders.values()), few):
                reports.append(report)
                print(line(report), flush=True)
        return reports


def line(report: Report) -> str:
    """One row of the table."""
    return (
        f"{report.precision:>17}  N {report.texts:>4}  tokens {report.tokens:>6}  theirs {report.theirs_s:8.2f} s  "
        f"ours {report.ours_s:8.2f} s  ratio {report.ratio:5.2f} (cpu {report.cpu_ratio:5.2f})  padding {report.padding:.2f} "
        f"(theirs {report.their_padding:.2f})  difference {report.difference:.1e}  cosine {report.cosine:.5f}"
    )


def main() -> int:
    """Measure and report; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", default="1,8,64,256", help="numbers of texts")
    parser.add_argument("--layers", type=int, default=24, help="fewer take less time; the shape of a layer stays")
    parser.add_argument("--precision", default="float32,auto", help="number formats of ours")
    parser.add_argument("--rounds", type=int, default=3, help="for up to 8 texts; more have one")
    parser.add_argument("--median", type=float, default=20.0, help="of the lengths, in words")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    counts = [int(count) for count in arguments.texts.split(",")]
    reports = run(counts, arguments.layers, arguments.precision.split(","), arguments.rounds, arguments.median)
    if arguments.json:
        print(json.dumps([asdict(report) for report in reports], indent=2))
    missed = [bar for report in reports for bar in report.missed()]
    print("\n".join(["MISSED", *missed]) if missed else "all bars met", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
