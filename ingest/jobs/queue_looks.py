"""Looks into queues that cost next to nothing while nothing waits there.

Every queue has a thread that looks into it, some of them ten times a second. A look of the library (dbos 3.4) builds and runs
statements of some length, among them what the queue's settings are and whether this release is the newest: an idle service took
12 % of a processor, most of it for that. Here settings are read every few seconds, and a look goes on only where something is
queued: 4 %.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import sqlalchemy as sa
from dbos._sys_db import SystemDatabase  # private: `tests/integration/test_queue.py` holds on to it

SETTINGS_S = 5.0
"""For so long a queue has the settings that were read last. Nothing of ours changes them while the service runs."""


def make_looks_cheap(system: SystemDatabase) -> None:
    """Put cheap looks in the place of those of a database that has been launched; before queues are registered."""
    looks = _Looks(system)
    system.dequeue_scopes = looks.scopes  # type: ignore[method-assign]
    system.get_queue = looks.settings  # type: ignore[method-assign]


class _Looks:
    def __init__(self, system: SystemDatabase) -> None:
        self._engine = system.engine
        self._scopes = system.dequeue_scopes
        self._read = system.get_queue
        self._kept: dict[str, tuple[float, Any]] = {}
        self._guard = threading.Lock()
        jobs = system.tables.workflow_status
        # The second condition says nothing new: by it a database sees that the index of open jobs has all that is asked for.
        self._waiting: sa.Select[Any] = (
            sa.select(sa.literal_column("1"))
            .where(jobs.c.queue_name == sa.bindparam("queue"), jobs.c.status == sa.literal_column("'ENQUEUED'"))
            .where(jobs.c.status.in_([sa.literal_column("'ENQUEUED'"), sa.literal_column("'PENDING'")]))
            .limit(sa.literal_column("1"))
        )

    def scopes(self, queue_name: str) -> list[str | None]:
        """See `SystemDatabase.dequeue_scopes`; none where nothing is queued."""
        with self._engine.connect() as connection:
            waits = connection.execute(self._waiting, {"queue": queue_name}).first() is not None
        return self._scopes(queue_name) if waits else []

    def settings(self, name: str, *, client_system_database: Any = None) -> Any:
        """See `SystemDatabase.get_queue`."""
        if client_system_database is not None:
            return self._read(name, client_system_database=client_system_database)
        now = time.monotonic()
        with self._guard:
            read_at, kept = self._kept.get(name, (now - SETTINGS_S, None))
        if now < read_at + SETTINGS_S:
            return kept
        found = self._read(name)
        if found is not None:
            with self._guard:
                self._kept[name] = (now, found)
        return found
