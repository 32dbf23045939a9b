"""How fast a repository becomes searchable: Seogo's bulk lane, universal-ctags for symbols, a LangChain pipeline for chunks.

    python -m benchmarks.code_speed [--files N] [--sources FOLDER] [--runs N] [--fill-s SECONDS] [--sample N]

One repository of real Python from FOLDER (by default the libraries of this interpreter) with some Java and JavaScript of our own
making. Seogo: a running service, from the request that adds the repository until a search by words and one by a symbol have
answered, some times over, each with a fresh service: a machine's clock varies, so the median counts. In the last run then the
vectors of the model behind it, for some seconds; then, while they are still being filled in, a commit that changes ten files,
from the request to look until a search finds it. ctags: definitions of the same files, and the share of them that our symbol
index has. LangChain: language splitters and the same MiniLM, a sample.
Bars: 50 times the 8.9 chunks/s of a Tabby user's log; 10,000 files in 60 s; ten files in 3 s; 1.5 GB beside pages of files, for
the whole service and its children over all of that, its models included.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from api.cli.looks import pause_after
from benchmarks.serving import client_of, free_port, made_key, started
from ingest.connectors import git_contents, git_paths

TABBY = 8.9
BAR = 50.0
REINDEX_S = 3.0
WHOLE_S = 60.0
"""For 10,000 files."""
MEMORY_MB = 1536.0
_GROWN_MB, _AT_LEAST_S = 16.0, 2.0
_LEAST, _MOST = 700, 16_000
"""Bytes of the files that are taken: 6 KB on average."""
_JAVA = """package kr.example.pay{n};

import java.util.List;

/** 결제 승인 {n}. */
public class Payment{n} {{
    private final List<String> gateways;

    public Payment{n}(List<String> gateways) {{
        this.gateways = gateways;
    }}

    /** Approves an amount. */
    public boolean approve{n}(long amount) {{
        return amount < {n} && !gateways.isEmpty();
    }}
}}
"""
_SCRIPT = """import {{ send{n} }} from "./gateway{n}.js";

/** Draws the basket. */
export class Basket{n} {{
  constructor(items) {{
    this.items = items;
  }}

  total{n}() {{
    return this.items.reduce((sum, item) => sum + item.price * {n}, 0);
  }}
}}

export const checkout{n} = async (basket) => send{n}(basket.total{n}());
"""
_DEFINITIONS = {"class", "function", "member", "method", "interface", "enum"}
"""Kinds of ctags that are definitions to us as well; it also lists fields, imports and variables."""


def make_repository(sources: Path, files: int, place: Path) -> None:
    """A bare repository with one commit of so many files."""
    found = [p for p in sorted(sources.rglob("*.py")) if _LEAST < p.stat().st_size < _MOST]
    random.Random(7).shuffle(found)
    ours = files // 20
    named: dict[str, bytes] = {}
    for path in found:
        name, content = str(path.relative_to(sources)), path.read_bytes()
        if len(named) < files - ours and not git_paths.reason_of(name) and not git_contents.reason_of(name, content):
            named[name] = content
    for number in range(ours):
        text, folder = (_JAVA, "java/Payment{}.java") if number % 2 else (_SCRIPT, "web/basket{}.js")
        named[folder.format(number)] = text.format(n=number).encode()
    subprocess.run(["git", "init", "--bare", "-q", "--initial-branch=main", str(place)], check=True)
    commit(place, named)


def commit(place: Path, files: dict[str, bytes]) -> None:
    """Commit these files."""
    parts = [b"commit refs/heads/main\ncommitter bench <bench@example.kr> now\ndata 1\nx\n"]
    heads = subprocess.run(["git", "--git-dir", str(place), "for-each-ref"], capture_output=True, check=True)
    parts += [b"from refs/heads/main^0\n"] if heads.stdout else []
    for path, content in files.items():
        parts += [b"M 100644 inline %s\ndata %d\n" % (path.encode(), len(content)), content, b"\n"]
    command = ["git", "--git-dir", str(place), "fast-import", "--quiet", "--date-format=now"]
    subprocess.run(command, input=b"".join(parts), check=True)


class Watched:
    """What a process and all below it use.

    Once a second the kernel is asked how much each has beside files, which it knows: pages that they share count for each of
    them. To count them once it goes through all pages, and the process gets no new ones meanwhile, so it is asked for that
    seldom: where the first figure has changed by `_GROWN_MB`, processes have come or gone, in a new phase, and every
    `_AT_LEAST_S`.

    Attributes:
        memory_mb: the most that they had at once beside pages of files, which the kernel takes back when it wants them; what they
            share counts once.
        mapped_mb: those pages at that moment.
        phase: what the present moment counts for in `by_phase`, which holds `memory_mb` of each.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._look, daemon=True)
        self.memory_mb = self.mapped_mb = 0.0
        self.phase = "start"
        self.by_phase: dict[str, float] = {}

    def __enter__(self) -> Watched:
        self._watcher.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._watcher.join()

    def cpu_s(self) -> float:
        """CPU seconds of all of them until now, of those that have ended too."""
        ticks = 0
        for pid in _family(self._process):
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def _look(self) -> None:
        counted, counted_at, phase, seen = 0.0, 0.0, "", set[int]()
        while not self._done.wait(1.0):
            family, now = _family(self._process), time.monotonic()
            each = sum(map(_anonymous_mb, family))
            is_same = (phase, seen) == (self.phase, family)
            if is_same and abs(each - counted) < _GROWN_MB and now < counted_at + _AT_LEAST_S:
                continue
            counted, counted_at, phase, seen = each, now, self.phase, family
            parts = [_parts_mb(pid) for pid in family]
            whole, mapped = (sum(part.get(name, 0.0) for part in parts) for name in ("Pss", "Pss_File"))
            own = whole - mapped
            self.by_phase[phase] = max(own, self.by_phase.get(phase, 0.0))
            if own > self.memory_mb:
                self.memory_mb, self.mapped_mb = own, mapped


def _family(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return family


def _anonymous_mb(pid: int) -> float:
    """Memory of a process that belongs to no file, those pages too that it shares with the one it was forked from."""
    try:
        resident, of_files = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
    except (OSError, ValueError):
        return 0.0
    return (resident - of_files) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _parts_mb(pid: int) -> dict[str, float]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {line.partition(":")[0]: int(line.split()[1]) / 1024 for line in lines}


class Service:
    """A running `seogo serve` with an empty collection of code, seen by its API and, for figures, its record."""

    def __init__(self, client: httpx.Client, data: Path) -> None:
        self.client = client
        self._record = f"file:{data / 'seogo.sqlite'}?mode=ro"

    def add(self, place: Path) -> str:
        """Add a repository; its id."""
        body = {"collection": "code", "url": str(place), "name": "bench", "poll_s": 0}
        return str(self._said(self.client.post("/api/v1/repositories", json=body))["repository"]["id"])

    def look(self, repository: str) -> None:
        """Look at its remote."""
        self._said(self.client.post(f"/api/v1/repositories/{repository}/sync"))

    def indexed(self, repository: str, commit: str) -> dict[str, Any]:
        """The repository as soon as it is searchable at a commit, which is looked for as often as the command line does."""
        since = time.monotonic()
        while True:
            began = time.monotonic()
            now: dict[str, Any] = self._said(self.client.get(f"/api/v1/repositories/{repository}"))
            if now["commit"] == commit:
                return now
            if now["failure"]:
                raise RuntimeError(str(now["failure"]))
            answered = time.monotonic()
            time.sleep(pause_after(answered - began, answered - since))

    def finds(self, **asked: str) -> int:
        """How many places a search in the code answers with."""
        return len(self._said(self.client.post("/api/v1/code/search", json=asked))["matches"])

    def rows(self, query: str) -> list[Any]:
        """What the record says."""
        with closing(sqlite3.connect(self._record, uri=True)) as connection:
            return connection.execute(query).fetchall()

    @staticmethod
    def _said(response: httpx.Response) -> Any:
        if response.is_error:
            raise RuntimeError(response.text)
        return response.json()


@contextmanager
def serving(roots: Path) -> Iterator[tuple[Service, Watched]]:
    """A service that is warm: its second start in its folder, so that precisions are chosen already."""
    with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
        data, config = Path(folder) / "data", Path(folder) / "seogo.json"
        config.write_text(json.dumps({"rag": {"data_dir": str(data), "repositories": {"roots": [str(roots)]}}}))
        command = [sys.executable, "-m", "api.cli.main", "--config", str(config)]
        subprocess.run([*command, "db", "upgrade"], check=True, capture_output=True)
        key = made_key(command, "--scope", "admin")
        for measured in (False, True):
            port = free_port()
            with started(command, port) as server, client_of(port, key) as client, Watched(server.pid) as watched:
                _wait_until_warm(client, server)
                if measured:
                    client.post("/api/v1/collections", json={"name": "code", "kind": "code"}).raise_for_status()
                    yield Service(client, data), watched


def _wait_until_warm(client: httpx.Client, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        with suppress(httpx.ConnectError):
            # What answers here has waited for its model.
            models = client.get("/v1/models").raise_for_status().json()["data"]
            dense = next(model["id"] for model in models if "MiniLM" in model["id"])
            client.post("/v1/embeddings", json={"model": dense, "input": "warm-up"}).raise_for_status()
            client.post("/api/v1/search", json={"question": "준비"}).raise_for_status()
            return
        time.sleep(0.2)
    raise RuntimeError("the service has ended")


def run_seogo(place: Path, fill_s: float, runs: int) -> dict[str, Any]:
    """Ours, as a client sees it: from adding a repository until it is searchable by words and symbols, `runs` times."""
    walls: list[float] = []
    cpus: list[float] = []
    peaks: list[Watched] = []
    measured: dict[str, Any] = {}
    for run in range(1, runs + 1):
        with serving(place.parent) as (service, watched):
            repository, indexed = _indexed(place, service, watched)
            walls.append(indexed["wall_s"])
            cpus.append(indexed["cpu_s"])
            peaks.append(watched)
            if run == runs:
                measured = indexed | _followed(place, service, watched, repository, fill_s)
    most = max(peaks, key=lambda watched: watched.memory_mb)
    phases = dict.fromkeys(phase for watched in peaks for phase in watched.by_phase)
    measured |= {"walls": walls, "wall_s": statistics.median(walls), "cpu_s": statistics.median(cpus)}
    measured |= {"memory_mb": most.memory_mb, "mapped_mb": most.mapped_mb}
    measured["by_phase"] = {phase: max(watched.by_phase.get(phase, 0.0) for watched in peaks) for phase in phases}
    return measured


def _indexed(place: Path, service: Service, watched: Watched) -> tuple[str, dict[str, Any]]:
    """The repository, once it is searchable, and what that took."""
    watched.phase, before = "index", watched.cpu_s()
    start = time.perf_counter()
    repository = service.add(place)
    found = service.indexed(repository, _head(place))
    if 0 in (words := service.finds(query="gateways"), symbols := service.finds(symbol="Payment1")):
        raise RuntimeError(f"it is not searchable: {words}, {symbols}")
    measured = {"wall_s": time.perf_counter() - start, "cpu_s": watched.cpu_s() - before, "files": found["files"]}
    return repository, measured | {"skipped": found["tended"]["skipped"]}


def _followed(place: Path, service: Service, watched: Watched, repository: str, fill_s: float) -> dict[str, Any]:
    """What there is then, the vectors behind it, and a commit."""
    [[chunks, size]] = service.rows("SELECT sum(chunk_count), sum(size) FROM document_version WHERE state = 'active'")
    measured: dict[str, Any] = {"chunks": chunks, "bytes": size, "symbols": _symbols(service)}
    watched.phase = "fill"
    measured |= _filled(service, fill_s)
    watched.phase = "commit"
    _change_ten(place)
    start = time.perf_counter()
    service.look(repository)
    service.indexed(repository, _head(place))
    while not service.finds(symbol="changed_just_now"):
        time.sleep(0.05)
    return measured | {"reindex_s": time.perf_counter() - start}


def _head(place: Path) -> str:
    command = ["git", "--git-dir", str(place), "rev-parse", "main"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _change_ten(place: Path) -> None:
    from rag.mirrors.mirror import Mirror

    mirror = Mirror(place, "bench")
    chosen = [entry for entry in mirror.tree(mirror.resolve("main")) if entry.path.endswith(".py")][::100][:10]
    contents = dict(mirror.read([entry.blob for entry in chosen]))
    commit(place, {e.path: contents[e.blob] + b"\n\ndef changed_just_now():\n    return 1\n" for e in chosen})


def _filled(service: Service, fill_s: float) -> dict[str, float]:
    """Vectors of a model a second, over some seconds."""
    pending = "SELECT coalesce(sum(chunk_count), 0) FROM document_version WHERE dense_pending"
    [[before]] = service.rows(pending)
    start = time.perf_counter()
    time.sleep(fill_s)
    [[left]] = service.rows(pending)
    return {"dense_per_s": (before - left) / (time.perf_counter() - start), "waiting": before}


def _symbols(service: Service) -> list[tuple[str, str]]:
    rows = service.rows(
        "SELECT d.source_key, s.name FROM code_symbol s JOIN document_version v ON v.id = s.version_id"
        " JOIN document d ON d.current_version_id = v.id"
    )
    return sorted({(key.partition("/")[2], name) for key, name in rows})


def run_ctags(place: Path) -> dict[str, Any]:
    """Definitions by universal-ctags; none where it is missing."""
    program = shutil.which("ctags")
    if program is None:
        return {}
    with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
        _check_out(place, Path(folder))
        start = time.perf_counter()
        command = [program, "-R", "--output-format=json", "--fields=+K", "-f", "-", "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
        seconds = time.perf_counter() - start
    rows = [json.loads(line) for line in done.stdout.decode("utf-8", "replace").splitlines()]
    tags = {(row["path"].removeprefix("./"), row["name"]) for row in rows if row.get("kind") in _DEFINITIONS}
    return {"wall_s": seconds, "symbols": sorted(tags)}


def _check_out(place: Path, folder: Path) -> None:
    command = ["git", "--git-dir", str(place), "--work-tree", str(folder), "checkout", "-q", "-f", "main"]
    subprocess.run(command, check=True)


def run_langchain(place: Path, sample: int) -> dict[str, Any]:
    """The peer: language splitters at the same budget, the same model."""
    warnings.simplefilter("ignore")
    from langchain_community.embeddings import HuggingFaceEmbeddings
    from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

    from rag.embedding.sentence_transformer import default_minilm_folder

    embeddings = HuggingFaceEmbeddings(model_name=str(default_minilm_folder()))
    embeddings.embed_query("warm-up")
    with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
        _check_out(place, Path(folder))
        paths = sorted(Path(folder).rglob("*.py"))
        chosen = random.Random(7).sample(paths, min(sample, len(paths)))
        start = time.perf_counter()
        splitter = RecursiveCharacterTextSplitter.from_language(Language.PYTHON, chunk_size=800, chunk_overlap=0)
        chunks = [part for path in chosen for part in splitter.split_text(path.read_text("utf-8", "replace"))]
        embeddings.embed_documents(chunks)
        seconds = time.perf_counter() - start
    return {"files": len(chosen), "chunks": len(chunks), "wall_s": seconds}


def report(ours: dict[str, Any], tags: dict[str, Any], peer: dict[str, Any]) -> int:
    """Print what was measured; 0 when every bar is met."""
    rate, files = ours["chunks"] / ours["wall_s"], ours["files"] / ours["wall_s"]
    print(f"{ours['files']} files, {ours['bytes'] / 1e6:.1f} MB, {ours['chunks']} chunks; skipped: {ours['skipped']}")
    print(f"searchable by words and symbols: {ours['wall_s']:.1f} s, {rate:.0f} chunks/s, {files:.0f} files/s")
    walls = ours["walls"]
    spread = max(walls) - min(walls)
    print(
        f"  runs: {', '.join(f'{wall:.1f}' for wall in walls)} s; median {ours['wall_s']:.1f} s"
        f" (bar: {WHOLE_S:.0f} for 10,000 files), spread {spread:.1f} s or {spread / ours['wall_s']:.0%}"
    )
    phases = ", ".join(f"{name} {peak:.0f}" for name, peak in ours["by_phase"].items())
    print(f"  CPU {ours['cpu_s']:.0f} s, {ours['chunks'] / ours['cpu_s']:.0f} chunks a CPU second")
    print(
        f"  memory at most {ours['memory_mb']:.0f} MB ({phases}; bar: {MEMORY_MB:.0f}), and {ours['mapped_mb']:.0f} of files"
    )
    print(f"  {rate / TABBY:.0f} times the {TABBY} chunks/s of a Tabby user's log (bar: {BAR:.0f})")
    print(
        f"a commit of ten files, found while vectors are filled in: after {ours['reindex_s']:.2f} s (bar: {REINDEX_S:.0f})"
    )
    print(f"vectors behind: {ours['dense_per_s']:.0f} chunks/s, {ours['waiting']} were waiting")
    if tags:
        known, theirs = set(map(tuple, ours["symbols"])), set(map(tuple, tags["symbols"]))
        share = len(known & theirs) / max(1, len(theirs))
        print(
            f"ctags: {len(theirs)} definitions in {tags['wall_s']:.1f} s; we have {share:.1%} of them, {len(known)} in all"
        )
    else:
        print("ctags is not installed here")
    other = peer["chunks"] / peer["wall_s"]
    print(f"LangChain with MiniLM on {peer['files']} files: {other:.1f} chunks/s")
    print(
        f"  ours to searchable by words: {rate / other:.0f} times; vectors alone: {ours['dense_per_s'] / other:.1f} times"
    )
    fast = ours["wall_s"] <= WHOLE_S * max(1.0, ours["files"] / 10_000)
    met = fast and rate >= BAR * TABBY and ours["reindex_s"] <= REINDEX_S and ours["memory_mb"] <= MEMORY_MB
    print("bars met" if met else "bars NOT met")
    return 0 if met else 1


def _side(name: str, place: Path, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.code_speed", "--side", name, "--place", str(place), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Run every side and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--sources", type=Path, default=Path(sysconfig.get_path("purelib")))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--fill-s", type=float, default=20.0)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--side", choices=("seogo", "ctags", "langchain"), help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.runs < 1:
        parser.error("--runs: at least one")
    if given.side == "seogo":
        print(json.dumps(run_seogo(given.place, given.fill_s, given.runs)))
        return 0
    if given.side:
        print(json.dumps(run_ctags(given.place) if given.side == "ctags" else run_langchain(given.place, given.sample)))
        return 0
    with tempfile.TemporaryDirectory(prefix="seogo-bench-") as folder:
        place = Path(folder) / "bench.git"
        make_repository(given.sources, given.files, place)
        ours = _side("seogo", place, "--fill-s", str(given.fill_s), "--runs", str(given.runs))
        return report(ours, _side("ctags", place), _side("langchain", place, "--sample", str(given.sample)))


if __name__ == "__main__":
    sys.exit(main())
