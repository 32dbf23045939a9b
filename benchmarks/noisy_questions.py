"""Questions with slips: what the correction of spacing, spelling and keyboard layout wins back, and what it costs clean ones.

    python -m benchmarks.noisy_questions [--noise clean spaceless spaced jamo two_jamo keyboard] [--questions N]

Noise is put into the questions of ko_finlaw by seed. For each kind it prints nDCG@10 without and with the correction and the
paired 95 % bootstrap interval of the difference over the questions, and the time that understanding a question takes. Exit
code 1 when clean questions lose: when their interval lies below 0.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from benchmarks.data import DataMissing, EvaluationSet, load
from benchmarks.retrieval import Run, by_document, fill
from benchmarks.workbench import Workbench, workbench
from rag.domain.language import CollectionKind
from rag.evaluation.intervals import bootstrap
from rag.evaluation.measures import per_question
from rag.retrieval.spelling import Meant, Speller
from rag.text.jamo import FINALS, INITIALS, VOWELS, is_syllable, join, split, typed_in_english

SET = "ko_finlaw"
DEPTH = 50
SEED = 20261128


def _spaceless(question: str, _: random.Random) -> str:
    return "".join(question.split())


def _spaced(question: str, dice: random.Random) -> str:
    """A blank too many inside words, and every fourth blank left out."""
    written = ""
    for index, character in enumerate(question):
        if character == " " and dice.random() < 0.25:
            continue
        written += character
        if is_syllable(character) and is_syllable(question[index + 1 : index + 2] or " ") and dice.random() < 0.12:
            written += " "
    return written


def _slipped(word: str, dice: random.Random) -> str:
    """One jamo of one syllable for another, any of its place with the same chance."""
    places = [index for index, character in enumerate(word) if is_syllable(character)]
    place = dice.choice(places)
    numbers = list(split(word[place]))
    which = dice.randrange(3)
    size = (len(INITIALS), len(VOWELS), len(FINALS))[which]
    numbers[which] = dice.choice([number for number in range(size) if number != numbers[which]])
    return word[:place] + join(*numbers) + word[place + 1 :]


def _with_slips(question: str, dice: random.Random, count: int) -> str:
    words = question.split()
    long_ones = [index for index, word in enumerate(words) if sum(map(is_syllable, word)) >= 3]
    for index in dice.sample(long_ones, min(count, len(long_ones))):
        words[index] = _slipped(words[index], dice)
    return " ".join(words)


def _other_layout(question: str, dice: random.Random) -> str:
    """One word typed with the keyboard set to English."""
    words = question.split()
    fitting = [index for index, word in enumerate(words) if len(word) >= 3 and all(map(is_syllable, word))]
    if fitting:
        index = dice.choice(fitting)
        words[index] = typed_in_english(words[index])
    return " ".join(words)


NOISE: dict[str, Callable[[str, random.Random], str]] = {
    "clean": lambda question, _: question,
    "spaceless": _spaceless,
    "spaced": _spaced,
    "jamo": lambda question, dice: _with_slips(question, dice, 1),
    "two_jamo": lambda question, dice: _with_slips(question, dice, 2),
    "keyboard": _other_layout,
}


class _NoSpeller(Speller):
    """Finds nothing: what the search was without the correction."""

    def meant(self, permit: object, question: str, excluded: object = None) -> list[Meant]:
        return []


def _answers(bench: Workbench, owner: Mapping[str, str], questions: Mapping[str, str]) -> tuple[Run, list[float]]:
    permit = bench.permit()
    run: Run = {}
    milliseconds = []
    for query, text in questions.items():
        result = bench.rag.retriever.search(permit, text, limit=DEPTH)
        milliseconds.append(result.trace.timings_ms["understand"])
        run[query] = by_document([(str(item.chunk.id), item.score) for item in result.passages], owner)
    return run, milliseconds


def measure(bench: Workbench, owner: Mapping[str, str], data: EvaluationSet, noise: str) -> float:
    """Print the row of one kind of noise; returns the upper end of the interval of the gain."""
    dice = random.Random(SEED)
    noisy = {query: NOISE[noise](text, dice) for query, text in data.queries.items()}
    understander = bench.rag.retriever.understander
    speller = understander._speller
    understander._speller = _NoSpeller(bench.rag.index, bench.rag.analyzer)
    try:
        without, plain_ms = _answers(bench, owner, noisy)
    finally:
        understander._speller = speller
    start = time.perf_counter()
    found, corrected_ms = _answers(bench, owner, noisy)
    seconds = time.perf_counter() - start
    before, after = (
        per_question(data.qrels, run, list(data.queries), ("nDCG@10",))["nDCG@10"] for run in (without, found)
    )
    _, low, high = bootstrap(after - before)
    print(
        f"  {noise:10} without {before.mean():.3f}   with {after.mean():.3f}   gain {(after - before).mean():+.4f} "
        f"[{low:+.4f}, {high:+.4f}]   understanding {np.median(plain_ms):.1f} -> {np.median(corrected_ms):.1f} ms "
        f"(p95 {np.percentile(corrected_ms, 95):.1f}), {len(noisy) / seconds:.0f} questions/s"
    )
    return high


def main() -> int:
    """Measure the kinds of noise asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--noise", nargs="*", choices=list(NOISE), default=list(NOISE))
    parser.add_argument("--questions", type=int, default=None, help="the first N only")
    arguments = parser.parse_args()
    try:
        data = load(SET)
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.questions:
        data = replace(data, queries=dict(list(data.queries.items())[: arguments.questions]))
    with workbench(CollectionKind.DOCUMENTS) as bench:
        owner = fill(bench, data, CollectionKind.DOCUMENTS)
        print(f"{SET}: {len(data.queries)} questions, nDCG@10")
        highs = {noise: measure(bench, owner, data, noise) for noise in arguments.noise}
    return 1 if highs.get("clean", 0.0) < 0.0 else 0


if __name__ == "__main__":
    sys.exit(main())
