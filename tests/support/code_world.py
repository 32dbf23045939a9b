"""A small store of code for tests: files with outlines that Python's own `ast` gives, which knows nothing of our grammars."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4, uuid5

from rag.access.policy import Action, Policy
from rag.domain.access import AccessRule
from rag.domain.anchor import LineAnchor
from rag.domain.code import CodeContext, CodeOutline, Import, Reference, ReferenceRole, Symbol, SymbolKind
from rag.domain.document import Chunk, ElementKind, document_id
from rag.domain.language import Language
from rag.domain.principal import Permit, Principal, Scope
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.space import EmbeddingSpace
from rag.index.base import IndexPoint, IndexSchema
from rag.index.memory import MemoryIndex
from rag.retrieval.code_navigation import CodeNavigator
from rag.retrieval.code_search import CodeSearcher
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import Understander
from rag.settings import RetrievalSettings
from rag.store import access_rule
from rag.store import chunk as chunks_table
from rag.store.base import utc_now
from rag.store.code_symbol import put_outlines
from rag.store.collection import Collection
from rag.store.document import Document
from rag.store.repository import Repository
from rag.store.session import Database
from rag.store.tenant import ensure_tenant
from rag.store.version import DocumentVersion, VersionState
from tests.support.questions import ANALYZER, READER
from tests.support.stores import add_version

COMMIT = "abc123def4560000000000000000000000000000"
CHUNK_LINES = 12


def outline_of(source: str) -> CodeOutline:
    """Definitions, uses and imports of a Python file."""
    reader = _Reader(source)
    reader.visit(ast.parse(source))
    uses = [
        Reference(name, role, tuple(sorted(lines)), enclosing, qualifier)
        for (name, role, enclosing, qualifier), lines in reader.uses.items()
    ]
    uses.sort(key=lambda use: use.lines)
    return CodeOutline("python", tuple(reader.symbols), tuple(uses), tuple(reader.imports))


class _Reader(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.lines = source.split("\n")
        self.around: list[str] = []
        self.symbols: list[Symbol] = []
        self.imports: list[Import] = []
        self.uses: dict[tuple[str, ReferenceRole, str, str], set[int]] = {}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            self._use(base, ReferenceRole.INHERIT, ".".join((*self.around, node.name)))
        self._defined(node, SymbolKind.CLASS)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._defined(node, SymbolKind.METHOD if self.around else SymbolKind.FUNCTION)

    def _defined(self, node: ast.ClassDef | ast.FunctionDef, kind: SymbolKind) -> None:
        first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
        head = self.lines[node.lineno - 1].strip().rstrip(":")
        path = ".".join((*self.around, node.name))
        doc, test = ast.get_docstring(node) or "", node.name.startswith("test_")
        self.symbols.append(Symbol(node.name, path, kind, head, first, node.end_lineno or first, doc, test))
        self.around.append(node.name)
        for child in node.body:
            self.visit(child)
        self.around.pop()

    def visit_Import(self, node: ast.Import) -> None:
        self.imports += [Import(item.name, node.lineno) for item in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        self.imports.append(Import(module, node.lineno, tuple(item.name for item in node.names)))

    def visit_Call(self, node: ast.Call) -> None:
        self._use(node.func, ReferenceRole.CALL, ".".join(self.around))
        self.generic_visit(node)

    def _use(self, node: ast.expr, role: ReferenceRole, enclosing: str) -> None:
        if isinstance(node, ast.Name):
            key = (node.id, role, enclosing, "")
        elif isinstance(node, ast.Attribute):
            key = (node.attr, role, enclosing, ast.unparse(node.value))
        else:
            return
        self.uses.setdefault(key, set()).add(node.end_lineno or node.lineno)


def _of_python(text: str, key: str) -> CodeOutline | None:
    return outline_of(text) if key.endswith(".py") else None


@dataclass
class CodeWorld:
    """Collections of code and the services that read them.

    Attributes:
        outline: what is known of a file by its text and key; None where nothing is.
    """

    database: Database
    versions: dict[str, UUID] = field(default_factory=dict)
    outline: Callable[[str, str], CodeOutline | None] = _of_python

    def __post_init__(self) -> None:
        self.space = EmbeddingSpace(KiwiBm25Embedder(ANALYZER), None)
        self.index = MemoryIndex(IndexSchema(self.space.name, self.space.dimensions))
        settings = RetrievalSettings()
        understander = Understander(self.database, self.index, self.space, ANALYZER, READER, settings)
        self.retriever = Retriever(self.database, self.index, self.space, settings, understander)
        self.navigator = CodeNavigator(self.database, self.retriever)
        self.searcher = CodeSearcher(self.database, self.retriever, self.navigator)
        self.policy = Policy(self.database)

    def repository(
        self,
        name: str,
        files: Mapping[str, str],
        *,
        collection: str = "code",
        tenant: str = "은행",
        commit: str = COMMIT,
    ) -> UUID:
        """A repository whose files are indexed; returns the id of its collection."""
        with self.database.write() as session:
            tenant_id = ensure_tenant(session, tenant).id
            key = uuid5(tenant_id, collection)
            if session.get(Collection, key) is None:
                session.add(Collection(id=key, tenant_id=tenant_id, name=collection, kind="code"))
                session.flush()
            session.add(
                Repository(
                    id=uuid4(),
                    tenant_id=tenant_id,
                    collection_id=key,
                    name=name,
                    url="/srv/x",
                    commit=commit,
                    head=commit,
                )
            )
        for path, text in files.items():
            self.file(key, f"{name}/{path}", text, commit)
        return key

    def file(
        self, collection_id: UUID, key: str, text: str, commit: str = COMMIT, rule: AccessRule | None = None
    ) -> UUID:
        """A version of a file that answers from now on; returns its id."""
        with self.database.write() as session:
            held = session.get_one(Collection, collection_id)
            row = session.get(Document, document_id(collection_id, key))
            if row is None:
                row = Document(
                    id=document_id(collection_id, key),
                    tenant_id=held.tenant_id,
                    collection_id=collection_id,
                    source_key=key,
                )
                session.add(row)
                session.flush()
            number = 1
            if row.current_version_id is not None:
                old = session.get_one(DocumentVersion, row.current_version_id)
                old.state, old.valid_to, number = VersionState.RETIRED, utc_now(), old.number + 1
            version = add_version(session, row, number, VersionState.ACTIVE, text.encode())
            stored = session.get_one(DocumentVersion, version)
            stored.valid_from, stored.commit = utc_now(), commit
            row.current_version_id = version
            chunks = chunks_of(version, text)
            chunks_table.replace_chunks(session, version, chunks)
            outline = self.outline(text, key)
            if outline is not None:
                put_outlines(session, [(version, collection_id, outline)])
            if rule is not None:
                access_rule.set_own_rule(session, row, rule)
        self._index(chunks, row, version)
        self.versions[key] = version
        return version

    def _index(self, chunks: list[Chunk], row: Document, version: UUID) -> None:
        points = [
            IndexPoint(
                chunk.id, row.tenant_id, row.collection_id, row.id, version, vectors.sparse, vectors.dense,
                access=row.access_rule_id,
            )
            for chunk, vectors in zip(chunks, self.space.embed_chunks(chunks), strict=True)
        ]  # fmt: skip
        self.index.upsert(points)

    def permit(
        self, tenant: str = "은행", collections: list[str] | None = None, action: Action = Action.SEARCH
    ) -> Permit:
        """The permit of a key of the tenant that only reads."""
        return self.policy.authorize(self.principal(tenant), action, collections)

    def principal(self, tenant: str = "은행") -> Principal:
        """A key of the tenant that only reads."""
        with self.database.write() as session:
            tenant_id = ensure_tenant(session, tenant).id
        return Principal(uuid5(tenant_id, "reader"), "읽는 키", tenant_id, frozenset({Scope.READ}))


def chunks_of(version: UUID, text: str) -> list[Chunk]:
    """The lines of a file, twelve to a chunk, without the empty lines at its ends: as the chunker of code cuts."""
    lines = text.split("\n")
    found: list[Chunk] = []
    for start in range(0, len(lines), CHUNK_LINES):
        numbers = [n for n in range(start, min(len(lines), start + CHUNK_LINES)) if lines[n].strip()]
        if numbers:
            first, last = numbers[0], numbers[-1]
            found.append(
                Chunk(
                    uuid5(version, str(len(found))), len(found), "\n".join(lines[first : last + 1]),
                    LineAnchor(first + 1, last + 1), (), Language.CODE, ElementKind.CODE, code=CodeContext("python"),
                )
            )  # fmt: skip
    return found
