"""Where something is used, what calls it, what it calls, what tests it, and what a module is made of.

A name may be given with what encloses it, as `approve`, `PaymentService.approve` or `PaymentService::approve`.
"""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from rag.domain.code import ReferenceRole
from rag.domain.code_places import Callee, CodeScope, Definition, ModuleExplanation, Use, Uses
from rag.domain.errors import SymbolNotFound
from rag.domain.filters import DocumentFilter
from rag.domain.passage import Passage
from rag.domain.principal import Permit
from rag.retrieval.code_lines import CONTEXT, defined
from rag.retrieval.code_modules import BY_PATH, files_called, files_defining, importers, outlines, outside, words
from rag.retrieval.code_names import Asked, asked_name, hump_pieces, matches_humps
from rag.retrieval.code_resolution import is_named, order
from rag.retrieval.code_scope import ScopedPermit, scoped
from rag.retrieval.code_uses import callees, in_test, judged, shown, through_helpers
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.store import code_query
from rag.store.code_query import FileRow, SymbolRow
from rag.store.session import Database
from rag.text.code import CASELESS_LANGUAGES

_ROLES_OF_USE = (ReferenceRole.CALL, ReferenceRole.TYPE, ReferenceRole.INHERIT, ReferenceRole.IMPORT, ReferenceRole.USE)
_MOST_USES = 1000
"""Rows that are joined with their definitions: of a name that is used more often, the first ones by path."""
_FILES_EXPLAINED = 20
_IMPORTERS = 20
_PASSAGES = 6
_DEFINITIONS = 20
EVERYTHING = CodeScope()


@dataclass(frozen=True, slots=True)
class CodeNavigator:
    """Answers questions on code by its syntax, under a permit. Thread-safe.

    Attributes:
        retriever: gives `explain` the passages of a module.
    """

    database: Database
    retriever: Retriever

    def definitions(
        self,
        permit: Permit,
        name: str,
        *,
        scope: CodeScope = EVERYTHING,
        kinds: Container[str] = (),
        limit: int = 20,
    ) -> tuple[Definition, ...]:
        """Definitions of a name, best first: exactly it, then in another case, then what begins with it, then what it abbreviates
        (`PaySer` for `PaymentService`).

        Args:
            kinds: values of `SymbolKind`; all without any.

        Raises:
            RepositoryNotFound, PatternRefused: of the scope.
        """
        with self.database.read() as session:
            within = scoped(session, permit, scope)
            rows = _found(session, within, asked_name(name), kinds)
            seen = defined(session, within.permit, rows[: 2 * limit], around=CONTEXT)
        return tuple(item for item in seen if item)[:limit]

    def uses(
        self,
        permit: Permit,
        name: str,
        *,
        scope: CodeScope = EVERYTHING,
        roles: Sequence[ReferenceRole] = _ROLES_OF_USE,
        limit: int = 50,
    ) -> Uses:
        """Where a name is used, in the roles asked for. The scope is that of the uses; a definition may lie anywhere.

        Raises:
            RepositoryNotFound, PatternRefused: of the scope.
        """
        return self._uses(permit, name, scope, roles, limit, tests=False)

    def callers(self, permit: Permit, name: str, *, scope: CodeScope = EVERYTHING, limit: int = 50) -> Uses:
        """What calls a function, method or class: `enclosing` of each use is the caller.

        Raises:
            RepositoryNotFound, PatternRefused: of the scope.
        """
        return self._uses(permit, name, scope, (ReferenceRole.CALL,), limit, tests=False)

    def tests(self, permit: Permit, name: str, *, scope: CodeScope = EVERYTHING, limit: int = 50) -> Uses:
        """Uses of a name in tests, and calls by tests of helpers beside them that have such a use.

        Raises:
            RepositoryNotFound, PatternRefused: of the scope.
        """
        return self._uses(permit, name, scope, _ROLES_OF_USE, limit, tests=True)

    def callees(
        self, permit: Permit, name: str, *, scope: CodeScope = EVERYTHING, limit: int = 50
    ) -> tuple[Callee, ...]:
        """What a definition calls, in the order of its lines. The scope is that of the definition.

        Raises:
            SymbolNotFound: there is no definition of that name.
            RepositoryNotFound, PatternRefused: of the scope.
        """
        with self.database.read() as session:
            within = scoped(session, permit, scope)
            everywhere = scoped(session, permit, EVERYTHING)
            targets = _targets(session, within, asked_name(name))[0]
            if not targets:
                raise SymbolNotFound(name=name)
            return callees(session, everywhere.permit, targets, limit)

    def importers(
        self, permit: Permit, path: str, *, scope: CodeScope = EVERYTHING, limit: int = 50
    ) -> tuple[Use, ...]:
        """Lines that import a file or folder, given by its path (with or without the repository) or as a module.

        Raises:
            RepositoryNotFound, PatternRefused: of the scope.
        """
        with self.database.read() as session:
            within = scoped(session, permit, scope)
            files = files_called(session, within, path)
            return importers(session, scoped(session, permit, EVERYTHING).permit, files, limit)

    def explain(
        self, permit: Permit, name: str, *, question: str = "", scope: CodeScope = EVERYTHING, passages: int = _PASSAGES
    ) -> ModuleExplanation:
        """What a file, folder, module or class is made of, what it takes from elsewhere, who takes it, and its best passages.

        Args:
            name: a path, a module (`payments.gateway`) or the name of a definition, whose file is explained then.
            question: what the passages are to be about; the name itself without one.

        Raises:
            SymbolNotFound: nothing is called so.
            RepositoryNotFound, PatternRefused: of the scope.
        """
        with self.database.read() as session:
            within = scoped(session, permit, scope)
            files = files_called(session, within, name)
            if not files:
                files = files_defining(session, within, asked_name(name))
            if not files:
                raise SymbolNotFound(name=name)
            shown_files = outlines(session, within.permit, files[:_FILES_EXPLAINED])
            imported = outside(session, within.permit, files)
            taking = importers(session, scoped(session, permit, EVERYTHING).permit, files, _IMPORTERS)
        found = self._passages(within.permit, files, question.strip() or words(name, shown_files), passages)
        return ModuleExplanation(name, shown_files, imported, taking, found, len(files) > _FILES_EXPLAINED)

    def _passages(self, permit: Permit, files: Sequence[FileRow], question: str, limit: int) -> tuple[Passage, ...]:
        if not limit:
            return ()
        try:
            permit = permit.filtered(DocumentFilter(document_ids=tuple(row.document_id for row in files)))
        except ValueError:  # it is limited to some already
            return ()
        context = QuestionContext(infer_filters=False)
        question = question[: self.retriever.settings.max_question_chars]
        return self.retriever.search(permit, question, limit=limit, context=context).passages

    def _uses(
        self,
        permit: Permit,
        name: str,
        scope: CodeScope,
        roles: Sequence[ReferenceRole],
        limit: int,
        *,
        tests: bool,
    ) -> Uses:
        with self.database.read() as session:
            within, everywhere = scoped(session, permit, scope), scoped(session, permit, EVERYTHING)
            asked = asked_name(name)
            targets, others = _targets(session, everywhere, asked)
            rows = code_query.references(
                session,
                within.permit,
                {row.name for row in targets} or {asked.name},
                any_case={row.name for row in targets if row.language in CASELESS_LANGUAGES},
                roles=roles,
                prefixes=within.prefixes,
                most=_MOST_USES,
            )
            cut = len(rows) >= _MOST_USES
            if ReferenceRole.IMPORT in roles:
                whole = [row.name for row in targets if row.source_key.endswith(BY_PATH)]
                rows += code_query.imports_taken_whole(session, within.permit, (), list(dict.fromkeys(whole)))
            rows = [
                row
                for row in rows
                if within.holds(row.collection_id, row.source_key)
                and (not targets or any(is_named(row, target) for target in targets))
            ]
            found = judged(session, within.permit, rows, targets, others, asked)
            marked = code_query.tests_in(session, {row.version_id for row, _ in found})
            if tests:
                found = [(row, sure) for row, sure in found if in_test(row, marked)]
                hops, more = through_helpers(session, within.permit, found, marked, within.prefixes)
                found += [item for item in hops if within.holds(item[0].collection_id, item[0].source_key)]
                marked |= more
            found.sort(key=lambda item: (order(item[1]), item[0].source_key, item[0].lines[:1]))
            uses = shown(session, within.permit, found, marked, limit + 1)
            heads = defined(session, everywhere.permit, targets[:_DEFINITIONS], around=CONTEXT)
        definitions = tuple(item for item in heads if item)
        return Uses(name, definitions, tuple(uses[:limit]), cut or len(uses) > limit)


def _found(session: Session, within: ScopedPermit, asked: Asked, kinds: Container[str]) -> list[SymbolRow]:
    """Definitions that a name may mean, best first."""
    permit, prefixes = within.permit, within.prefixes
    rows = code_query.definitions(session, permit, [asked.name], kinds=kinds, prefixes=prefixes)
    ranked = sorted(rows, key=lambda row: (not asked.is_at(row.path), row.name != asked.name, row.test))
    if asked.enclosing:
        ranked = [row for row in ranked if asked.is_at(row.path)]
    elif len(asked.name) > 1:
        ranked += code_query.definitions_like(session, permit, asked.name, kinds=kinds, prefixes=prefixes)
        ranked += _abbreviated(session, within, asked.name, kinds)
    return [row for row in dict.fromkeys(ranked) if within.holds(row.collection_id, row.source_key, row.language)]


def _abbreviated(session: Session, within: ScopedPermit, name: str, kinds: Container[str]) -> list[SymbolRow]:
    pieces = hump_pieces(name)
    if len(pieces) < 2:
        return []
    names = code_query.names_with(session, within.permit, [piece.lower() for piece in pieces])
    meant = [item for item in names if matches_humps(pieces, item)][:100]
    return code_query.definitions(session, within.permit, meant, kinds=kinds, prefixes=within.prefixes) if meant else []


def _targets(session: Session, within: ScopedPermit, asked: Asked) -> tuple[list[SymbolRow], list[SymbolRow]]:
    """The definitions that are meant, and others of the same name: exactly as it is written, or in another case where nothing
    is."""
    rows = code_query.definitions(session, within.permit, [asked.name], prefixes=within.prefixes)
    rows = [row for row in rows if within.holds(row.collection_id, row.source_key, row.language)]
    exact = [row for row in rows if row.name == asked.name]
    rows = exact or rows
    meant = [row for row in rows if asked.is_at(row.path)]
    if asked.enclosing and not meant:
        return [], rows
    return meant, [row for row in rows if row not in meant]
