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
import sqlite3
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
    from unstructured.nlp import tokenize

    from ingest.parsing.unstructured_adapter import sentence_splitter
    from rag.embedding.sentence_transformer import default_minilm_folder

    tokenize._get_nlp = sentence_splitter  # offline, the peer's own one tries to download a model
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
    return {"chunks": len(chunks), "characters": sum(len(chunk.page_content) for chunk in chunks), "seconds": seconds}


def run_seogo(folder: Path) -> dict[str, float]:
    """Ours: chunks and seconds, from the first uploaded byte to the last searchable chunk."""
    from rich.console import Console

    from api.cli.connection import connect
    from api.cli.ingesting import find_files, ingest_files
    from api.cli.options import Options

    with tempfile.TemporaryDirectory() as place:
        with connect(Options(data_dir=Path(place))) as client:
            files = find_files([folder])
            ingest_files(client, files[:1], "warm-up", "documents", Console(quiet=True))
            start = time.perf_counter()
            outcomes = ingest_files(client, files, "handbook", "documents", Console(quiet=True))
            seconds = time.perf_counter() - start
        with sqlite3.connect(Path(place) / "seogo.sqlite") as store:
            [(characters,)] = store.execute("select sum(length(text)) from chunk")
    if bad := [item for item in outcomes if item.failed and item.code != "no_text_found"]:
        raise RuntimeError(f"not ingested: {bad}")
    return {"chunks": sum(item.chunks for item in outcomes), "characters": characters, "seconds": seconds}


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
    volumes: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side in SIDES:
            command = [sys.executable, "-m", "benchmarks.ingestion", "--side", side, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            rates[side].append(found["chunks"] / found["seconds"])
            volumes[side].append(found["characters"] / found["seconds"])
            size = found["characters"] / found["chunks"]
            print(
                f"  {side:10} {found['chunks']:.0f} chunks of {size:.0f} characters in {found['seconds']:.1f} s",
                flush=True,
            )
    ratios = [ours / theirs for ours, theirs in zip(rates["seogo"], rates["langchain"], strict=True)]
    ratio = statistics.median(ratios)
    volume = statistics.median(b / a for a, b in zip(volumes["langchain"], volumes["seogo"], strict=True))
    print(
        f"{pages} Markdown pages; median of paired ratios: chunks per second {ratio:.2f}, characters per second {volume:.2f}"
    )
    print(f"  bar: >= {BAR}: {'reached' if ratio >= BAR else 'MISSED'}")
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
