"""Bodies of the routes that ask about code."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.common import Body, CollectionNames
from api.schemas.filters import AsOf
from api.schemas.search import passage_url
from rag.domain.code import ReferenceRole, Symbol, SymbolKind
from rag.domain.code_places import (
    Callee,
    CodeMatch,
    CodeMatches,
    CodeScope,
    Definition,
    Spot,
    Sureness,
    Use,
)
from rag.retrieval.code_pack import LEAST_BUDGET, MOST_BUDGET, CodePack
from rag.retrieval.repository_map import RepositoryMap

Words = Annotated[str, Field(min_length=1, max_length=200)]
REPOSITORIES = "names or ids of repositories, or of collections of code; all that the key may read when left out"
PATH = "glob on the path inside the repository: `src/**/*.py`, `*.java`, or a folder"
LANGUAGE = "such as python, java, c++"


class CodeIn(Body):
    """What code is asked about."""

    repositories: list[Words] = Field(default_factory=list, max_length=20, description=REPOSITORIES)
    path: str = Field("", max_length=500, description=PATH, examples=["src/**/*.py"])
    language: str = Field("", max_length=30, description=LANGUAGE)
    collections: CollectionNames = None
    as_of: AsOf = None

    @property
    def scope(self) -> CodeScope:
        """The same as a value."""
        return CodeScope(tuple(self.repositories), self.path, self.language)


class CodeSearchIn(CodeIn):
    """A search in code: by words, by a pattern, or by a symbol."""

    query: str = Field("", max_length=4000, description="words in any language, or a pattern of RE2 where `regex`")
    regex: bool = Field(False, description="line by line; over lines where the pattern says `\\n` or `(?s)`")
    ignore_case: bool = Field(False, description="of a pattern")
    symbol: str = Field(
        "",
        max_length=300,
        description="name of a definition: alone, where it is defined; with a query, only what stands inside of it",
        examples=["PaymentService.approve"],
    )
    limit: int = Field(20, ge=1, le=100)


class CodeMapIn(CodeIn):
    """An outline that is wanted."""

    task: str = Field("", max_length=20_000, description="what it is for: files that the task speaks of come first")
    budget: int = Field(4000, ge=100, le=200_000, description="tokens")


class CodePackIn(CodeIn):
    """A context that is wanted."""

    task: str = Field(min_length=1, max_length=100_000)
    budget: int = Field(100_000, ge=LEAST_BUDGET, le=MOST_BUDGET, description="tokens")


class SpotOut(BaseModel):
    """Lines of a file, with two around them."""

    place: str = Field(description="path, lines and commit", examples=["payments/src/login.py:10-24@abc123def456"])
    source_key: str
    commit: str = Field(description="at which the file was taken in this state; empty outside of repositories")
    first: int
    last: int
    text: str
    before: list[str]
    after: list[str]
    document_id: UUID
    chunk_id: UUID
    collection: str
    url: str = Field(description="where the passage can be opened, permission checked")

    @classmethod
    def of(cls, spot: Spot, base_url: str) -> SpotOut:
        """The lines as JSON."""
        source = spot.source
        return cls(
            place=spot.place,
            source_key=source.source_key,
            commit=source.commit,
            first=spot.first,
            last=spot.last,
            text=spot.text,
            before=list(spot.before),
            after=list(spot.after),
            document_id=source.document_id,
            chunk_id=spot.chunk_id,
            collection=source.collection_name,
            url=passage_url(base_url, spot.chunk_id, source),
        )


class SymbolOut(BaseModel):
    """A definition."""

    name: str
    path: str = Field(description="with what encloses it", examples=["PaymentService.approve"])
    kind: SymbolKind
    signature: str
    doc: str
    first: int
    last: int
    test: bool

    @classmethod
    def of(cls, item: Symbol) -> SymbolOut:
        """The definition as JSON."""
        return cls(
            name=item.name,
            path=item.path,
            kind=item.kind,
            signature=item.signature,
            doc=item.doc,
            first=item.first,
            last=item.last,
            test=item.test,
        )


class DefinitionOut(BaseModel):
    """A definition with the line that names it."""

    symbol: SymbolOut
    language: str
    spot: SpotOut

    @classmethod
    def of(cls, item: Definition, base_url: str) -> DefinitionOut:
        """The definition as JSON."""
        return cls(symbol=SymbolOut.of(item.symbol), language=item.language, spot=SpotOut.of(item.spot, base_url))


class MatchOut(BaseModel):
    """Lines that a search found."""

    spot: SpotOut
    language: str
    spans: list[tuple[int, int]] = Field(description="what matched in `spot.text`, as offsets in characters")
    symbol: str = Field(description="path of the definition around it")
    score: float

    @classmethod
    def of(cls, item: CodeMatch, base_url: str) -> MatchOut:
        """The match as JSON."""
        spot = SpotOut.of(item.spot, base_url)
        return cls(spot=spot, language=item.language, spans=list(item.spans), symbol=item.symbol, score=item.score)


class CodeSearchOut(BaseModel):
    """What a search in code found."""

    how: str = Field(examples=["words", "regex", "symbol"])
    matches: list[MatchOut]
    more: bool = Field(description="there are others")
    partial: bool = Field(
        description="not everything was looked through: the time was up, or too many files are in question"
    )
    milliseconds: float

    @classmethod
    def of(cls, found: CodeMatches, base_url: str) -> CodeSearchOut:
        """The result as JSON."""
        matches = [MatchOut.of(item, base_url) for item in found.matches]
        return cls(
            how=found.how, matches=matches, more=found.more, partial=found.partial, milliseconds=found.milliseconds
        )


class SymbolsOut(BaseModel):
    """Definitions, best first."""

    definitions: list[DefinitionOut]


class UseOut(BaseModel):
    """A line in which a name is used."""

    name: str
    role: ReferenceRole
    enclosing: str = Field(description="path of the definition around it: the caller")
    qualifier: str = Field(description="what stands before the name")
    sure: Sureness = Field(description="how sure it is that this definition is meant; nothing is compiled")
    test: bool
    spot: SpotOut

    @classmethod
    def of(cls, item: Use, base_url: str) -> UseOut:
        """The use as JSON."""
        return cls(
            name=item.name,
            role=item.role,
            enclosing=item.enclosing,
            qualifier=item.qualifier,
            sure=item.sure,
            test=item.test,
            spot=SpotOut.of(item.spot, base_url),
        )


class CalleeOut(BaseModel):
    """Something that a definition calls."""

    name: str
    sure: Sureness
    definitions: list[DefinitionOut] = Field(description="where it may be defined; none for what is defined elsewhere")
    uses: list[UseOut]

    @classmethod
    def of(cls, item: Callee, base_url: str) -> CalleeOut:
        """The callee as JSON."""
        return cls(
            name=item.name,
            sure=item.sure,
            definitions=[DefinitionOut.of(found, base_url) for found in item.definitions],
            uses=[UseOut.of(found, base_url) for found in item.uses],
        )


class ReferencesOut(BaseModel):
    """What was found for a name."""

    name: str
    definitions: list[DefinitionOut]
    uses: list[UseOut] = Field(description="surest first")
    callees: list[CalleeOut] = Field(description="only where they were asked for")
    more: bool


class MapFileOut(BaseModel):
    """A file of a map."""

    source_key: str
    document_id: UUID
    rank: float
    symbols: list[SymbolOut]


class RevisionOut(BaseModel):
    """A state of a repository."""

    name: str
    commit: str


class CodeMapOut(BaseModel):
    """An outline."""

    text: str = Field(description="for a prompt")
    tokens: int
    files: list[MapFileOut] = Field(description="best first")
    files_total: int
    revisions: list[RevisionOut]

    @classmethod
    def of(cls, found: RepositoryMap) -> CodeMapOut:
        """The map as JSON."""
        return cls(
            text=found.text,
            tokens=found.tokens,
            files=[
                MapFileOut(
                    source_key=item.file.key,
                    document_id=item.file.document_id,
                    rank=item.file.rank,
                    symbols=[SymbolOut.of(symbol) for symbol in item.symbols],
                )
                for item in found.files
            ],
            files_total=found.files_total,
            revisions=[RevisionOut(name=item.repository, commit=item.commit) for item in found.revisions],
        )


class PackedFileOut(BaseModel):
    """A file of a pack."""

    source_key: str
    place: str
    document_id: UUID
    lines: int
    whole: bool
    left_out: list[tuple[int, int]] = Field(description="spans of lines that are not in the pack")
    tokens: int


class LeftOutOut(BaseModel):
    """A file that is not in the pack."""

    source_key: str
    reason: str = Field(examples=["budget", "unreadable"])


class CodePackOut(BaseModel):
    """A context for a large job."""

    text: str
    tokens: int
    budget: int
    files: list[PackedFileOut]
    left_out: list[LeftOutOut] = Field(description="best first")
    not_looked_at: int = Field(description="further files, which matter less")
    revisions: list[RevisionOut]

    @classmethod
    def of(cls, found: CodePack) -> CodePackOut:
        """The pack as JSON."""
        return cls(
            text=found.text,
            tokens=found.tokens,
            budget=found.budget,
            files=[
                PackedFileOut(
                    source_key=item.file.key,
                    place=item.place,
                    document_id=item.file.document_id,
                    lines=item.lines,
                    whole=item.whole,
                    left_out=list(item.folded.left_out),
                    tokens=item.tokens,
                )
                for item in found.files
            ],
            left_out=[LeftOutOut(source_key=item.key, reason=item.reason) for item in found.left_out],
            not_looked_at=found.not_looked_at,
            revisions=[RevisionOut(name=item.repository, commit=item.commit) for item in found.revisions],
        )
