"""Retrieval of code: questions of the web, what commits say, and Korean questions, against the files or functions meant.

    python -m benchmarks.code_retrieval [--part cosqa|history|korean ...] [--repository PATH ...] [--issues EXPORT ...]
        [--questions N] [--body] [--reranker BACKEND=FOLDER_OR_URL]

cosqa: `code_cosqa_dev`, nDCG@10 and MRR@10: each leg alone, both fused without anything that this project does for code beyond
the legs, the product's search, and LangChain's splitter and vector store with the same MiniLM. Bar: the search is not below the
dense leg alone (paired mean).

history: of each repository (this one, where none is named; a folder stands for all repositories in it) what the newest commits
say, each asked of the tree of its parent commit; wanted are the files that it changed (1 to 5, of which some were there before).
Recall@5 and @10 of files against `rank_bm25` on whole files (identifiers split), and the dense leg alone. `--body` takes only
messages of several lines. Where an export of the repository's server is named (`--issues`, in the order of the repositories),
what its issues say, too, each asked of the tree before its fix. Bar: recall@5 and @10 are not below the dense leg's.

korean: 60 Korean questions on this project's own code, with the files that answer (`code_questions.json`); with `--whole` among
all files of the project, as a company's repository is. "fused, before" is the search without translation. Questions with an even
place are those that weights were chosen on; the others report.

All with 95 % bootstrap intervals over the questions; with `--reranker` once more with a cross-encoder, as it is configured
(`cross_encoder=/srv/models/bge-reranker-v2-m3`, `http=http://tei:8080`). Exit status 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.code_corpus import DEPTH, LONGEST, RERANKED, CodeBase, FileWords, Ranking, is_code, measured, report
from benchmarks.code_history import (
    FixQuestion,
    Wanted,
    fix_questions,
    issue_questions,
    issues_of,
    mirrored,
    move_to,
    repositories_at,
)
from benchmarks.data import DataMissing, EvaluationSet, load
from benchmarks.workbench import workbench
from rag.domain.language import CollectionKind
from rag.embedding.base import Role
from rag.embedding.space import EmbeddingSpace
from rag.evaluation.intervals import bootstrap
from rag.evaluation.measures import per_question
from rag.mirrors.mirror import Mirror
from rag.reranking.base import Reranker
from rag.reranking.registry import RERANKERS, open_reranker
from rag.settings import RerankingSettings

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = ROOT / "benchmarks" / "code_questions.json"
PARTS = ("cosqa", "history", "korean")
_SPLIT = 1000
"""Characters of LangChain's chunks; its vectors are of the same model, which reads 256 tokens of them."""


def langchain(data: EvaluationSet, space: EmbeddingSpace) -> dict[str, Ranking]:
    """`RecursiveCharacterTextSplitter` for Python, `InMemoryVectorStore`, and our MiniLM as its embeddings."""
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore
    from langchain_text_splitters import Language as SyntaxName
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    class Mini(Embeddings):  # type: ignore[misc]  # the library has types, but mypy is told not to follow them
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return self._rows(texts, Role.PASSAGE)

        def embed_query(self, text: str) -> list[float]:
            return self._rows([text], Role.QUERY)[0]

        def _rows(self, texts: list[str], role: Role) -> list[list[float]]:
            made = None if space.dense is None else space.dense.embed(texts, role).dense
            if made is None:
                raise SystemExit("the space has no dense model")
            rows: list[list[float]] = made.tolist()
            return rows

    splitter = RecursiveCharacterTextSplitter.from_language(SyntaxName.PYTHON, chunk_size=_SPLIT, chunk_overlap=0)
    store = InMemoryVectorStore(Mini())
    texts, owners = [], []
    for doc, (_, text) in data.corpus.items():
        parts = splitter.split_text(text) or [text]
        texts += parts
        owners += [{"doc": doc}] * len(parts)
    store.add_texts(texts, owners)
    run: dict[str, Ranking] = {}
    for query, text in data.queries.items():
        for found, score in store.similarity_search_with_score(text, k=DEPTH):
            scores = run.setdefault(query, {})
            doc = found.metadata["doc"]
            scores[doc] = max(score, scores.get(doc, -1.0))
    return run


def cosqa(reranker: Reranker | None, *, peer: bool) -> bool:
    """Measure the set; whether the search is not below the dense leg."""
    data = load("code_cosqa_dev")
    with workbench(CollectionKind.CODE) as bench:
        base = CodeBase(bench, reranker=reranker)
        base.put({f"{doc}.py": text for doc, (_, text) in data.corpus.items()})
        runs: dict[str, dict[str, Ranking]] = {}
        for query, text in data.queries.items():
            for way, ranking in base.ways(text).items():
                runs.setdefault(way, {})[query] = {path.removesuffix(".py"): score for path, score in ranking.items()}
        if peer:
            runs["LangChain + MiniLM"] = langchain(data, bench.rag.space)
    names = ("nDCG@10", "RR@10")
    values = {way: per_question(data.qrels, run, list(data.queries), names) for way, run in runs.items()}
    print(f"\n{data.name}: {len(data.corpus)} functions, {len(data.queries)} questions")
    for way, found in values.items():
        (mean, low, high), (rr, rlow, rhigh) = bootstrap(found["nDCG@10"]), bootstrap(found["RR@10"])
        print(f"  {way:22} nDCG@10 {mean:.3f} [{low:.3f}, {high:.3f}]   MRR@10 {rr:.3f} [{rlow:.3f}, {rhigh:.3f}]")
    reached = True
    for other in [way for way in values if way not in ("search", RERANKED)]:
        for name in names:
            mean, low, high = bootstrap(values["search"][name] - values[other][name])
            reached &= other != "dense leg" or mean >= 0.0
            print(f"  search - {other}: {name} {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
    for name in names if RERANKED in values else ():
        mean, low, high = bootstrap(values[RERANKED][name] - values["search"][name])
        print(f"  {RERANKED} - search: {name} {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
    print(f"  bar: not below the dense leg alone: {'reached' if reached else 'MISSED'}")
    return reached


Ask = Callable[[Mirror], list[FixQuestion]]


def history(repository: Path, what: str, ask: Ask, wanted: Wanted, reranker: Reranker | None) -> bool:
    """Questions of a repository's history → the files that the fix changed; whether the search is not below the dense leg.

    Args:
        what: the questions in words, for the title.
        ask: gives them, oldest first.
    """
    with mirrored(repository) as mirror, workbench(CollectionKind.CODE) as bench:
        questions = ask(mirror)
        if not questions:
            print(f"\n{repository}: {what} of it give no question", file=sys.stderr)
            return False
        base, words, before = CodeBase(bench, reranker=reranker), FileWords(), ""
        gold: dict[str, tuple[str, ...]] = {}
        runs: dict[str, dict[str, Ranking]] = {}
        for number, question in enumerate(questions, start=1):
            move_to(base, mirror, before, question.parent, wanted)
            before = question.parent
            _require_no_leak(base, question)
            gold[question.name] = question.files
            ways = {**base.ways(question.text), "whole-file BM25": words.rank(base.texts, question.text)}
            for way, ranking in ways.items():
                runs.setdefault(way, {})[question.name] = ranking
            print(f"\r{repository.name}: {number}/{len(questions)} questions", end="", file=sys.stderr)
        print(file=sys.stderr)
        files = sum(1 for text in base.texts.values() if text)
        values = measured(gold, runs)
        title = f"{repository.name}: what {len(gold)} {what} say, in {files} files of the parent commit"
        report(title, values, "dense leg")
        report(f"{title} (against whole-file BM25)", values, "whole-file BM25")
        reached = not_below_dense(values)
        print(f"  bar: recall@5 and @10 not below the dense leg alone: {'reached' if reached else 'MISSED'}")
        return reached


def not_below_dense(values: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> bool:
    """Whether the search finds no fewer of the files than the dense leg alone, on the mean of the questions."""
    dense, search = values["dense leg"], values["search"]
    return all(bool(search[name].mean() >= dense[name].mean()) for name in ("recall@5", "recall@10"))


def _require_no_leak(base: CodeBase, question: FixQuestion) -> None:
    """Stop where what a commit says stands in the corpus: its figures would be worth nothing.

    Raises:
        SystemExit: it does.
    """
    for path, text in base.texts.items():
        if question.text in text:
            raise SystemExit(f"{path} holds what {question.name} says")


def repository_texts(folder: Path = ROOT, *, whole: bool = False) -> dict[str, str]:
    """Files of this project by path: its programs, or all that git knows but the questions themselves."""
    if whole:
        command = ["git", "-C", str(folder), "ls-files", "-z"]
        listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
        paths = [folder / path for path in listed if path and folder / path != QUESTIONS]
    else:
        paths = [path for part in ("rag", "ingest", "api") for path in sorted((folder / part).rglob("*.py"))]
    texts = {}
    for path in paths:
        content = path.read_bytes()
        if len(content) <= LONGEST and b"\0" not in content:
            texts[str(path.relative_to(folder))] = content.decode("utf-8", "replace")
    return texts


def korean(wanted: Wanted, reranker: Reranker | None, folder: Path = ROOT, *, whole: bool = False) -> None:
    """Korean questions on this project's own code: of those that are wanted, and of the files that answer."""
    rows = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    texts = repository_texts(folder, whole=whole)
    with workbench(CollectionKind.CODE) as bench:
        base, words = CodeBase(bench, reranker=reranker), FileWords()
        gold = {row["question"]: row["files"] for row in rows}
        answers = {path for files in gold.values() for path in files}
        base.put(
            {path: text for path, text in texts.items() if text.strip() and (whole or wanted(path) or path in answers)}
        )
        runs: dict[str, dict[str, Ranking]] = {}
        for question in gold:
            ways = {**base.ways(question), "whole-file BM25": words.rank(base.texts, question)}
            for way, ranking in ways.items():
                runs.setdefault(way, {})[question] = ranking
    runs = {way: run for way, run in runs.items() if any(run.values())}
    values = measured(gold, runs)
    for name, rows_of in (("chosen on", slice(0, None, 2)), ("reported on", slice(1, None, 2)), ("all", slice(None))):
        report(f"{len(gold)} Korean questions, {len(base.texts)} files: {name}", values, "fused, before", rows_of)


def reranker_of(given: str) -> Reranker | None:
    """The cross-encoder of `BACKEND=FOLDER_OR_URL`; None without one."""
    if not given:
        return None
    backend, _, place = given.partition("=")
    if backend not in RERANKERS or not place:
        raise SystemExit(f"--reranker: one of {', '.join(RERANKERS)}, then = and its folder or address")
    return open_reranker(
        RerankingSettings.model_validate({"backend": backend, "url" if backend == "http" else "folder": place})
    )


def main() -> int:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--repository", type=Path, action="append")
    parser.add_argument(
        "--issues", type=Path, action="append", help="an export of the repository's server, one for each"
    )
    parser.add_argument("--questions", type=int, default=80, help="commits, and issues, asked of each repository")
    parser.add_argument("--reranker", default="", help="BACKEND=FOLDER_OR_URL of a cross-encoder to measure beside")
    parser.add_argument("--body", action="store_true")
    parser.add_argument("--tests", action="store_true", help="tests belong to the corpus")
    parser.add_argument("--under", default="", help="only files whose path begins so belong to the corpus")
    parser.add_argument(
        "--whole", action="store_true", help="Korean questions: pages, data and tests belong to the corpus"
    )
    parser.add_argument("--no-peer", action="store_true")
    given = parser.parse_args()

    def wanted(path: str) -> bool:
        return path.startswith(given.under) and is_code(path, tests=given.tests)

    reranker = reranker_of(given.reranker)

    def histories() -> bool:
        reached = True
        places = [place for folder in given.repository or [ROOT] for place in repositories_at(folder)]
        for place, export in zip_longest(places, given.issues or ()):
            if place is None:
                raise SystemExit(f"--issues {export}: there is no repository for it")
            asks: list[tuple[str, Ask]] = [
                ("commits", partial(fix_questions, most=given.questions, body=given.body, wanted=wanted))
            ]
            if export is not None:
                talks = issues_of(export)
                asks.append(("issues", partial(issue_questions, talks=talks, most=given.questions, wanted=wanted)))
            for what, ask in asks:
                reached &= history(place, what, ask, wanted, reranker)
        return reached

    parts: dict[str, Callable[[], bool | None]] = {
        "cosqa": lambda: cosqa(reranker, peer=not given.no_peer),
        "history": histories,
        "korean": lambda: korean(wanted, reranker, whole=given.whole),
    }
    reached = True
    for name in given.part or PARTS:
        start = time.monotonic()
        try:
            reached &= parts[name]() is not False
        except DataMissing as error:
            print(error, file=sys.stderr)
            return 2
        print(f"  {name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
