"""What code a question is about, under a permit: repositories, paths, languages."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from rag.domain.code_places import CodeScope
from rag.domain.errors import InvalidRequest, RepositoryNotFound
from rag.domain.filters import DocumentFilter
from rag.domain.principal import Permit
from rag.store import code_query, repository
from rag.store import collection as collections_table
from rag.store.filtering import MAX_DOCUMENTS
from rag.store.repository import Repository
from rag.text.code import LANGUAGE_NAMES
from rag.text.code_paths import glob_pattern, literal_prefix
from rag.text.linear_pattern import LinearPattern

_SPELLINGS = {
    "csharp": "c#", "c-sharp": "c#", "cplusplus": "c++", "golang": "go", "objc": "objective-c", "dockerfile": "dockerfile",
    "makefile": "make", "make": "make", "cmake": "cmake", "node": "javascript", "nodejs": "javascript",
    "javascriptreact": "javascript", "typescriptreact": "typescript", "shellscript": "shell", "plsql": "sql", "hcl": "terraform",
    "pl/sql": "sql", "tsql": "sql", "t-sql": "sql", "postgresql": "sql", "postgres": "sql", "pgsql": "sql", "plpgsql": "sql",
    "mysql": "sql", "mariadb": "sql", "sqlite": "sql", "react": "javascript",
}  # fmt: skip
"""Other names of languages, those of editors among them; their own names and their suffixes are known anyway."""
_LANGUAGES = frozenset({*LANGUAGE_NAMES.values(), *_SPELLINGS.values()})
_TEXTS = frozenset(
    {
        "markdown", "md", "mdx", "text", "txt", "plaintext", "plain", "restructuredtext", "rst", "asciidoc", "adoc",
        "latex", "tex", "csv", "tsv", "ini", "properties", "log", "diff",
    }
)  # fmt: skip
"""Formats in which there is no code: clients that fill in the language of the open file by themselves ask for them, and find
nothing."""
_MOST_FILES = 100_000
"""Keys that are looked at for a filter: some tenths of a second."""


def language_of(path: str) -> str:
    """Name of the language of a file by its suffix; empty when it is none that is known."""
    return LANGUAGE_NAMES.get(path.rpartition(".")[2].lower(), "")


@dataclass(frozen=True, slots=True)
class ScopedPermit:
    """A permit for code alone, narrowed to a scope.

    Attributes:
        permit: for the collections of code in which the scope lies.
        roots: per collection, beginnings of the source keys that are meant; an empty one means all of it.
        repositories: the rows whose files are meant, where the collections have some.
    """

    permit: Permit
    roots: Mapping[UUID, tuple[str, ...]]
    repositories: tuple[Repository, ...]
    language: str = ""
    glob: LinearPattern | None = None
    folder: str = ""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Beginnings of source keys for the database; none where all of them may be meant."""
        roots = {root for found in self.roots.values() for root in found}
        if "" in roots:
            return ()
        return tuple(sorted(root + self.folder for root in roots))

    def holds(self, collection_id: UUID, key: str, language: str = "") -> bool:
        """Whether a file is meant, by its source key; its suffix tells its language where nothing else does."""
        roots = self.roots.get(collection_id, ())
        if not any(key.startswith(root) for root in roots):
            return False
        if self.language and self.language != (language or language_of(key)):
            return False
        if self.glob is None:
            return True
        return self.glob.holds(key) or self.glob.holds(key.partition("/")[2])

    @property
    def _suffixes(self) -> tuple[str, ...]:
        """Ends of the names of files that `holds` takes for the language."""
        return tuple(suffix for suffix, name in LANGUAGE_NAMES.items() if name == self.language)

    @property
    def narrow(self) -> bool:
        """Whether less is meant than all files of the collections."""
        return bool(self.language or self.glob is not None or self.prefixes)

    def filtered(self, session: Session, versions: Container[UUID] | None = None) -> Permit:
        """The permit for search, which may find more than is meant: where a filter would name too many documents, or the permit
        has one already, it stays as it is. What counts is how many are meant, not among how many they are.

        Args:
            versions: of files of the scope, where these alone are meant.
        """
        if versions is not None:
            meant = code_query.documents_of(session, versions)
        elif self.narrow:
            found = code_query.files(session, self.permit, self.prefixes, _MOST_FILES + 1, self._suffixes)
            if len(found) > _MOST_FILES:
                return self.permit
            meant = tuple(row.document_id for row in found if self.holds(row.collection_id, row.source_key))
        else:
            return self.permit
        if len(meant) > MAX_DOCUMENTS:
            return self.permit
        try:
            return self.permit.filtered(DocumentFilter(document_ids=meant))
        except ValueError:
            return self.permit


def scoped(session: Session, permit: Permit, scope: CodeScope) -> ScopedPermit:
    """The permit for what the scope means.

    Raises:
        RepositoryNotFound: one of its repositories is neither a repository nor a collection that the permit covers.
        PatternRefused: its glob is none.
        InvalidRequest: its language is none that is known.
    """
    code = permit.narrowed(code_query.code_collections(session, permit))
    rows = repository.of_reader(session, code)
    named = collections_table.permitted(session, permit) if scope.repositories else ()
    collections = {key: row.id for row in named for key in (row.name, str(row.id))}
    roots, used = _roots(code, collections, scope.repositories, rows)
    glob = scope.path.strip().removeprefix("./").lstrip("/")
    return ScopedPermit(
        code.narrowed(roots),
        roots,
        tuple(used),
        _language_meant(scope.language),
        glob_pattern(glob) if glob else None,
        literal_prefix(glob) if "/" in glob and scope.repositories else "",
    )


def _language_meant(asked: str) -> str:
    """The language that a name, another name or a suffix means; empty for none.

    Raises:
        InvalidRequest: nothing is called so.
    """
    name = asked.strip().lower().removeprefix(".")
    if not name:
        return ""
    meant = name if name in _LANGUAGES | _TEXTS else _SPELLINGS.get(name) or LANGUAGE_NAMES.get(name)
    if meant is None:
        known = ", ".join(sorted(_LANGUAGES))
        raise InvalidRequest(
            detail=f"lang: {asked[:40]} is no language that is known here; these are: {known}",
            detail_ko=f"lang: {asked[:40]}은(는) 아는 언어가 아닙니다. 아는 언어: {known}",
        )
    return meant


def _roots(
    permit: Permit, collections: Mapping[str, UUID], names: Sequence[str], rows: Sequence[Repository]
) -> tuple[dict[UUID, tuple[str, ...]], list[Repository]]:
    """Where what is named lies. A collection of documents has no code, so it adds nothing."""
    if not names:
        return dict.fromkeys(permit.collections, ("",)), list(rows)
    roots: dict[UUID, tuple[str, ...]] = {}
    used: list[Repository] = []
    for name in names:
        found = [row for row in rows if name in (row.name, str(row.id))]
        key = collections.get(name)
        if not found:
            if key is None:
                raise RepositoryNotFound(name=name)
            if key in permit.collections:
                roots[key] = ("",)
            used += [row for row in rows if row.collection_id == key]
        for row in found:
            roots[row.collection_id] = (*roots.get(row.collection_id, ()), f"{row.name}/")
        used += found
    return roots, used
