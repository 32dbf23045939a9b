"""Building and closing the services of a process."""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from api.cli.options import Options
from api.deps import Services
from api.settings import Settings
from ingest import bootstrap as ingest_bootstrap
from rag import bootstrap as rag_bootstrap
from rag.bootstrap import Rag
from rag.generation.registry import Generation
from rag.store import schema
from rag.transport.egress import EgressGuard, hosts_of

# Libraries that would ask their hub about updates or report use; the test without a route shows that nothing depends on it.
_SILENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "true",
    "TOKENIZERS_PARALLELISM": "false",
}
_M_ARENA_MAX = -8
_ARENAS = 2


def silence_libraries() -> None:
    """Switch off what libraries send home, whatever the environment says, and their chatter."""
    os.environ.update(_SILENT)
    for noisy in ("httpx", "sentence_transformers", "dbos", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def share_arenas() -> None:
    """Let all threads allocate from two heaps (glibc; elsewhere nothing happens).

    With one heap a thread, what ingestion threads free stays in each: four files of 10 MB kept 76 MB of memory that
    nobody used, with two heaps 20 MB, index included (`M_ARENA_MAX` of mallopt(3)).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_ARENA_MAX, _ARENAS)


def guarded_egress(settings: Settings) -> AbstractContextManager[object]:
    """For the length of a block this process reaches loopback and the hosts that the settings name, and no other."""
    if not settings.api.egress_guard:
        return nullcontext()
    named = {*hosts_of(settings.model_dump(mode="json")), *settings.api.egress_allow}
    return EgressGuard(named).guarding()


@contextmanager
def retrieval_lane(
    settings: Settings,
    *,
    local_operator: bool,
    recreate_index: bool = False,
    generation: Generation | None = None,
) -> Iterator[Rag]:
    """The retrieval lane, closed at the end of the block; `generation` takes the place of the configured engines."""
    silence_libraries()
    share_arenas()
    rag = rag_bootstrap.build(
        settings.rag, local_operator=local_operator, recreate_index=recreate_index, generation=generation
    )
    try:
        yield rag
    finally:
        rag.close()


@contextmanager
def both_lanes(
    settings: Settings, *, listen: bool, local_operator: bool, generation: Generation | None = None
) -> Iterator[Services]:
    """Both lanes, closed at the end of the block in the reverse order."""
    with ExitStack() as stack:
        rag = stack.enter_context(retrieval_lane(settings, local_operator=local_operator, generation=generation))
        ingest = ingest_bootstrap.build(settings.ingest, rag, listen=listen)
        stack.callback(ingest.close)
        yield Services(settings.api, rag, ingest)


@contextmanager
def local_services(options: Options) -> Iterator[Services]:
    """Services on the local data folder for one command; the schema is brought up to date first."""
    settings = options.settings()
    with guarded_egress(settings):
        upgrade_schema(settings)
        with both_lanes(settings, listen=True, local_operator=True) as services:
            yield services


def upgrade_schema(settings: Settings) -> str:
    """Bring the store to this version's schema; returns the revision."""
    silence_libraries()
    database = rag_bootstrap.open_database(settings.rag)
    try:
        return schema.upgrade(database)
    finally:
        database.close()
