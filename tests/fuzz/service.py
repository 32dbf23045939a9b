"""A service with something in it to find, for the length of a fuzzing run; `python -m tests.fuzz.service FOLDER` serves one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rag.domain.principal import Scope
from rag.generation.scripted import ScriptedEngine
from tests.support.furnishing import furnished
from tests.support.generators import generation_of
from tests.support.live import listening
from tests.support.probing import PATH_SORTS, Objects
from tests.support.running import Caller, running, settings_for

TEXT = "# 여신 한도 규정\n\n제1조(목적) 가맹점의 한도는 하루 300만 원이다.\n\n## Keys\n\nA signing key expires after 180 days.\n"


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """Where the service is, and who may ask it: the admin of a tenant, a key of it that only reads, another tenant's admin."""

    address: str
    admin: str
    reader: str
    stranger: str
    known: dict[str, list[str]]
    """Identities of what is there, by the name of the path parameter, so that a run does not only meet what is not."""


@contextmanager
def fuzzed(folder: Path) -> Iterator[Fuzzed]:
    """A service on SQLite with two tenants, in each a collection with documents; it has a model that always says the same."""
    overrides = {"rag": {"embedding": {"dense": "none"}}, "ingest": {"program_days": 1}}
    settings = settings_for(folder, overrides)
    generation = generation_of(ScriptedEngine.saying("한도는 하루 300만 원이다. [1]"))
    with running(settings, generation=generation) as service:
        keys = {
            name: service.key(*scopes, tenant=tenant)
            for name, scopes, tenant in (
                ("admin", (Scope.ADMIN, Scope.OPERATOR), "fuzzed"),
                ("reader", (Scope.READ,), "fuzzed"),
                ("stranger", (Scope.ADMIN,), "another"),
            )
        }
        callers = {name: Caller(service, {"Authorization": f"Bearer {keys[name]}"}) for name in ("admin", "stranger")}
        known: dict[str, list[str]] = {"name": [], "document_id": [], "chunk_id": [], "store_id": []}
        for name, caller in callers.items():
            shelf = caller.collection(f"shelf-{name}")
            documents = caller.ingest(shelf, {"한도.md": TEXT, "b.txt": "plain text"})
            known["name"].append(shelf)
            known["document_id"] += [document["id"] for document in documents]
            known["chunk_id"] += [passage["chunk_id"] for passage in caller.search("signing key")]
            known["store_id"] += [item["id"] for item in caller.get("/v1/vector_stores").json()["data"]]
        _know(known, furnished(service, callers["admin"], "fuzzed"))
        with listening(service.services, lifespan="on") as address:  # the tools of models answer with it alone
            yield Fuzzed(address, **keys, known=known)


def _know(known: dict[str, list[str]], objects: Objects) -> None:
    """Add an id of everything that has one, under each name that a path parameter has for it."""
    for name, sort in PATH_SORTS.items():
        ids = [*objects.known[sort], *objects.known.get(f"scim {sort}", ())]
        known[name] = [*known.get(name, ()), *ids]


if __name__ == "__main__":
    with fuzzed(Path(sys.argv[1])) as found:
        sys.stdout.write(f"{found}\n")
        sys.stdout.flush()
        time.sleep(600)
