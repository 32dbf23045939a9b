"""What is said of a Qdrant server that can't be used as asked, in Korean too; the server is a fake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from qdrant_client import QdrantClient

from rag.domain.errors import ConfigurationError
from rag.domain.messages import detail_of
from rag.index.base import IndexSchema
from rag.index.qdrant_collections import drop_space, physical_name
from rag.index.qdrant_connection import OLDEST_SERVER, require_server

SCHEMA = IndexSchema("bm25", None)


class FakeServer:
    """Answers what the two ask of a client before they refuse."""

    def info(self) -> SimpleNamespace:
        return SimpleNamespace(version="1.9.2")

    def get_aliases(self) -> SimpleNamespace:
        alias = SimpleNamespace(alias_name="seogo", collection_name=physical_name("seogo", SCHEMA))
        return SimpleNamespace(aliases=[alias])


CLIENT = cast(QdrantClient, FakeServer())


def test_an_old_server_is_refused_by_its_version() -> None:
    with pytest.raises(ConfigurationError) as refused:
        require_server(CLIENT)
    oldest = ".".join(map(str, OLDEST_SERVER))
    assert detail_of(refused.value, "ko") == f"Qdrant 서버 버전이 1.9.2입니다. {oldest} 이상이 필요합니다"
    assert detail_of(refused.value, "en") == f"the Qdrant server has version 1.9.2; {oldest} or newer is needed"


def test_a_collection_that_answers_is_not_dropped() -> None:
    with pytest.raises(ConfigurationError) as refused:
        drop_space(CLIENT, "seogo", SCHEMA)
    name = physical_name("seogo", SCHEMA)
    assert detail_of(refused.value, "ko") == (
        f"Qdrant 컬렉션 {name}은(는) 지금 질문에 답하는 데 쓰이고 있습니다. 먼저 다른 컬렉션으로 전환하세요"
    )
    assert f"{name} answers questions" in detail_of(refused.value, "en")
