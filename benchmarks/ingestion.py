"""Ingesting a company handbook as Markdown files: Seogo against the same work written with LangChain.

    python -m benchmarks.ingestion [--pages N] [--rounds N]

LangChain: DirectoryLoader with UnstructuredMarkdownLoader, RecursiveCharacterTextSplitter at the same token budget and tokenizer,
the same MiniLM through HuggingFaceEmbeddings, qdrant-client's local mode. Seogo: the real thing, upload over HTTP, durable queue,
sandboxed parsing, dense and lexical vectors, record, index, read back. Models are loaded before the clock starts on both
sides. Each side runs in a process of its own, in turn; the figure is chunks per second. Bar: >= 3 times.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from benchmarks.data import DataMissing, handbook_pages

BAR = 3.0
BUDGET = 240


def write_pages(folder: Path, pages: int | None) -> int:
    """Write the pages as Markdown files; returns how many."""
    chosen = handbook_pages()[:pages]
    for number, (_, text) in enumerate(chosen):
        (folder / f"page-{number:04}.md").write_text(text, encoding="utf-8")
    return len(chosen)


def run_langchain(folder: Path) -> dict[str, float]:
    """The peer: chunks and seconds."""
    warnings.simplefilter("ignore")
    from langchain_community.document_loaders import DirectoryLoader, UnstructuredMarkdownLoader
    from langchain_community.embeddings import HuggingFaceEmbeddings
    from langchain_text_splitters import RecursiveCharacterTextSplitter
    from qdrant_client import QdrantClient, models
    from transformers import AutoTokenizer

    from rag.embedding.sentence_transformer import default_minilm_folder

    model = str(default_minilm_folder())
    embeddings = HuggingFaceEmbeddings(model_name=model, encode_kwargs={"normalize_embeddings": True})
    embeddings.embed_query("warm-up")
    tokenizer = AutoTokenizer.from_pretrained(model)
    loader = DirectoryLoader(str(folder), glob="*.md", loader_cls=UnstructuredMarkdownLoader)
    UnstructuredMarkdownLoader(str(next(folder.glob("*.md")))).load()
    start = time.perf_counter()
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(tokenizer, chunk_size=BUDGET, chunk_overlap=0)
    chunks = splitter.split_documents(loader.load())
    vectors = embeddings.embed_documents([chunk.page_content for chunk in chunks])
    with tempfile.TemporaryDirectory() as place:
        client = QdrantClient(path=place)
        client.create_collection("c", models.VectorParams(size=len(vectors[0]), distance=models.Distance.COSINE))
        client.upsert(
            "c",
            [
                models.PointStruct(id=i, vector=vector, payload={"text": chunk.page_content, **chunk.metadata})
                for i, (chunk, vector) in enumerate(zip(chunks, vectors, strict=True))
            ],
        )
        seconds = time.perf_counter() - start
        client.close()
    return {"chunks": len(chunks), "seconds": seconds}


def run_seogo(folder: Path) -> dict[str, float]:
    """Ours: chunks and seconds, from the first uploaded byte to the last searchable chunk."""
    from starlette.testclient import TestClient

    from api.app import create_app
    from api.cli.ingesting import find_files, ingest_files
    from api.cli.services import both_lanes, upgrade_schema
    from api.settings import load_settings
    from rag.domain.principal import Scope
    from rich.console import Console

    with tempfile.TemporaryDirectory() as place:
        settings = load_settings(None, Path(place))
        upgrade_schema(settings)
        with both_lanes(settings, listen=True, local_operator=False) as services:
            services.rag.warm_up()
            secret, _ = services.rag.keys.create("default", "bench", [Scope.ADMIN])
            client = TestClient(create_app(services), headers={"Authorization": f"Bearer {secret}"})
            files = find_files([folder])
            ingest_files(client, files[:1], "warm", "documents", Console(quiet=True))
            start = time.perf_counter()
            outcomes = ingest_files(client, files, "handbook", "documents", Console(quiet=True))
            seconds = time.perf_counter() - start
    if bad := [item for item in outcomes if item.failed and item.code != "no_text_found"]:
        raise RuntimeError(f"not ingested: {bad}")
    return {"chunks": sum(item.chunks for item in outcomes), "seconds": seconds}


SIDES = {"langchain": run_langchain, "seogo": run_seogo}


def main() -> int:
    """Run both sides in turn and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(SIDES[arguments.side](arguments.folder)))
        return 0
    try:
        with tempfile.TemporaryDirectory(prefix="seogo-pages-") as name:
            pages = write_pages(Path(name), arguments.pages)
            return compare(Path(name), pages, arguments.rounds)
    except DataMissing as error:
        print(error, file=sys.stderr)
        return 2


def compare(folder: Path, pages: int, rounds: int) -> int:
    """Both sides `rounds` times, in turn."""
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side in SIDES:
            command = [sys.executable, "-m", "benchmarks.ingestion", "--side", side, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            rates[side].append(found["chunks"] / found["seconds"])
            print(f"  {side:10} {found['chunks']:.0f} chunks in {found['seconds']:.1f} s", flush=True)
    ratios = [ours / theirs for ours, theirs in zip(rates["seogo"], rates["langchain"], strict=True)]
    ratio = statistics.median(ratios)
    print(f"{pages} Markdown pages; chunks per second, median of paired ratios: {ratio:.2f}")
    print(f"  bar: >= {BAR}: {'reached' if ratio >= BAR else 'MISSED'}")
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
