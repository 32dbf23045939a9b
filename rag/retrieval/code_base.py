"""Everything that can be asked of code, on one store and one retriever."""

from __future__ import annotations

from dataclasses import dataclass

from rag.retrieval.code_navigation import CodeNavigator
from rag.retrieval.code_pack import CodePacker
from rag.retrieval.code_search import CodeSearcher
from rag.retrieval.repository_map import RepositoryMaps
from rag.retrieval.service import Retriever
from rag.store.session import Database


@dataclass(frozen=True, slots=True)
class CodeBase:
    """Navigation, search, maps and packing. Thread-safe."""

    navigator: CodeNavigator
    searcher: CodeSearcher
    maps: RepositoryMaps
    packer: CodePacker

    @classmethod
    def of(cls, database: Database, retriever: Retriever) -> CodeBase:
        """All of it on one store."""
        navigator, maps = CodeNavigator(database, retriever), RepositoryMaps(database, retriever)
        return cls(navigator, CodeSearcher(database, retriever, navigator), maps, CodePacker(database, maps))
