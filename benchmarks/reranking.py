"""Our reranking loop against FlagEmbedding's `FlagReranker`, on the same model, question and passages.

    python -m benchmarks.reranking [--candidates N] [--layers N] [--rounds N] [--budget TOKENS] [--json]

The model has the shape of bge-reranker-v2-m3 (XLM-RoBERTa large: 24 layers, 1,024 wide) and random weights, made here. Its
vocabulary is small, which costs neither side anything, for rows of an embedding table are looked up. `--layers` makes it
shallower: the time is then that of so many layers, and the ratio about the same. Passages are of lognormal length (median 90
words, sigma .7), cut on both sides at 512 tokens. Theirs: `FlagReranker(folder).compute_score(pairs, normalize=True)`, all
defaults. Ours: `load_flag` and `score`. One process, in turn, the same threads, tokenisation included on both sides; the order
swaps every round. Medians of the wall clock and, because neighbours on a shared machine disturb that, of the CPU seconds too.
Bars: ratio of the wall clock >= 1.5, Kendall's tau = 1, padding factor <= 1.2; exit status 1 where one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rag.reranking.flag import load_flag
from rag.reranking.pairs import PairReranker
from rag.reranking.shared_batches import Row, Scores, SharedBatches
from rag.reranking.torch_forward import CPU_TOKEN_BUDGET

BAR, MOST_PADDING = 1.5, 1.2
MAX_TOKENS = 512
LAYERS = 24
_WORDS = (
    *("휴가", "규정", "심사", "위원회", "근로자", "여신", "leave", "policy", "review"),
    *("board", "notice", "days", "rule", "제24조", "보존", "기간", "환자", "계약"),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        tokens: of all rows, question included.
        theirs_s, ours_s: medians over the rounds, wall clock seconds for all candidates.
        ratio, cpu_ratio: medians over the rounds of theirs divided by ours, wall clock and CPU seconds of the process.
        tau: Kendall's, between both lists of scores; `inversions` counts the pairs in another order.
        padding: tokens that we compute, padding included, for each real one.
        load_1m: processes that wanted to run in the last minute; above the number of cores the wall clock is disturbed.
    """

    candidates: int
    layers: int
    threads: int
    budget: int
    tokens: int
    theirs_s: float
    ours_s: float
    ratio: float
    cpu_ratio: float
    tau: float
    inversions: int
    largest_difference: float
    padding: float
    load_1m: float


def padding_of(reranker: PairReranker, question: str, texts: Sequence[str], budget: int) -> tuple[int, int]:
    """Real tokens of all rows, and what the batches compute, padding included: the batches are made, the model is not run."""
    computed: list[int] = []
    real: list[int] = []

    def forward(rows: Sequence[Row]) -> Scores:
        lengths = [len(row.ids) for row in rows]
        computed.append(len(rows) * max(lengths))
        real.append(sum(lengths))
        return np.zeros(len(rows), dtype=np.float32)

    batches = SharedBatches(forward, budget)
    batches.score(reranker.rows(question, texts)[0])
    batches.close()
    return sum(real), sum(computed)


def make_model(folder: Path, layers: int) -> None:
    """A random reranker of XLM-RoBERTa large's shape, in the file format of the real one."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification, XLMRobertaTokenizer

    letters = sorted({letter for word in _WORDS for letter in word})
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [*special, "▁", *(f"▁{word}" for word in _WORDS), *letters]
    vocabulary = [(piece, 0.0 if piece in special else -1.0 - len(pieces) / (1 + len(piece))) for piece in pieces]
    torch.manual_seed(3)
    config = XLMRobertaConfig(
        vocab_size=len(vocabulary) + 1,
        hidden_size=1024,
        num_hidden_layers=layers,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=MAX_TOKENS + 2,
        type_vocab_size=1,
        num_labels=1,
        initializer_range=0.05,
    )
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    XLMRobertaTokenizer(vocab=[*vocabulary, ("<mask>", 0.0)]).save_pretrained(folder)


def lognormal_passages(count: int) -> list[str]:
    """Texts of lognormal length."""
    draw = random.Random(11)
    lengths = [max(3, min(460, round(draw.lognormvariate(4.5, 0.7)))) for _ in range(count)]
    return [" ".join(draw.choices(_WORDS, k=length)) for length in lengths]


def timed(work: Callable[[], list[float]]) -> tuple[list[float], float, float]:
    """The scores, seconds of the wall clock, CPU seconds of the process."""
    wall, cpu = time.perf_counter(), time.process_time()
    scores = work()
    return scores, time.perf_counter() - wall, time.process_time() - cpu


def tau_of(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, int]:
    """Kendall's tau, and the pairs in another order."""
    from scipy.stats import kendalltau

    one, other = np.subtract.outer(ours, ours), np.subtract.outer(theirs, theirs)
    return float(kendalltau(ours, theirs).statistic), int(np.sum(one * other < 0) // 2)


def measure(folder: Path, candidates: int, layers: int, rounds: int, budget: int) -> Report:
    """Both loops, `rounds` times."""
    import torch
    from FlagEmbedding import FlagReranker

    question, texts = "휴가 규정 심사 leave policy", lognormal_passages(candidates)
    library = FlagReranker(str(folder), use_fp16=False, devices="cpu")
    reranker: PairReranker = load_flag(folder, name="bench", max_tokens=MAX_TOKENS, budget=budget)

    def theirs() -> list[float]:
        scores: list[float] = library.compute_score([(question, text) for text in texts], normalize=True)
        return scores

    def ours() -> list[float]:
        return reranker.score(question, texts)

    library.compute_score([(question, texts[0])])
    ours_runs: list[tuple[list[float], float, float]] = []
    theirs_runs: list[tuple[list[float], float, float]] = []
    reranker.score(question, texts[:1])
    for number in range(rounds):
        for side in (0, 1) if number % 2 else (1, 0):
            (ours_runs if side else theirs_runs).append(timed(ours if side else theirs))
    tau, inversions = tau_of(ours_runs[0][0], theirs_runs[0][0])
    pairs = list(zip(theirs_runs, ours_runs, strict=True))
    real, computed = padding_of(reranker, question, texts, budget)
    return Report(
        candidates=candidates,
        layers=layers,
        threads=torch.get_num_threads(),
        budget=budget,
        tokens=real,
        theirs_s=round(statistics.median(run[1] for run in theirs_runs), 2),
        ours_s=round(statistics.median(run[1] for run in ours_runs), 2),
        ratio=round(statistics.median(a[1] / b[1] for a, b in pairs), 2),
        cpu_ratio=round(statistics.median(a[2] / b[2] for a, b in pairs), 2),
        tau=tau,
        inversions=inversions,
        largest_difference=float(np.max(np.abs(np.subtract(ours_runs[0][0], theirs_runs[0][0])))),
        padding=round(computed / real, 3),
        load_1m=os.getloadavg()[0],
    )


def main() -> int:
    """Run, print, and say by the exit status whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=CPU_TOKEN_BUDGET)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        make_model(Path(name), given.layers)
        report = measure(Path(name), given.candidates, given.layers, given.rounds, given.budget)
    if given.json:
        print(json.dumps(asdict(report), indent=2))
    else:
        for field, value in asdict(report).items():
            print(f"{field:20} {value}")
    met = report.ratio >= BAR and report.tau == 1.0 and report.padding <= MOST_PADDING
    print("bars met" if met else "BARS MISSED", file=sys.stderr)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
