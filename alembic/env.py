"""Alembic's entry: runs migrations on the engine that the caller hands over, or on SEOGO_STORE_URL."""

from __future__ import annotations

import os
from typing import Literal

from alembic import context
from sqlalchemy import Engine, create_engine

from rag.store.base import UtcDateTime
from rag.store.tables import METADATA


def _engine() -> Engine:
    given = context.config.attributes.get("engine")
    return given if isinstance(given, Engine) else create_engine(os.environ["SEOGO_STORE_URL"])


def _render_item(kind: str, item: object, _autogen: object) -> str | Literal[False]:
    # A migration must not depend on application code, which moves on.
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


with _engine().connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=True,
        compare_type=True,
        render_item=_render_item,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
