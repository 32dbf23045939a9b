"""How fast a repository becomes searchable: Seogo's bulk lane, universal-ctags for symbols, a LangChain pipeline for chunks.

 noqa: S607  python -m benchmarks.code_speed [--files N] [--sources FOLDER] [--fill-s SECONDS] [--sample N]

One repository of real Python from FOLDER (by default the libraries of this interpreter) with some Java and JavaScript of our own
making. Each side runs in a process of its own. Seogo: git's blobs to a service's record, originals and index, searchable by words
and symbols; then a commit that changes ten files; then the vectors of the model behind it, for some seconds. ctags: definitions
of the same files, and the share of them that our symbol index has. LangChain: language splitters and the same MiniLM, on a sample.
Bars: 50 times the 8.9 chunks/s of a Tabby user's log; ten files in 3 s; 1.5 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
 noqa: S607  from rag.mirrors.mirror import Mirror

TABBY = 8.9
BAR = 50.0
REINDEX_S = 3.0
MEMORY_MB = 1536.0
_LEAST, _MOST = 700, 16_000
"""Bytes of the files that are taken: 6 KB on average."""
_JAVA = """package kr.example.pay{n};

import java.util.List;

/** 결제 승인 {n}. */
public class Payment{n} {{
 noqa: S607  private final List<String> gateways;

 noqa: S607  public Payment{n}(List<String> gateways) {{
 noqa: S607      this.gateways = gateways;
 noqa: S607  }}

 noqa: S607  /** Approves an amount. */
 noqa: S607  public boolean approve{n}(long amount) {{
 noqa: S607      return amount < {n} && !gateways.isEmpty();
 noqa: S607  }}
}}
"""
_SCRIPT = """import {{ send{n} }} from "./gateway{n}.js";

/** Draws the basket. */
export class Basket{n} {{
 noqa: S607constructor(items) {{
 noqa: S607  this.items = items;
 noqa: S607}}

 noqa: S607total{n}() {{
 noqa: S607  return this.items.reduce((sum, item) => sum + item.price * {n}, 0);
 noqa: S607}}
}}

export const checkout{n} = async (basket) => send{n}(basket.total{n}());
"""
_DEFINITIONS = {"class", "function", "member", "method", "interface", "enum"}
"""Kinds of ctags that are definitions to us as well; it also lists fields, imports and variables."""


def make_repository(sources: Path, files: int, place: Path) -> None:
 noqa: S607  """A bare repository with one commit of so many files."""
 noqa: S607  found = [p for p in sorted(sources.rglob("*.py")) if _LEAST < p.stat().st_size < _MOST]
 noqa: S607  ours = files // 20
 noqa: S607  chosen = random.Random(7).sample(found, min(files - ours, len(found)))
 noqa: S607  named = {str(path.relative_to(sources)): path.read_bytes() for path in sorted(chosen)}
 noqa: S607  for number in range(ours):
 noqa: S607      text, folder = (_JAVA, "java/Payment{}.java") if number % 2 else (_SCRIPT, "web/basket{}.js")
 noqa: S607      named[folder.format(number)] = text.format(n=number).encode()
 noqa: S607  subprocess.run(["git", "init", "--bare", "-q", "--initial-branch=main", str(place)], check=True)  # noqa: S607
 noqa: S607  commit(place, named)


def commit(place: Path, files: dict[str, bytes]) -> None:
 noqa: S607  """Commit these files."""
 noqa: S607  parts = [b"commit refs/heads/main\ncommitter bench <bench@example.kr> now\ndata 1\nx\n"]
 noqa: S607  heads = subprocess.run(["git", "--git-dir", str(place), "for-each-ref"], capture_output=True, check=True)  # noqa: S607
 noqa: S607  parts += [b"from refs/heads/main^0\n"] if heads.stdout else []
 noqa: S607  for path, content in files.items():
 noqa: S607      parts += [b"M 100644 inline %s\ndata %d\n" % (path.encode(), len(content)), content, b"\n"]
 noqa: S607  command = ["git", "--git-dir", str(place), "fast-import", "--quiet", "--date-format=now"]
 noqa: S607  subprocess.run(command, input=b"".join(parts), check=True)  # noqa: S603


@contextmanager
def peak_memory() -> Iterator[list[float]]:
 noqa: S607  """The most that this process and all below it had at once, in MB (what they share counts once); looked at twice a second."""
 noqa: S607  seen, done = [0.0], threading.Event()

 noqa: S607  def look() -> None:
 noqa: S607      while not done.wait(0.5):
 noqa: S607          seen[0] = max(seen[0], _family_mb())

 noqa: S607  watcher = threading.Thread(target=look, daemon=True)
 noqa: S607  watcher.start()
 noqa: S607  try:
 noqa: S607      yield seen
 noqa: S607  finally:
 noqa: S607      done.set()
 noqa: S607      watcher.join()


def _family_mb() -> float:
 noqa: S607  parents: dict[int, int] = {}
 noqa: S607  for entry in Path("/proc").iterdir():
 noqa: S607      if entry.name.isdigit():
 noqa: S607          try:
 noqa: S607              parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
 noqa: S607          except OSError:
 noqa: S607              continue
 noqa: S607  family, grown = {os.getpid()}, True
 noqa: S607  while grown:
 noqa: S607      grown = False
 noqa: S607      for pid, parent in parents.items():
 noqa: S607          if parent in family and pid not in family:
 noqa: S607              family.add(pid)
 noqa: S607              grown = True
 noqa: S607  return sum(map(_pss_mb, family))


def _pss_mb(pid: int) -> float:
 noqa: S607  try:
 noqa: S607      lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
 noqa: S607  except OSError:
 noqa: S607      return 0.0
 noqa: S607  return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def run_seogo(place: Path, fill_s: float) -> dict[str, Any]:
 noqa: S607  """Ours. CPU seconds count the children too."""
 noqa: S607  from api.cli.services import retrieval_lane, upgrade_schema
 noqa: S607  from api.settings import load_settings
 noqa: S607  from ingest import bootstrap
 noqa: S607  from ingest.pipeline.code_lane import CodeLane
 noqa: S607  from ingest.pipeline.code_sandbox import CodeSandbox
 noqa: S607  from rag.mirrors.mirror import Mirror
 noqa: S607  from rag.store.collection import Collection
 noqa: S607  from rag.store.repository import Repository
 noqa: S607  from rag.store.tenant import ensure_tenant

 noqa: S607  mirror = Mirror(place, "bench")
 noqa: S607  with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
 noqa: S607      settings = load_settings(None, Path(folder))
 noqa: S607      upgrade_schema(settings)
 noqa: S607      with retrieval_lane(settings, local_operator=False) as rag:
 noqa: S607          with rag.database.write() as session:
 noqa: S607              tenant = ensure_tenant(session, "default")
 noqa: S607              row = Collection(id=uuid4(), tenant_id=tenant.id, name="code", kind="code")
 noqa: S607              session.add(row)
 noqa: S607              session.flush()
 noqa: S607              names: dict[str, Any] = {"name": "bench", "url": str(place), "options": {}}
 noqa: S607              repository = Repository(id=uuid4(), tenant_id=tenant.id, collection_id=row.id, **names)
 noqa: S607              session.add(repository)
 noqa: S607          pipeline = bootstrap.build_pipeline(settings.ingest, rag)
 noqa: S607          lane = CodeLane(pipeline, CodeSandbox(bootstrap.cut_rules(settings.ingest, rag)), lambda: None)
 noqa: S607          with peak_memory() as peak:
 noqa: S607              first = _taken(lane, repository, mirror)
 noqa: S607          measured = {**first, "chunks": rag.index.count(), "peak_mb": peak[0]}
 noqa: S607          _change_ten(place, mirror)
 noqa: S607          again = _taken(lane, repository, mirror, changed_only=True)
 noqa: S607          measured |= {"reindex_s": again["wall_s"], "reindexed": again["files"]}
 noqa: S607          measured |= _filled(lane, rag.index.count(), fill_s)
 noqa: S607          measured["symbols"] = _symbols(rag.database)
 noqa: S607          lane.close()
 noqa: S607          pipeline.sandbox.close()
 noqa: S607  children = resource.getrusage(resource.RUSAGE_CHILDREN)
 noqa: S607  measured["children_cpu_s"] = children.ru_utime + children.ru_stime
 noqa: S607  return measured


def _taken(lane: Any, repository: Any, mirror: Mirror, *, changed_only: bool = False) -> dict[str, Any]:
 noqa: S607  from ingest.pipeline.code_lane import FileTask

 noqa: S607  start, before = time.perf_counter(), time.process_time()
 noqa: S607  head = mirror.resolve("main")
 noqa: S607  paths = (
 noqa: S607      {change.path for change in mirror.changes(f"{mirror.log(head, limit=2)[1].hash}", head)}
 noqa: S607      if changed_only
 noqa: S607      else None
 noqa: S607  )
 noqa: S607  entries = [entry for entry in mirror.tree(head) if paths is None or entry.path in paths]
 noqa: S607  tasks = [FileTask(entry.path, entry.blob, entry.size) for entry in entries]
 noqa: S607  taken = lane.take(repository, mirror, head, tasks, lambda done, total: None)
 noqa: S607  wall, cpu = time.perf_counter() - start, time.process_time() - before
 noqa: S607  failed = sorted({item.reason for item in taken if item.reason})
 noqa: S607  size = sum(task.size for task in tasks)
 noqa: S607  return {"files": len(taken), "bytes": size, "wall_s": wall, "own_cpu_s": cpu, "failed": failed}


def _change_ten(place: Path, mirror: Mirror) -> None:
 noqa: S607  chosen = [entry for entry in mirror.tree(mirror.resolve("main")) if entry.path.endswith(".py")][::100][:10]
 noqa: S607  contents = dict(mirror.read([entry.blob for entry in chosen]))
 noqa: S607  commit(place, {e.path: contents[e.blob] + b"\n\ndef changed_just_now():\n    return 1\n" for e in chosen})


def _filled(lane: Any, chunks: int, fill_s: float) -> dict[str, float]:
 noqa: S607  """Vectors of a model a second, for some seconds."""
 noqa: S607  from sqlalchemy import func, select

 noqa: S607  from rag.store.version import DocumentVersion

 noqa: S607  database = lane._pipeline.database
 noqa: S607  pending = select(func.coalesce(func.sum(DocumentVersion.chunk_count), 0)).where(DocumentVersion.dense_pending)
 noqa: S607  lane._pipeline.space.warm_up()
 noqa: S607  stop = threading.Event()
 noqa: S607  timer = threading.Timer(fill_s, stop.set)
 noqa: S607  with database.read() as session:
 noqa: S607      before = int(session.scalar(pending) or 0)
 noqa: S607  start = time.perf_counter()
 noqa: S607  timer.start()
 noqa: S607  lane.fill(stop, lambda done, total: None)
 noqa: S607  seconds = time.perf_counter() - start
 noqa: S607  timer.cancel()
 noqa: S607  with database.read() as session:
 noqa: S607      left = int(session.scalar(pending) or 0)
 noqa: S607  return {"dense_per_s": (before - left) / seconds, "waiting": before}


def _symbols(database: Any) -> list[tuple[str, str]]:
 noqa: S607  from sqlalchemy import select

 noqa: S607  from rag.store.code_symbol import CodeSymbol
 noqa: S607  from rag.store.document import Document
 noqa: S607  from rag.store.version import DocumentVersion

 noqa: S607  query = (
 noqa: S607      select(Document.source_key, CodeSymbol.name)
 noqa: S607      .join(DocumentVersion, DocumentVersion.document_id == Document.id)
 noqa: S607      .join(CodeSymbol, CodeSymbol.version_id == DocumentVersion.id)
 noqa: S607      .where(Document.current_version_id == DocumentVersion.id)
 noqa: S607  )
 noqa: S607  with database.read() as session:
 noqa: S607      return sorted({(row[0].partition("/")[2], row[1]) for row in session.execute(query)})


def run_ctags(place: Path) -> dict[str, Any]:
 noqa: S607  """Definitions by universal-ctags; none where it is missing."""
 noqa: S607  program = shutil.which("ctags")
 noqa: S607  if program is None:
 noqa: S607      return {}
 noqa: S607  with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
 noqa: S607      _check_out(place, Path(folder))
 noqa: S607      start = time.perf_counter()
 noqa: S607      command = [program, "-R", "--output-format=json", "--fields=+K", "-f", "-", "."]
 noqa: S607      done = subprocess.run(command, cwd=folder, capture_output=True, check=True)  # noqa: S603
 noqa: S607      seconds = time.perf_counter() - start
 noqa: S607  rows = [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]
 noqa: S607  tags = {(row["path"].removeprefix("./"), row["name"]) for row in rows if row.get("kind") in _DEFINITIONS}
 noqa: S607  return {"wall_s": seconds, "symbols": sorted(tags)}


def _check_out(place: Path, folder: Path) -> None:
 noqa: S607  command = ["git", "--git-dir", str(place), "--work-tree", str(folder), "checkout", "-q", "-f", "main"]
 noqa: S607  subprocess.run(command, check=True)  # noqa: S603


def run_langchain(place: Path, sample: int) -> dict[str, Any]:
 noqa: S607  """The peer: language splitters at the same budget, the same model."""
 noqa: S607  warnings.simplefilter("ignore")
 noqa: S607  from langchain_community.embeddings import HuggingFaceEmbeddings
 noqa: S607  from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

 noqa: S607  from rag.embedding.sentence_transformer import default_minilm_folder

 noqa: S607  embeddings = HuggingFaceEmbeddings(model_name=str(default_minilm_folder()))
 noqa: S607  embeddings.embed_query("warm-up")
 noqa: S607  with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
 noqa: S607      _check_out(place, Path(folder))
 noqa: S607      paths = sorted(Path(folder).rglob("*.py"))
 noqa: S607      chosen = random.Random(7).sample(paths, min(sample, len(paths)))
 noqa: S607      start = time.perf_counter()
 noqa: S607      splitter = RecursiveCharacterTextSplitter.from_language(Language.PYTHON, chunk_size=800, chunk_overlap=0)
 noqa: S607      chunks = [part for path in chosen for part in splitter.split_text(path.read_text("utf-8", "replace"))]
 noqa: S607      embeddings.embed_documents(chunks)
 noqa: S607      seconds = time.perf_counter() - start
 noqa: S607  return {"files": len(chosen), "chunks": len(chunks), "wall_s": seconds}


def report(ours: dict[str, Any], tags: dict[str, Any], peer: dict[str, Any]) -> int:
 noqa: S607  """Print what was measured; 0 when every bar is met."""
 noqa: S607  rate = ours["chunks"] / ours["wall_s"]
 noqa: S607  cpu = ours["own_cpu_s"] + ours["children_cpu_s"]
 noqa: S607  print(
 noqa: S607      f"{ours['files']} files, {ours['bytes'] / 1e6:.1f} MB, {ours['chunks']} chunks; failed: {ours['failed'] or 'none'}"
 noqa: S607  )
 noqa: S607  print(
 noqa: S607      f"searchable by words and symbols: {ours['wall_s']:.1f} s, {ours['files'] / ours['wall_s']:.0f} files/s, {rate:.0f} chunks/s"
 noqa: S607  )
 noqa: S607  print(f"  CPU {cpu:.0f} s (children, all told, {ours['children_cpu_s']:.0f}), peak {ours['peak_mb']:.0f} MB")
 noqa: S607  print(f"  {rate / TABBY:.0f} times the {TABBY} chunks/s of a Tabby user's log (bar: {BAR:.0f})")
 noqa: S607  print(f"after a commit of {ours['reindexed']} files: {ours['reindex_s']:.2f} s (bar: {REINDEX_S:.0f})")
 noqa: S607  print(f"vectors behind: {ours['dense_per_s']:.0f} chunks/s, {ours['waiting']} were waiting")
 noqa: S607  if tags:
 noqa: S607      known, theirs = set(map(tuple, ours["symbols"])), set(map(tuple, tags["symbols"]))
 noqa: S607      share = len(known & theirs) / max(1, len(theirs))
 noqa: S607      print(
 noqa: S607          f"ctags: {len(theirs)} definitions in {tags['wall_s']:.1f} s; we have {share:.1%} of them, {len(known)} in all"
 noqa: S607      )
 noqa: S607  else:
 noqa: S607      print("ctags is not installed here")
 noqa: S607  other = peer["chunks"] / peer["wall_s"]
 noqa: S607  print(
 noqa: S607      f"LangChain with MiniLM on {peer['files']} files: {other:.1f} chunks/s; ours to searchable: {rate / other:.0f} times"
 noqa: S607  )
 noqa: S607  met = rate >= BAR * TABBY and ours["reindex_s"] <= REINDEX_S and ours["peak_mb"] <= MEMORY_MB
 noqa: S607  print("bars met" if met else "bars NOT met")
 noqa: S607  return 0 if met else 1


def _side(name: str, place: Path, *more: str) -> dict[str, Any]:
 noqa: S607  command = [sys.executable, "-m", "benchmarks.code_speed", "--side", name, "--place", str(place), *more]
 noqa: S607  done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
 noqa: S607  found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
 noqa: S607  return found


def main() -> int:
 noqa: S607  """Run every side and print the ratios."""
 noqa: S607  parser = argparse.ArgumentParser(description=__doc__)
 noqa: S607  parser.add_argument("--files", type=int, default=10_000)
 noqa: S607  parser.add_argument("--sources", type=Path, default=Path(sysconfig.get_path("purelib")))
 noqa: S607  parser.add_argument("--fill-s", type=float, default=20.0)
 noqa: S607  parser.add_argument("--sample", type=int, default=100)
 noqa: S607  parser.add_argument("--side", choices=("seogo", "ctags", "langchain"), help=argparse.SUPPRESS)
 noqa: S607  parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
 noqa: S607  given = parser.parse_args()
 noqa: S607  if given.side == "seogo":
 noqa: S607      print(json.dumps(run_seogo(given.place, given.fill_s)))
 noqa: S607      return 0
 noqa: S607  if given.side:
 noqa: S607      print(json.dumps(run_ctags(given.place) if given.side == "ctags" else run_langchain(given.place, given.sample)))
 noqa: S607      return 0
 noqa: S607  with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
 noqa: S607      place = Path(folder) / "bench.git"
 noqa: S607      make_repository(given.sources, given.files, place)
 noqa: S607      ours = _side("seogo", place, "--fill-s", str(given.fill_s))
 noqa: S607      return report(ours, _side("ctags", place), _side("langchain", place, "--sample", str(given.sample)))


if __name__ == "__main__":
 noqa: S607  sys.exit(main())
