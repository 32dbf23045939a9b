"""One walk through a syntax tree: definitions, uses and imports, by the rules of the language (`code_rules`)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from ingest.parsing.code_comments import plain_comment
from ingest.parsing.code_grammars import Language, Node, Tree, grammar
from ingest.parsing.code_rules import Definition, Rules, TestClue, nth
from rag.domain.code import CodeOutline, Import, Reference, ReferenceRole, Symbol, SymbolKind

_MAX_SIGNATURE = 300
"""Characters; what is longer is a table of values or generated."""
_MAX_QUALIFIER = 80
_MAX_DOC = 2000
_MAX_DEPTH = 40
"""Definitions inside one another; what lies deeper belongs to the last of them."""
_MAX_NAME = 200
_OWNING = frozenset((SymbolKind.CLASS, SymbolKind.INTERFACE, SymbolKind.STRUCT, SymbolKind.ENUM, SymbolKind.TRAIT))
_RUNNING = frozenset((SymbolKind.FUNCTION, SymbolKind.METHOD, SymbolKind.PROCEDURE))
_DOTTED = frozenset((SymbolKind.MODULE, SymbolKind.SECTION, SymbolKind.KEY))
"""Definitions that are called by all of their path: `bank.pay`, `tool.ruff`. A class in one is called by its own name."""
_BOUND = frozenset((SymbolKind.VARIABLE, SymbolKind.CONSTANT, SymbolKind.FIELD))
_ANNOTATIONS = re.compile(r"^(?:@(?!interface\b)[\w.]+(?:\((?:[^()]|\([^()]*\))*\))?\s*|#?\[[^\]]*\]\s*)+")
_DECORATED = frozenset({"decorated_definition"})
_ENDS = " \t{=:;"
_NAME = re.compile(r"[^\W\d][\w:-]*$")
_FIRST = re.compile(r"\w*")
_LOUD = re.compile(r"[A-Z][A-Z0-9_]+$")
_TITLE_BYTES = re.compile(rb"[A-Z]\w*[a-z]")
_LOUD_BYTES = re.compile(rb"[A-Z][A-Z0-9_]+$")
_NONE: frozenset[int] = frozenset()


class Scope(NamedTuple):
    """The innermost definition around a node; at the top of the file a scope without a name."""

    path: str = ""
    name: str = ""
    kind: SymbolKind | None = None
    depth: int = 0
    outer: Scope | None = None

    def inner(self, name: str) -> str:
        """The path of a name in it."""
        return f"{self.path}.{name}" if self.path else name


@dataclass(frozen=True, slots=True)
class _Lead:
    """Comments and attributes right before a node, on lines `first` to `last`, from 0."""

    first: int
    last: int
    nodes: tuple[Node, ...]


_Use = tuple[int, int, str, str]
"""Start and end of a name that may turn out to be worth noting, what stands before it, and the definition around it."""

_ROLES = (None, ReferenceRole.TYPE, ReferenceRole.INHERIT)
_PLAIN, _TYPED, _INHERITED = range(3)
_Entry = tuple[Node, Scope, int, "_Lead | None", "Node | None"]
"""A node, what is around it, what a bare name in it is, the comments before it, and the wrapper that it is in."""
_Handler = Callable[["Walk", Node, Scope, int, "_Lead | None", "Node | None"], None]


class Walk:
    """The walk through one tree. Iterative: source code that nobody trusts may nest as deep as it likes."""

    def __init__(self, language: str, rules: Rules, plan: Plan, source: bytes, file: str) -> None:
        self._language = language
        self._rules = rules
        self._plan = plan
        self._source = source
        self._file = file
        self._stack: list[_Entry] = []
        self._named: set[int] = set()
        self._symbols: list[Symbol] = []
        self._paths: set[str] = set()
        self._imports: list[Import] = []
        self._references: dict[tuple[str, ReferenceRole, str, str], list[int]] = {}
        self._uses: list[_Use] = []

    def outline(self, root: Node) -> CodeOutline:
        """What the tree below `root` defines, uses and imports."""
        handlers, stack = self._plan.handlers, self._stack
        self._expand(root, Scope(), _PLAIN)
        while stack:
            node, scope, mode, lead, outer = stack.pop()
            handler = handlers.get(node.kind_id)
            if handler is not None:
                handler(self, node, scope, mode, lead, outer)
            else:
                self._expand(node, scope, mode, None, lead)
        self._keep_uses()
        return CodeOutline(
            self._language,
            tuple(sorted(self._symbols, key=lambda item: (item.first, -item.last))),
            tuple(self._noted()),
            tuple(self._imports),
            root.has_error,
        )

    def _text(self, node: Node | None) -> str:
        if node is None:
            return ""
        return self._source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    # -- going down ------------------------------------------------------------------------------------------------

    def _expand(
        self,
        node: Node,
        scope: Scope,
        mode: int,
        outer: Node | None = None,
        lead: _Lead | None = None,
        *,
        eager: bool = True,
    ) -> None:
        """Push the children of a node, each with the comments right before it.

        Bare names make up half of all nodes: they are noted here, unless they may turn out to be something else (`eager`).
        """
        plan, named, uses = self._plan, self._named, self._uses
        leading, opaque = plan.leading, plan.opaque
        bare = plan.bare if eager and mode == _PLAIN else _NONE
        entries: list[_Entry] = []
        before: Node | None = None
        for child in node.named_children:
            kind = child.kind_id
            if kind in leading:
                lead = _longer(lead, child, before)
                if kind not in plan.comments:
                    entries.append((child, scope, mode, None, None))
            else:
                if kind in bare:
                    if (start := child.start_byte) not in named:
                        uses.append((start, child.end_byte, "", scope.path))
                elif kind not in opaque:
                    entries.append((child, scope, mode, lead, outer))
                if outer is None:
                    lead = None
            before = child
        if entries:
            entries.reverse()
            self._stack += entries

    def lone(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """A wrapper when there is one definition in it."""
        if node.named_child_count == 1:
            self._expand(node, scope, mode, outer or node, lead)
        else:
            self._expand(node, scope, mode, None, lead)

    def anonymous(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """A function without a name: what lies in it is in a function."""
        if scope.kind not in _RUNNING:
            scope = Scope(scope.path, scope.name, SymbolKind.FUNCTION, scope.depth, scope)
        self._expand(node, scope, mode)

    def wrapped(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """A wrapper: the definition in it begins where it begins."""
        self._expand(node, scope, mode, outer or node, lead)

    def owned(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """Names in it are those of a definition that stands elsewhere."""
        owner = self._rules.owners[node.type](node)
        name = "" if owner is None else _bare(self._text(owner))
        inside = scope
        if name and scope.depth < _MAX_DEPTH:
            inside = Scope(scope.inner(name), name, SymbolKind.CLASS, scope.depth + 1, scope)
        self._descend(node, inside, mode)

    # -- definitions -----------------------------------------------------------------------------------------------

    def defined(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """A node that may define something."""
        definition = self._plan.definitions[node.kind_id]
        names = self._names(definition, node) if scope.depth < min(definition.depth, _MAX_DEPTH) else []
        inside = scope
        for item in names:
            made = self._symbol(definition, node, item, scope, lead, outer)
            if made is not None and (definition.within or made.kind in _OWNING or made.kind in _RUNNING):
                inside = made
        self._descend(node, inside, mode)

    def _names(self, definition: Definition, node: Node) -> list[Node]:
        if isinstance(definition.name, str):
            found = node.child_by_field_name(definition.name)
            return [] if found is None else [found]
        return list(definition.name(node, self._text))

    def _symbol(
        self, definition: Definition, node: Node, item: Node, scope: Scope, lead: _Lead | None, outer: Node | None
    ) -> Scope | None:
        """Note a definition; what encloses what lies in it, None when it is none worth noting."""
        name = self._text(item).strip("\"'`[]")
        around = scope
        kind = definition.kind if definition.kind_of is None else definition.kind_of(node, self._text)
        if scope.kind in _RUNNING and (kind in _BOUND or definition.outside):
            if not self._is_own_field(item, scope) or scope.outer is None:
                return None
            around = scope.outer
        written = name.replace("::", ".")
        name = written if kind in _DOTTED else name.rpartition("::")[2]
        if not name or len(name) > _MAX_NAME or "\n" in name:
            return None
        self._named.add(item.start_byte)
        owner = None if definition.owner is None else definition.owner(node)
        path = around.inner(written)
        if owner is not None:
            path = around.inner(f"{_bare(self._text(owner))}.{name}")
        kind = _kind(kind, name, around, owner is not None)
        if kind in _BOUND and path in self._paths:
            return None
        self._paths.add(path)
        self._note(definition, node, name, path, kind, around, lead, outer)
        return Scope(path, name, kind, scope.depth + 1, scope)

    def _is_own_field(self, item: Node, scope: Scope) -> bool:
        return scope.name == "__init__" and self._source[max(0, item.start_byte - 5) : item.start_byte] == b"self."

    def _note(
        self,
        definition: Definition,
        node: Node,
        name: str,
        path: str,
        kind: SymbolKind,
        scope: Scope,
        lead: _Lead | None,
        outer: Node | None,
    ) -> None:
        whole = outer or node
        first, last = whole.start_point.row, _last_row(whole)
        doc = ""
        begin = whole.start_byte
        if lead is not None and lead.last + 1 >= first:
            first = min(first, lead.first)
            doc = plain_comment([self._text(item) for item in lead.nodes if item.kind_id in self._plan.comments])
            begin = next((n.start_byte for n in lead.nodes if n.kind_id not in self._plan.comments), begin)
        if self._rules.docstring is not None:
            doc = self._rules.docstring(node, self._text) or doc
        stop = _signature_end(definition, node)
        start = node.start_byte if whole.type in _DECORATED else whole.start_byte
        signature = self._source[start:stop].decode("utf-8", "replace")
        if kind in _OWNING and stop == node.end_byte:
            signature = signature.partition("{")[0]
        head = self._source[begin:stop].decode("utf-8", "replace")
        test = self._rules.is_test(TestClue(kind, name, head, scope.name, self._file))
        self._symbols.append(
            Symbol(name, path, kind, _shown(signature, kind, name), first + 1, last + 1, doc[:_MAX_DOC].rstrip(), test)
        )

    def _descend(self, node: Node, scope: Scope, mode: int) -> None:
        """Push the children of a definition; fields that are inherited from apart."""
        fields = self._plan.fields.get(node.kind_id)
        if fields is None:
            self._expand(node, scope, mode)
            return
        entries = len(self._stack)
        self._expand(node, scope, mode, eager=False)
        modes = {child.id: inner for field, inner in fields if (child := node.child_by_field_id(field)) is not None}
        self._stack[entries:] = [
            (child, scope, modes.get(child.id, mode), lead, outer)
            for child, scope, mode, lead, outer in self._stack[entries:]
        ]

    def fielded(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """Some of its fields hold types."""
        self._descend(node, scope, mode)

    # -- uses ------------------------------------------------------------------------------------------------------

    def called(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """A call; in some languages one that makes a definition."""
        inside = scope
        if self._rules.named_call is not None and (found := self._rules.named_call(node, self._text)) is not None:
            inside = self._defined_by_call(node, scope, found, lead, outer)
        else:
            name, qualifier = self._callee(node)
            if name is not None:
                self._named.add(name.start_byte)
                self._refer(self._text(name), ReferenceRole.CALL, scope, qualifier, node)
        self._expand(node, inside, _PLAIN)

    def _callee(self, node: Node) -> tuple[Node | None, str]:
        """What a call calls, and what stands before it."""
        field = self._rules.calls[node.type]
        callee = node.named_child(0) if field == "*" else node.child_by_field_name(field)
        own = self._rules.members.get(node.type)
        if own is not None and callee is not None and own[0] == field:
            return callee, self._qualifier(node.child_by_field_name(own[1]))
        return self._last_name(callee)

    def _last_name(self, node: Node | None) -> tuple[Node | None, str]:
        """The node of the last name in `a.b.c`, and what stands before it."""
        for _ in range(4):
            if node is None:
                break
            fields = self._plan.members.get(node.kind_id)
            if fields is not None:
                name, before = _parts(node, fields)
                if name is not None and name.kind_id in self._plan.members:
                    node = name
                    continue
                return name, self._qualifier(before)
            if node.kind_id in self._plan.leaves:
                return node, ""
            node = node.named_child(0) if node.named_child_count else None
        return None, ""

    def _qualifier(self, node: Node | None) -> str:
        if node is None or node.end_byte - node.start_byte > _MAX_QUALIFIER:
            return ""
        written = self._text(node)
        return "" if "\n" in written else written.removesuffix("::").removesuffix(".")

    def _defined_by_call(
        self,
        node: Node,
        scope: Scope,
        found: tuple[str, SymbolKind, bool],
        lead: _Lead | None,
        outer: Node | None,
    ) -> Scope:
        name, kind, test = found
        name = " ".join(name.split())[:_MAX_NAME]
        if not name or scope.depth >= _MAX_DEPTH:
            return scope
        whole = outer or node
        first = whole.start_point.row
        doc = ""
        if lead is not None and lead.last + 1 >= first:
            first = min(first, lead.first)
            doc = plain_comment([self._text(item) for item in lead.nodes])
        head = self._text(node).partition("\n")[0]
        self._symbols.append(
            Symbol(name, scope.inner(name), kind, one_line(head), first + 1, _last_row(whole) + 1, doc[:_MAX_DOC], test)
        )
        return Scope(scope.inner(name), name, kind, scope.depth + 1, scope)

    def imported(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """An import."""
        found = self._rules.imports[node.type](node, self._text)
        self._imports += found
        if found:
            return
        otherwise = self._plan.otherwise.get(node.kind_id)
        if otherwise is not None:
            otherwise(self, node, scope, mode, lead, outer)

    def membered(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """`a.b` that is not called."""
        name, before = _parts(node, self._plan.members[node.kind_id])
        if name is None or name.kind_id not in self._plan.leaves:
            self._expand(node, scope, mode)
            return
        if name.start_byte not in self._named:
            self._named.add(name.start_byte)
            role = _ROLES[mode]
            if role is not None:
                self._refer(self._text(name), role, scope, self._qualifier(before), node)
                return
            if name.kind_id in self._plan.types:
                self._refer(self._text(name), ReferenceRole.TYPE, scope, self._qualifier(before), node)
            else:
                self._maybe(name, self._qualifier(before), scope)
        if before is not None:
            self._stack.append((before, scope, _PLAIN, None, None))
        if node.named_child_count > 2:
            rest = (child for child in node.named_children if child not in (name, before))
            self._stack += ((child, scope, mode, None, None) for child in rest)

    def leaf(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """A name by itself."""
        if node.start_byte in self._named:
            return
        role = _ROLES[mode]
        if role is None:
            self._maybe(node, "", scope)
        else:
            self._refer(self._text(node), role, scope, "", node)

    def type_leaf(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """The name of a type."""
        if node.start_byte not in self._named:
            role = ReferenceRole.INHERIT if mode == _INHERITED else ReferenceRole.TYPE
            self._refer(self._text(node), role, scope, "", node)

    def typed(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """Names below are types."""
        self._expand(node, scope, mode or _TYPED)

    def arguments(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """Names below are types, and not inherited from."""
        self._expand(node, scope, _TYPED)

    def tokens(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """A name before brackets is called."""
        children = node.named_children
        for name, after in pairwise(children):
            if name.kind_id in self._plan.leaves and after.kind_id == node.kind_id:
                self._named.add(name.start_byte)
                self._refer(self._text(name), ReferenceRole.CALL, scope, "", name)
        self._expand(node, scope, mode)

    def inherited(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """Names below are inherited from."""
        self._expand(node, scope, _INHERITED)

    def plain(self, node: Node, scope: Scope, mode: int, lead: _Lead | None, outer: Node | None) -> None:
        """Names below are just names."""
        self._expand(node, scope, _PLAIN)

    def _refer(self, name: str, role: ReferenceRole, scope: Scope, qualifier: str, node: Node) -> None:
        if name in self._rules.ignored and (role is ReferenceRole.TYPE or not qualifier):
            return
        if role is ReferenceRole.TYPE and len(name) == 1:
            return
        if len(name) > _MAX_NAME or not _NAME.match(name):
            return
        line = node.start_point.row + 1
        lines = self._references.setdefault((name, role, scope.path, qualifier), [])
        if not lines or lines[-1] != line:
            lines.append(line)

    def _maybe(self, node: Node, qualifier: str, scope: Scope) -> None:
        self._uses.append((node.start_byte, node.end_byte, qualifier, scope.path))

    def _keep_uses(self) -> None:
        """Of the names that stand alone, those that are known in this file from elsewhere, those of constants, and, where a file
        sees what others of its package define, those that begin like theirs."""
        fields = {item.name.encode() for item in self._symbols if item.kind in _BOUND}
        taken = {name for item in self._imports for name in item.names or (_last_part(item.module),)}
        known = {name.encode() for name in taken | {item.name for item in self._symbols if "." not in item.path}}
        ignored, shared, source = self._plan.ignored, self._rules.shared, self._source
        starts = [0, *accumulate(len(line) + 1 for line in source.split(b"\n"))]
        alone: dict[bytes, bool] = {}  # most uses are a few names again and again
        for start, end, qualifier, enclosing in self._uses:
            name = source[start:end]
            kept = None if qualifier else alone.get(name)
            if kept is None:
                if not qualifier:
                    wanted = name in known or (shared and _TITLE_BYTES.match(name) is not None)
                else:
                    first = found[0].encode() if (found := _FIRST.match(qualifier)) else b""
                    wanted = first in known or (first in (b"self", b"this") and name in fields)
                kept = (wanted or _LOUD_BYTES.match(name) is not None) and name not in ignored and len(name) != 1
                if not qualifier:
                    alone[name] = kept
            if not kept:
                continue
            line_number = bisect_right(starts, start)
            key = (name.decode("utf-8", "replace"), ReferenceRole.USE, enclosing, qualifier)
            lines = self._references.setdefault(key, [])
            if not lines or lines[-1] != line_number:
                lines.append(line_number)

    def _noted(self) -> list[Reference]:
        found = [
            (min(lines), name, role, qualifier, enclosing, lines)
            for (name, role, enclosing, qualifier), lines in self._references.items()
        ]
        found.sort()  # no two are alike before their lines
        return [
            Reference(name, role, tuple(lines if len(lines) == 1 else sorted(set(lines))), enclosing, qualifier)
            for _, name, role, qualifier, enclosing, lines in found
        ]


@dataclass(frozen=True, slots=True)
class Plan:
    """Rules with the numbers that the grammar gives to nodes and fields in place of their names."""

    handlers: dict[int, _Handler]
    opaque: frozenset[int]
    comments: frozenset[int]
    leading: frozenset[int]
    definitions: dict[int, Definition]
    members: dict[int, tuple[str, str]]
    leaves: frozenset[int]
    types: frozenset[int]
    bare: frozenset[int]
    fields: dict[int, list[tuple[int, int]]]
    otherwise: dict[int, _Handler]
    ignored: frozenset[bytes]


def outline_of(language: str, rules: Rules, grammar_name: str, tree: Tree, source: bytes, file: str) -> CodeOutline:
    """The outline of a parsed file; `file` is its name without folders."""
    return Walk(language, rules, _plan(grammar_name, rules), source, file).outline(tree.root_node)


_PLANS: dict[str, Plan] = {}


def _plan(grammar_name: str, rules: Rules) -> Plan:
    found = _PLANS.get(grammar_name)
    if found is None:
        found = _PLANS[grammar_name] = _planned(grammar(grammar_name), rules)
    return found


def _planned(language: Language, rules: Rules) -> Plan:
    handlers: dict[int, _Handler] = {}
    fielded = sorted(each for each in rules.typed | rules.inherits if "." in each)
    for types, handler in (
        (rules.names, Walk.leaf),
        (rules.types, Walk.type_leaf),
        ([each.partition(".")[0] for each in fielded], Walk.fielded),
        ([each for each in rules.typed if "." not in each], Walk.typed),
        (rules.arguments, Walk.arguments),
        (rules.plain, Walk.plain),
        (rules.tokens, Walk.tokens),
        (rules.anonymous, Walk.anonymous),
        ([each for each in rules.inherits if "." not in each], Walk.inherited),
        (rules.members, Walk.membered),
        (rules.calls, Walk.called),
        (rules.wrappers, Walk.wrapped),
        (rules.lone, Walk.lone),
        (rules.owners, Walk.owned),
        (rules.definitions, Walk.defined),
    ):
        handlers |= dict.fromkeys(_ids(language, types), handler)
    imports = dict.fromkeys(_ids(language, rules.imports), Walk.imported)
    otherwise = {kind: handlers[kind] for kind in imports if kind in handlers}
    fields: dict[int, list[tuple[int, int]]] = {}
    for each in fielded:
        node, _, field = each.partition(".")
        mode = _INHERITED if each in rules.inherits else _TYPED
        fields.setdefault(_id(language, node), []).append((_field_id(language, field), mode))
    return Plan(
        handlers | imports,
        frozenset(_ids(language, rules.opaque)),
        frozenset(_ids(language, rules.comments)),
        frozenset(_ids(language, rules.comments | rules.attributes)),
        {_id(language, name): each for name, each in rules.definitions.items()},
        {_id(language, name): each for name, each in rules.members.items()},
        frozenset(_ids(language, rules.names | rules.types)),
        frozenset(_ids(language, rules.types)),
        frozenset(kind for kind, handler in handlers.items() if handler is Walk.leaf),
        fields,
        otherwise,
        frozenset(name.encode() for name in rules.ignored),
    )


def _ids(language: Language, names: Iterable[str]) -> list[int]:
    return [_id(language, name) for name in names]


def _id(language: Language, name: str) -> int:
    found = language.id_for_node_kind(name, True)
    if found is None:
        raise ValueError(f"the grammar {language.name} has no node {name}")
    return found


def _field_id(language: Language, name: str) -> int:
    found = language.field_id_for_name(name)
    if found is None:
        raise ValueError(f"the grammar {language.name} has no field {name}")
    return found


def _longer(lead: _Lead | None, node: Node, before: Node | None) -> _Lead | None:
    """The comments before, with one more; none where it stands at the end of a line of code."""
    first, last = node.start_point.row, _last_row(node)
    if before is not None and _last_row(before) == first and (lead is None or lead.last != first):
        return None
    if lead is not None and lead.last + 1 >= first:
        return _Lead(lead.first, last, (*lead.nodes, node))
    return _Lead(first, last, (node,))


def _last_row(node: Node) -> int:
    """The last line with a character of the node, from 0: some grammars count the line end in."""
    end = node.end_point
    return end.row - 1 if end.column == 0 and end.row > node.start_point.row else end.row


def _signature_end(definition: Definition, node: Node) -> int:
    """Where the body begins: a field, the field of a field, or a child of that type."""
    found = [start for name in definition.body if (start := _start_of(node, name)) is not None]
    return min(found, default=node.end_byte)


def _start_of(node: Node, name: str) -> int | None:
    around, _, inner = name.rpartition(".")
    holder = node.child_by_field_name(around) if around else node
    if holder is None:
        return None
    found = holder.child_by_field_name(inner)
    if found is None and not around:
        found = next((child for child in node.named_children if child.type == name), None)
    return None if found is None else found.start_byte


def _shown(written: str, kind: SymbolKind, name: str) -> str:
    """A signature; of a key, its first line, and of a member in a list of names, the name."""
    if kind is SymbolKind.KEY:
        return _cut_off(" ".join(written.strip().partition("\n")[0].split()).rstrip(" {"))
    return name if written.startswith("{") else one_line(written)


def one_line(written: str) -> str:
    """A signature as it is shown: without annotations, without what opens the body."""
    text = " ".join(written[: 4 * _MAX_SIGNATURE].split())
    return _cut_off(_ANNOTATIONS.sub("", text).rstrip(_ENDS).removesuffix("=>").rstrip())


def _cut_off(text: str) -> str:
    return text if len(text) <= _MAX_SIGNATURE else text[: _MAX_SIGNATURE - 1] + "…"


def _parts(node: Node, fields: tuple[str, str]) -> tuple[Node | None, Node | None]:
    """The name and what stands before it; where a grammar has no fields for them, the last child and the first."""
    name, before = fields
    if name == "*":
        count = node.named_child_count
        return (node.named_child(count - 1), nth(node)) if count > 1 else (None, None)
    return node.child_by_field_name(name), node.child_by_field_name(before)


def _kind(kind: SymbolKind, name: str, scope: Scope, owned: bool) -> SymbolKind:
    """What a definition is, by where it stands and how it is spelt."""
    inside = owned or scope.kind in _OWNING
    if kind is SymbolKind.FUNCTION:
        return SymbolKind.METHOD if inside else kind
    if kind not in (SymbolKind.VARIABLE, SymbolKind.FIELD):
        return kind
    if _LOUD.match(name):
        return SymbolKind.CONSTANT
    return SymbolKind.FIELD if inside else kind


def _bare(name: str) -> str:
    """A type without its arguments, pointers and package: `Repository` of `*store.Repository[T]`."""
    head = re.split(r"[<\[(]", name, maxsplit=1)[0]
    return re.split(r"\W+", head.strip(" *&"))[-1]


def _last_part(module: str) -> str:
    return re.split(r"[./\\:]+", module.rstrip("./"))[-1]
