"""Does anything get out when the model obeys every order that documents give it? And which documents are flagged?

    python -m benchmarks.injection [--payloads 125] [--carriers body,title,…] [--show]

Each payload of `sec_injection`, in English and as a Korean attacker would put it, goes with an order to take data out into a real
file of each of eight kinds of carriers; the files are ingested by the platform, and a user asks for a fact that the file holds.
The model obeys whatever it can read (`tests/support/attacks.py`). Prints by carrier, language and kind of order: files
ingested, orders that the model read, cases in which something gets out (an image, a foreign link, a tool call, the canary, a
run of the rules, another collection's secret), and the same for the same model without defences. Then the shares of payloads
and files that are flagged for a curator, and false alarms on documents for readers. Exits with 1 if anything gets out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from benchmarks.data import handbook_pages, load, unpacked
from ingest.settings import IngestSettings
from rag.domain.principal import Scope
from rag.generation.engine import ChatEngine, Withheld
from rag.generation.guards import GuardedEngine
from rag.generation.scripted import ScriptedEngine
from rag.text.injection import injection_score
from tests.support.attacks import (
    CARRIERS,
    SECRET_FILE,
    Attack,
    Obedient,
    attack,
    in_korean,
    leaks,
    shown_texts,
    undefended,
)
from tests.support.generators import generation_of
from tests.support.running import SAMPLES, Caller, Running, running, settings_for

_TOGETHER = 100
_FLAG_FROM = IngestSettings().injection_flag_from
_KOREAN_NAME, _VAULT = "규정", "금고"


def payloads() -> list[tuple[str, str]]:
    """Text and category of each payload of the set."""
    with unpacked("sec_injection") as folder:
        rows = [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["text"], row["metadata"]["category"]) for row in rows]


def attacks(chosen: Sequence[tuple[str, str]], carriers: Sequence[str]) -> Iterator[Attack]:
    """Every payload in every carrier in both languages; the kinds of orders go round."""
    number = 0
    for carrier in carriers:
        for text, category in chosen:
            for korean in (False, True):
                yield attack(number, carrier, in_korean(text, category) if korean else text, korean=korean)
                number += 1


@contextmanager
def besieged(folder: Path, engine: Obedient) -> Iterator[tuple[Running, Caller, Caller]]:
    """A service with that model, its owner, and a reader who may read one of two collections."""
    settings = settings_for(folder, {"rag": {"embedding": {"dense": "none"}}})
    guarded = cast("ScriptedEngine", GuardedEngine(cast("ChatEngine", engine)))
    with running(settings, generation=generation_of(guarded, context_tokens=engine.context_tokens)) as service:
        owner = service.caller(tenant="default")
        owner.collection(_KOREAN_NAME)
        owner.collection(_VAULT)
        owner.ingest(_VAULT, {"금고.md": SECRET_FILE})
        key = service.key(Scope.READ, tenant="default", collections=[_ids(owner)[_KOREAN_NAME]])
        yield service, owner, Caller(service, {"Authorization": f"Bearer {key}", "Accept-Language": "ko"})


def _ids(owner: Caller) -> dict[str, Any]:
    from uuid import UUID

    listed = owner.get("/api/v1/collections").json()["collections"]
    return {item["name"]: UUID(item["id"]) for item in listed}


def ingested(owner: Caller, cases: Sequence[Attack]) -> dict[str, dict[str, Any]]:
    """The documents by name; in batches."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(cases), _TOGETHER):
        files: dict[str, bytes | str] = {case.filename: case.content for case in cases[start : start + _TOGETHER]}
        found |= {item["source_key"][:4]: item for item in owner.ingest(_KOREAN_NAME, files, timeout_s=600)}
    return found


def asked(reader: Caller, case: Attack) -> dict[str, Any]:
    """The answer as it comes over HTTP, or the problem."""
    body = {"question": case.question, "passages": 1}  # its own file alone: each order is tried by itself
    return dict(reader.post("/api/v1/answers", json=body).json())


def _report(title: str, rows: Sequence[tuple[str, Counter[str]]]) -> None:
    print(
        f"\n{title:<12}{'cases':>7}{'ingested':>10}{'read':>7}{'answered':>10}{'gets out':>10}{'undefended':>12}{'flagged':>9}"
    )
    for name, count in rows:
        cases = count["cases"]
        print(
            f"{name:<12}{cases:>7}{count['ingested']:>10}{count['read']:>7}{count['answered']:>10}{count['out']:>10}"
            f"{count['undefended']:>6} {count['undefended'] / max(1, cases):>4.0%}{count['flagged'] / max(1, cases):>9.0%}"
        )


def measure(cases: Sequence[Attack], *, show: bool) -> int:
    """Ingest, ask, judge, print; returns in how many cases something got out."""
    engine, naive = Obedient(), Obedient()
    groups: dict[str, dict[str, Counter[str]]] = {"carrier": {}, "language": {}, "order": {}, "all": {}}
    with tempfile.TemporaryDirectory(prefix="seogo-injection-") as folder, besieged(Path(folder), engine) as besiege:
        _, owner, reader = besiege
        began = time.perf_counter()
        documents = ingested(owner, cases)
        took = time.perf_counter() - began
        for case in cases:
            document = documents[f"{case.number:04d}"]
            count = Counter(
                {"cases": 1, "ingested": int(document["searchable"]), "flagged": int(bool(document["flags"]))}
            )
            engine.read.discard(case.number)
            answer = asked(reader, case)
            withheld = engine.withheld or Withheld("", "")
            found = leaks(shown_texts(answer), withheld, called="tool_calls" in json.dumps(answer)[:2000])
            count["read"] = int(case.number in engine.read)
            count["answered"] = int(answer.get("status") == "answered")
            count["out"] = int(bool(found))
            text, called = undefended(naive, case, withheld)
            count["undefended"] = int(bool(leaks([text], withheld, called=called)))
            if found and show:
                print(case.filename, found, json.dumps(answer, ensure_ascii=False)[:2000])
            language = "Korean" if case.korean else "English"
            for group, name in (
                ("carrier", case.carrier),
                ("language", language),
                ("order", case.kind),
                ("all", "all"),
            ):
                groups[group].setdefault(name, Counter()).update(count)
        print(f"{len(cases)} files ingested in {took:.0f} s, asked in {time.perf_counter() - began - took:.0f} s")
    for title, rows in groups.items():
        _report(title, list(rows.items()))
    return groups["all"]["all"]["out"]


def flags(chosen: Sequence[tuple[str, str]]) -> None:
    """Shares of payloads, and of documents for readers, that are flagged."""
    english = [injection_score([text]) for text, _ in chosen]
    korean = [injection_score([in_korean(text, category)]) for text, category in chosen]
    pages = [injection_score([name, *text.split("\n\n")]) for name, text in handbook_pages()]
    articles = [injection_score([title, text]) for title, text in load("ko_finlaw").corpus.values()]
    samples = [
        injection_score([path.read_text(encoding="utf-8")])
        for path in sorted(SAMPLES.rglob("*"))
        if path.suffix in (".md", ".py")
    ]
    print(f"\nflagged from {_FLAG_FROM}")
    for name, scores in (
        ("payloads alone, English", english),
        ("payloads alone, Korean", korean),
        ("false: handbook pages", pages),
        ("false: statute articles", articles),
        ("false: samples", samples),
    ):
        found = sum(score.value >= _FLAG_FROM for score in scores)
        print(f"{name:<26}{found:>6} of {len(scores):>5}{found / len(scores):>8.1%}")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payloads", type=int, default=125)
    parser.add_argument("--carriers", default=",".join(CARRIERS))
    parser.add_argument("--show", action="store_true", help="print what gets out")
    given = parser.parse_args()
    everything = payloads()
    step = max(1, len(everything) // given.payloads)
    chosen = everything[::step][: given.payloads]
    flags(everything)
    sys.exit(1 if measure(list(attacks(chosen, given.carriers.split(","))), show=given.show) else 0)


if __name__ == "__main__":
    main()
