"""How much slower are answers while a bulk upload is being ingested beside them, by the same service?

    python -m benchmarks.ingest_latency [--rounds N] [--seconds S]

The embedded shape: `seogo serve` answers and ingests in one process; the client stands in another. The sample handbook is
ingested first; then questions are asked one after the other, for some seconds with nothing beside them and for as long with
Markdown files being ingested without a pause, in turn, so that a busy machine slows both alike. Figures: p50 and p95 of
`POST /api/v1/answers` with and without. Bar: p95 rises by at most 25 %.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from api.cli.connection import checked
from api.cli.samples import samples_folder
from benchmarks.serving import client_of, free_port, made_key, seogo, started

BAR = 0.25
QUESTIONS = (
    "특권 계정 비밀번호의 최소 길이는 몇 자입니까?",
    "연차 유급휴가는 며칠입니까?",
    "How long after it is issued does a gateway signing key expire?",
    "거래 한도를 늘리려면 누가 승인해야 합니까?",
    "What is the rate limit of the gateway?",
)
_FILES = 32
_SECTIONS = 12
_AHEAD = 96
"""Files that wait at least while the upload is meant to be in work."""


def ask(client: httpx.Client, seconds: float) -> list[float]:
    """Milliseconds of each answer."""
    taken: list[float] = []
    deadline = time.monotonic() + seconds
    for question in itertools.cycle(QUESTIONS):
        start = time.perf_counter()
        checked(client.post("/api/v1/answers", json={"question": question}))
        taken.append((time.perf_counter() - start) * 1000)
        time.sleep(0.05)  # a reader's pause: one question after the other, not a load test
        if time.monotonic() > deadline:
            return taken
    raise AssertionError("unreachable")


def files(turn: int) -> list[tuple[str, tuple[str, bytes]]]:
    """A batch of Markdown files of a few pages, Korean and English, each with words of its own."""
    parts = []
    for number in range(_FILES):
        sections = "".join(
            f"## 제{section}조 절차 {turn}\n\n부서 {number}은 {section}일 안에 접수 번호 {turn}-{number}-{section}을 처리한다. "
            f"The desk answers request {turn * number + section} within {section} days and keeps the log for a year.\n\n"
            for section in range(_SECTIONS)
        )
        parts.append(("files", (f"{turn:05}-{number}.md", f"# 업무 {turn}-{number}\n\n{sections}".encode())))
    return parts


@contextmanager
def bulk_upload(client: httpx.Client, turns: Iterator[int]) -> Iterator[None]:
    """Files are uploaded as fast as they are ingested, with some waiting always, while the block runs."""
    stop = threading.Event()

    def upload() -> None:
        while not stop.is_set():
            found = checked(client.get("/api/v1/collections/bulk/ingestion"))
            if found["queued"] + found["running"] >= _AHEAD:
                stop.wait(0.2)
                continue
            path = "/api/v1/collections/bulk/documents?priority=bulk"
            checked(client.post(path, files=files(next(turns))))

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        while checked(client.get("/api/v1/collections/bulk/ingestion"))["running"] == 0:
            time.sleep(0.05)
        yield
    finally:
        stop.set()
        thread.join()
        checked(client.post("/api/v1/collections/bulk/ingestion/cancel"))


def wait_idle(client: httpx.Client) -> None:
    """Until nothing is in work."""
    while True:
        found = checked(client.get("/api/v1/ingestion"))
        if not found["queued"] + found["running"]:
            return
        time.sleep(0.1)


def quantiles(taken: list[float]) -> tuple[float, float]:
    """p50 and p95."""
    cuts = statistics.quantiles(taken, n=20)
    return statistics.median(taken), cuts[18]


@contextmanager
def service(data: Path) -> Iterator[httpx.Client]:
    """A service that has the samples and is warm, and a client that may do everything."""
    subprocess.run(seogo(data, "ingest", str(samples_folder()), "-c", "samples"), check=True, capture_output=True)
    key, port = made_key(seogo(data), "--scope", "admin"), free_port()
    with started(seogo(data), port) as server, client_of(port, key) as client:
        while not _answers(client):
            if server.poll() is not None:
                raise RuntimeError("the service has ended")
            time.sleep(0.2)
        yield client


def _answers(client: httpx.Client) -> bool:
    """Whether somebody listens; the first answer waits for the models."""
    try:
        checked(client.post("/api/v1/answers", json={"question": QUESTIONS[0]}))
    except httpx.ConnectError:
        return False
    return True


def main() -> int:
    """Alternate, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15)
    arguments = parser.parse_args()
    quiet: list[float] = []
    busy: list[float] = []
    with tempfile.TemporaryDirectory(prefix="seogo-latency-") as folder, service(Path(folder)) as client:
        checked(client.post("/api/v1/collections", json={"name": "bulk"}))
        ask(client, 3)
        turns = itertools.count()
        begun = time.monotonic()
        for _ in range(arguments.rounds):
            wait_idle(client)
            quiet += ask(client, arguments.seconds)
            with bulk_upload(client, turns):
                busy += ask(client, arguments.seconds)
        wait_idle(client)
        done = checked(client.get("/api/v1/collections/bulk/ingestion"))["active"]
    return report(quiet, busy, done, time.monotonic() - begun)


def report(quiet: list[float], busy: list[float], ingested: int, seconds: float) -> int:
    """Print both sides and the rise."""
    (q50, q95), (b50, b95) = quantiles(quiet), quantiles(busy)
    print(f"  nothing beside: {len(quiet):4} answers, p50 {q50:6.1f} ms, p95 {q95:6.1f} ms")
    print(f"  bulk ingest:    {len(busy):4} answers, p50 {b50:6.1f} ms, p95 {b95:6.1f} ms; "
          f"{ingested} files ingested in {seconds:.0f} s")  # fmt: skip
    rise = b95 / q95 - 1
    print(
        f"rise of p50 {b50 / q50 - 1:+.0%}, of p95 {rise:+.0%} (bar +{BAR:.0%}): {'reached' if rise <= BAR else 'MISSED'}"
    )
    return 0 if rise <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
