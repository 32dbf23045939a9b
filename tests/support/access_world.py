"""A store full of rules with random principals, and an oracle that says who may read what, written from the text of the
model alone: it knows neither `AccessRule` nor the policy."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4, uuid5

from sqlalchemy import select

from ingest.pipeline.labels import relabel_document
from rag.access.personal_data.reading import read_masked
from rag.access.policy import Action, Policy
from rag.answering.log import Recording, Surface
from rag.answering.service import Answerer, Asked
from rag.domain.access import AccessRule, Label, Role, Subject, attribute, group, user
from rag.domain.anchor import ParagraphAnchor
from rag.domain.answer import Note
from rag.domain.document import Chunk
from rag.domain.filters import Selection
from rag.domain.language import Language
from rag.domain.passage import SearchResult
from rag.domain.principal import Permit, Principal, PrincipalKind, Scope
from rag.embedding.bm25 import KiwiBm25Embedder
from rag.embedding.space import EmbeddingSpace
from rag.generation.base import Draft, GenerationRequest
from rag.generation.extractive import ExtractiveGenerator
from rag.index.base import HybridQuery, IndexPoint, IndexSchema, LegHit, LegQuery, VectorIndex
from rag.index.in_step import IndexesInStep
from rag.index.layout import Condition
from rag.index.memory import MemoryIndex
from rag.index.registry import IndexConfig, open_index
from rag.reranking.scripted import ScriptedReranker
from rag.retrieval.reranking import SecondLook
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import Understander
from rag.settings import RetrievalSettings
from rag.store import access_rule, account, queue, receipt
from rag.store import chunk as chunks_table
from rag.store.account import Account, AccountGroup, GroupMember
from rag.store.base import utc_now
from rag.store.collection import Collection
from rag.store.document import Document, counts_by_collection, covered
from rag.store.session import Database
from rag.store.version import DocumentVersion, VersionState
from tests.support.hash_embedder import HashEmbedder
from tests.support.questions import ANALYZER, READER
from tests.support.stores import add_collection, add_version

LETTERS = "OSC"
ROLES = ("viewer", "contributor", "curator", "admin")
TENANTS, COLLECTIONS, PEOPLE, GROUPS = 2, 3, 10, 5
DOCUMENTS = 10
"""Of each collection, files inside others among them: 60 in all."""
SHARED = ("거북이", "규정", "river", "annual leave")


@dataclass
class Rule:
    """What the oracle knows of a rule: words, no objects of the product."""

    allow: set[str] = field(default_factory=set)
    deny: set[str] = field(default_factory=set)
    label: str = "O"


@dataclass
class Person:
    """Somebody who asks: an account with what the directory says of it, a service, a key of the tenant, or a page's token.

    Attributes:
        only: collections that the credential is limited to.
        behind: names of whoever made it: what denies them denies it.
    """

    tenant: int
    id: UUID
    groups: set[str]
    attributes: set[str]
    clearance: str
    tenant_role: str | None
    roles: dict[int, str]
    kind: str = "user"
    only: set[int] | None = None
    behind: set[str] = field(default_factory=set)


@dataclass
class Held:
    """A document, or a collection (without `inside` and `collection`)."""

    tenant: int
    id: UUID
    rule: Rule
    owner: UUID | None = None
    collection: int = -1
    inside: int | None = None
    chunk: UUID | None = None
    words: tuple[str, ...] = ()


class Oracle:
    """Who may read what, from the text: every level must permit; a denial wins over everything, for admins too; labels go by
    clearance, for everybody; a list that is not empty must hold the reader, or be read by a curator; no role, no reading."""

    def __init__(self, around: Mapping[str, set[str]], collections: Sequence[Held], documents: Sequence[Held]) -> None:
        self.around, self.collections, self.documents = around, collections, documents

    def may_read(self, person: Person, document: Held) -> bool:
        if person.tenant != document.tenant or not self.role(person, document.collection):
            return False
        levels = [self.collections[document.collection].rule, document.rule]
        place = document.inside
        while place is not None:
            levels.append(self.documents[place].rule)
            place = self.documents[place].inside
        return all(self._passes(person, document.collection, rule) for rule in levels)

    def may_enter(self, person: Person, collection: int) -> bool:
        held = self.collections[collection]
        inside = person.tenant == held.tenant and bool(self.role(person, collection))
        return inside and self._passes(person, collection, held.rule)

    def role(self, person: Person, collection: int) -> str:
        if person.only is not None and collection not in person.only:
            return ""
        held = [item for item in (person.tenant_role, person.roles.get(collection)) if item]
        return max(held, key=ROLES.index) if held else ""

    def _passes(self, person: Person, collection: int, rule: Rule) -> bool:
        if LETTERS.index(rule.label) > LETTERS.index(person.clearance):
            return False
        names = {f"user {person.id}", "everyone", *person.attributes}
        waiting = list(person.groups)
        while waiting:
            name = waiting.pop()
            if name not in names:
                names.add(name)
                waiting += self.around[name]
        if (names | person.behind) & rule.deny:
            return False
        return not rule.allow or bool(names & rule.allow) or self.role(person, collection) in ("curator", "admin")


class DeafIndex(MemoryIndex):
    """Ignores the permit, and gives out whatever it finds."""

    def _open_scopes(self, condition: Condition) -> list[Any]:
        return list(self._scopes.values())

    def _test(self, conditions: Sequence[Condition]) -> Callable[[UUID], bool]:
        return lambda chunk_id: True


class WatchedIndex:
    """An index that notes what comes out of it, before anything is asked of the record."""

    def __init__(self, inner: VectorIndex) -> None:
        self._inner = inner
        self.hits: set[UUID] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def search(
        self, permit: Permit, legs: Mapping[str, LegQuery], selection: Selection | None = None
    ) -> dict[str, list[LegHit]]:
        """The hits of the index, noted."""
        return self.search_batch(permit, [legs], selection)[0]

    def search_batch(
        self, permit: Permit, queries: Sequence[Mapping[str, LegQuery]], selection: Selection | None = None
    ) -> list[dict[str, list[LegHit]]]:
        """The same for several queries."""
        found = self._inner.search_batch(permit, queries, selection)
        self.hits.update(hit.chunk_id for legs in found for hits in legs.values() for hit in hits)
        return found

    def hybrid(self, permit: Permit, query: HybridQuery, selection: Selection | None = None) -> list[LegHit]:
        """The same for legs that the engine fuses."""
        found = self._inner.hybrid(permit, query, selection)
        self.hits.update(hit.chunk_id for hit in found)
        return found


class Heard(logging.Handler):
    """All that the product's loggers say, as it would stand in a log, down to what is for developers alone."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.text += self.format(record) + "\n"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """For the length of a block."""
        loggers = [logging.getLogger(name) for name in ("rag", "ingest", "api")]
        before = [(each, each.level, each.propagate) for each in loggers]
        for each in loggers:
            each.addHandler(self)
            each.setLevel(logging.DEBUG)
            each.propagate = False
        try:
            yield
        finally:
            for each, level, propagate in before:
                each.removeHandler(self)
                each.setLevel(level)
                each.propagate = propagate


class WatchedReranker(ScriptedReranker):
    """Notes the texts that it is given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> list[float]:
        self.texts += passages
        return super().score(query, passages, deadline=deadline)


class WatchedGenerator:
    """Notes the passages that would stand in a prompt, and quotes them."""

    name = "watched"

    def __init__(self) -> None:
        self.passages: set[UUID] = set()
        self._inner = ExtractiveGenerator(READER.terms_of)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Draft | Note, None]:
        self.passages.update(passage.chunk.id for passage in request.passages)
        return self._inner.generate(request)

    async def repair(self, request: GenerationRequest, draft: Draft, problems: Sequence[str]) -> Draft | None:
        return await self._inner.repair(request, draft, problems)


PLACES = (
    "candidates", "rerank input", "prompt", "citations", "record", "log output", "corrections", "caches", "previews", "lists",
    "counts", "permits",
)  # fmt: skip
"""Where something forbidden could be seen."""


@dataclass
class Findings:
    """Forbidden chunks by where they were seen, and what was compared."""

    pairs: int = 0
    answers: int = 0
    changes: int = 0
    readable: int = 0
    cited: int = 0
    seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PLACES, 0))

    @property
    def forbidden(self) -> int:
        return sum(self.seen.values())


class World:
    """Tenants with people, groups in groups, collections and documents, all ruled at random, and the services that read them."""

    def __init__(self, database: Database, seed: int, folder: Path | None = None, *, deaf_index: bool = False) -> None:
        """`folder`: where an index of Qdrant Edge is to be made; without one, the index is in memory. `deaf_index`: one that
        ignores every permit."""
        self.dice, self.database = random.Random(seed), database
        self.space = EmbeddingSpace(KiwiBm25Embedder(ANALYZER), HashEmbedder(dense=True))
        schema = IndexSchema(self.space.name, self.space.dimensions)
        config = IndexConfig("memory") if folder is None else IndexConfig("edge", folder)
        self.watched = WatchedIndex(DeafIndex(schema) if deaf_index else open_index(config, schema))
        self.index = cast("VectorIndex", self.watched)
        self.heard, self.asked_before = Heard(), ""
        self.reranker, self.generator = WatchedReranker(), WatchedGenerator()
        settings = RetrievalSettings()
        understander = self.understander = Understander(database, self.index, self.space, ANALYZER, READER, settings)
        look = SecondLook(self.reranker, 20, 60_000)
        self.retriever = Retriever(database, self.index, self.space, settings, understander, second_look=look)
        self.answerer = Answerer(self.retriever, READER, self.generator, 3, min_confidence=0.0)
        self.policy = Policy(database)
        self.groups: list[dict[str, UUID]] = []
        self.around: dict[str, set[str]] = {}
        self.collections: list[Held] = []
        self.documents: list[Held] = []
        self.people: list[Person] = []
        for tenant in range(TENANTS):
            self._populate(tenant)
        self.oracle = Oracle(self.around, self.collections, self.documents)
        self.of_chunk = {item.chunk: number for number, item in enumerate(self.documents)}
        self.principals = [self._principal(person) for person in self.people]

    def _populate(self, tenant: int) -> None:
        first = len(self.collections)
        for number in range(COLLECTIONS):
            row = add_collection(self.database, f"모음 {number}", f"기관 {tenant}")
            self.collections.append(Held(tenant, row.id, Rule()))
        tenant_id = self.tenant_id(tenant)
        self._add_groups(tenant, tenant_id)
        for number in range(PEOPLE):
            self.people.append(self._person(tenant, tenant_id, f"사람{tenant}{number}", first))
        self.people += [self._key(tenant, first, limited=limited) for limited in (False, True)]
        self.people.append(self._widget(self.people[-PEOPLE - 2], self.people[-1], first))
        for collection in range(first, first + COLLECTIONS):
            for number in range(DOCUMENTS):
                self._document(tenant, collection, number)

    def tenant_id(self, tenant: int) -> UUID:
        held = next(item for item in self.collections if item.tenant == tenant)
        with self.database.read() as session:
            return session.get_one(Collection, held.id).tenant_id

    def _add_groups(self, tenant: int, tenant_id: UUID) -> None:
        own = {f"group {tenant}{number}": uuid4() for number in range(GROUPS)}
        self.groups.append(own)
        names = list(own)
        with self.database.write() as session:
            for name, identity in own.items():
                session.add(AccountGroup(id=identity, tenant_id=tenant_id, name=name))
            session.flush()
            for place, name in enumerate(names):
                self.around[name] = {names[place - 1]} if place and self.dice.random() < 0.7 else set()
                for outer in self.around[name]:
                    session.add(GroupMember(group_id=own[outer], member_id=own[name]))

    def _person(self, tenant: int, tenant_id: UUID, name: str, first: int) -> Person:
        dice = self.dice
        person = Person(
            tenant,
            uuid4(),
            set(dice.sample(list(self.groups[tenant]), dice.randrange(3))),
            {f"attribute dept={dice.choice('ABC')}" for _ in range(dice.randrange(2))},
            dice.choice("OOSC"),
            dice.choice((None, None, "viewer", "viewer", "contributor", "curator", "admin")),
            {first + number: dice.choice(ROLES) for number in range(COLLECTIONS) if dice.random() < 0.4},
            dice.choice(("user", "user", "service")),
        )
        with self.database.write() as session:
            session.add(
                Account(
                    id=person.id,
                    tenant_id=tenant_id,
                    kind=person.kind,
                    user_name=name,
                    user_key=name,
                    clearance=person.clearance,
                )
            )
            session.flush()
            for held in person.groups:
                session.add(GroupMember(group_id=self.groups[tenant][held], member_id=person.id))
        return person

    def _key(self, tenant: int, first: int, *, limited: bool) -> Person:
        """A key of nobody in particular: its role follows from its scope, and no group or attribute names it."""
        role, clearance = self.dice.choice(("viewer", "contributor", "admin")), self.dice.choice("OSC")
        only = set(self.dice.sample(range(first, first + COLLECTIONS), 2)) if limited else None
        return Person(tenant, uuid4(), set(), set(), clearance, role, {}, "key", only)

    def _widget(self, who: Person, maker: Person, first: int) -> Person:
        """A page's token for an account, made with a key: a viewer of what both may enter, denied what either is denied."""
        held = [key for key in range(first, first + COLLECTIONS) if maker.only is None or key in maker.only]
        own = {key for key in held if who.tenant_role or who.roles.get(key)}
        clearance = min(who.clearance, maker.clearance, key=LETTERS.index)
        roles = dict.fromkeys(own, "viewer")
        behind = {f"user {maker.id}"}
        return Person(
            who.tenant, who.id, who.groups, who.attributes, clearance, None, roles, "widget", set(held), behind
        )

    def _principal(self, person: Person) -> Principal:
        with self.database.read() as session:
            groups = account.groups_of(session, person.id)
        pairs = [item.removeprefix("attribute ").split("=") for item in person.attributes]
        of_key = {"viewer": Scope.READ, "contributor": Scope.WRITE, "admin": Scope.ADMIN}
        scope = of_key[str(person.tenant_role)] if person.kind == "key" else Scope.ADMIN
        return Principal(
            person.id,
            "사람",
            self.tenant_id(person.tenant),
            frozenset({Scope.READ if person.kind == "widget" else scope}),
            None if person.only is None else frozenset(self.collections[key].id for key in person.only),
            kind=PrincipalKind(person.kind),
            role=None if person.tenant_role is None or person.kind == "key" else Role(person.tenant_role),
            grants=tuple((self.collections[key].id, Role(role)) for key, role in person.roles.items()),
            groups=groups,
            attributes=frozenset((name, value) for name, value in pairs),
            clearance=Label(person.clearance),
            behind=frozenset(user(UUID(name.removeprefix("user "))) for name in person.behind),
        )

    def _document(self, tenant: int, collection: int, number: int) -> None:
        held, inside = self.collections[collection], None
        siblings = [place for place, item in enumerate(self.documents) if item.collection == collection]
        if siblings and self.dice.random() < 0.35:  # a mail with attachments, and what lies in those
            inside = self.dice.choice(siblings)
        key = len(self.documents)
        words = (f"zeta{key}quux", f"가나{key}다라")
        text = f"{' '.join(self.dice.sample(SHARED, 3))} {' '.join(words)} 문서 {number}."
        with self.database.write() as session:
            row = Document(
                id=uuid4(),
                tenant_id=self.tenant_id_of(session, held.id),
                collection_id=held.id,
                source_key=f"{key}.md",
                owner_id=self.dice.choice(
                    [item.id for item in self.people if item.tenant == tenant and item.kind != "key"]
                ),
                parent_document_id=None if inside is None else self.documents[inside].id,
            )
            session.add(row)
            session.flush()
            version = add_version(session, row, 1, VersionState.ACTIVE)
            row.current_version_id = version
            session.get_one(DocumentVersion, version).valid_from = utc_now()
            chunk = Chunk(uuid5(version, "0"), 0, text, ParagraphAnchor(1, 1), language=Language.KOREAN)
            chunks_table.replace_chunks(session, version, [chunk])
        [vectors] = self.space.embed_chunks([chunk])
        self.index.upsert(
            [IndexPoint(chunk.id, row.tenant_id, held.id, row.id, version, vectors.sparse, vectors.dense)]
        )
        self.documents.append(Held(tenant, row.id, Rule(), row.owner_id, collection, inside, chunk.id, words))

    @staticmethod
    def tenant_id_of(session: Any, collection_id: UUID) -> UUID:
        found: UUID = session.get_one(Collection, collection_id).tenant_id
        return found

    def random_rule(self, tenant: int) -> Rule:
        """Words, as the oracle reads them."""
        dice = self.dice
        names = [*self.groups[tenant], *(f"user {item.id}" for item in self.people if item.tenant == tenant)]
        names += [f"attribute dept={letter}" for letter in "ABC"]
        rule = Rule(label=dice.choice("OOOOSC"))
        if dice.random() < 0.5:
            rule.allow = set(dice.sample(names, dice.randint(1, 4)))
            if dice.random() < 0.1:
                rule.allow.add("everyone")
        if dice.random() < 0.4:
            rule.deny = set(dice.sample(names, dice.randint(1, 2)))
        return rule

    def change(self) -> None:
        """Another rule on something; of the points, some follow and others do not."""
        if self.dice.random() < 0.1:
            self._change_collection(self.dice.choice(self.collections))
            return
        held = self.dice.choice(self.documents)
        held.rule = self.random_rule(held.tenant) if self.dice.random() < 0.85 else Rule()
        rule = self._of_product(held)
        if held.rule.allow:
            held.rule.allow.add(f"user {held.owner}")  # the owner stands on a list of readers
        with self.database.write() as session:
            row = session.get_one(Document, held.id)
            changed = access_rule.set_own_rule(session, row, AccessRule(*rule))
        for identity in changed:
            if self.dice.random() < 0.5:
                relabel_document(self.database, IndexesInStep(lambda: (self.index,)), identity)

    def _change_collection(self, held: Held) -> None:
        held.rule = self.random_rule(held.tenant) if self.dice.random() < 0.5 else Rule()
        allow, deny, label = self._of_product(held)
        with self.database.write() as session:
            session.get_one(Collection, held.id).access = AccessRule(allow, deny, label).to_json()

    def _of_product(self, held: Held) -> tuple[frozenset[Subject], frozenset[Subject], Label]:
        named = [
            frozenset(self._subject(held.tenant, name) for name in names) for names in (held.rule.allow, held.rule.deny)
        ]
        owner = frozenset({user(held.owner)}) if held.owner is not None and held.rule.allow else frozenset[Subject]()
        return named[0] | owner, named[1], Label(held.rule.label)

    def _subject(self, tenant: int, name: str) -> Subject:
        kind, _, value = name.partition(" ")
        if kind == "user":
            return user(UUID(value))
        if kind == "group":
            return group(self.groups[tenant][name])
        return attribute(*value.split("=")) if kind == "attribute" else Subject.parse(name)

    def run(self, pairs: int, *, changes_every: int, answers_every: int) -> Findings:
        """Ask as random people random questions, each about what some document says, and compare all that was seen."""
        findings = Findings()
        for _ in range(40):
            self.change()
        with asyncio.Runner() as self.loop, self.heard.listening():
            for number in range(pairs):
                if number % changes_every == 0:
                    self.change()
                    findings.changes += 1
                place = self.dice.randrange(len(self.people))
                self._ask(
                    findings,
                    self.people[place],
                    self.principals[place],
                    self._question(),
                    answer=number % answers_every == 0,
                )
        return findings

    def _question(self) -> str:
        """About what some document says, at times with a slip; or what somebody else has just asked, of whom caches may know."""
        if not self.asked_before or self.dice.random() < 0.7:
            words = list(self.dice.choice(self.documents).words)
            if self.dice.random() < 0.3:
                words[1] = words[1].replace("가나", "가내")
            self.asked_before = " ".join((*self.dice.sample(SHARED, 2), *words))
        return self.asked_before

    def _ask(self, findings: Findings, person: Person, principal: Principal, question: str, *, answer: bool) -> None:
        allowed = {item.chunk for item in self.documents if self.oracle.may_read(person, item)}
        findings.pairs += 1
        findings.readable += len(allowed)
        self.watched.hits, self.reranker.texts, self.generator.passages, self.heard.text = set(), [], set(), ""
        permit = self.policy.authorize(principal, Action.ASK, as_of=utc_now() if findings.pairs % 8 == 0 else None)
        entered = {held.id for key, held in enumerate(self.collections) if self.oracle.may_enter(person, key)}
        findings.seen["permits"] += permit.collections != entered
        answered = self._answer(findings, permit, question, allowed) if answer else None
        search = answered or self.retriever.search(permit, question, limit=5)
        shown = {passage.chunk.id for passage in search.passages}
        findings.seen["candidates"] += len(self.watched.hits - allowed)
        findings.seen["citations"] += len(shown - allowed)
        forbidden = [word for item in self.documents if item.chunk not in allowed for word in item.words]
        findings.seen["rerank input"] += sum(word in text for text in self.reranker.texts for word in forbidden)
        told = " ".join(word for note in search.trace.notes for word in note.added)
        findings.seen["corrections"] += sum(word in told for word in forbidden)
        findings.seen["log output"] += sum(word in self.heard.text for word in forbidden)
        findings.seen["caches"] += self._remembered(permit, forbidden)
        findings.cited += len(shown)
        if answer:
            self._count(findings, permit, allowed)

    def _answer(self, findings: Findings, permit: Permit, question: str, allowed: set[UUID | None]) -> SearchResult:
        outcome = self.loop.run(self.answerer.complete(permit, Asked(question, 5)))
        recording = Recording(permit, question, Surface.NATIVE, "watched")
        recording.whole(outcome)
        record, sources = recording.rows(content=True)
        findings.answers += 1
        findings.seen["prompt"] += len(self.generator.passages - allowed)
        cited = {item.passage.chunk.id for sentence in outcome.sentences for item in sentence.citations}
        findings.seen["citations"] += len(cited - allowed)
        documents = {item.id for item in self.documents if item.chunk in allowed}
        findings.seen["record"] += sum(UUID(item["chunk_id"]) not in allowed for item in record.citations)
        findings.seen["record"] += sum(item.document_id not in documents for item in sources)
        return outcome.search

    def _remembered(self, permit: Permit, forbidden: Sequence[str]) -> int:
        """Forbidden words that the search remembers as words of what this permit covers."""
        known: dict[Any, tuple[float, dict[str, float]]] = self.understander._speller._known
        mine = {
            term
            for (tenant_id, collections, _, rules, revision, _), (_, terms) in known.items()
            if (tenant_id, collections, rules, revision)
            == (permit.tenant_id, permit.collections, permit.rules, permit.revision)
            for term, score in terms.items()
            if score
        }
        return sum(word in mine for word in forbidden)

    def _count(self, findings: Findings, permit: Permit, allowed: set[UUID | None]) -> None:
        wanted: dict[UUID, int] = {}
        for item in self.documents:
            if item.chunk in allowed:
                held = self.collections[item.collection].id
                wanted[held] = wanted.get(held, 0) + 1
        with self.database.read() as session:
            counted = counts_by_collection(session, permit)
            active = queue.workload(session, permit).states.get(VersionState.ACTIVE, 0)
            receipts = receipt.newest_permitted(session, permit, document_id=None, parent_id=None, limit=1)
            previewed = set(read_masked(session, permit, [item.chunk for item in self.documents if item.chunk]))
            listed = set(session.scalars(select(Document.id).where(*covered(permit))))
        documents = {item.id for item in self.documents if item.chunk in allowed}
        findings.seen["previews"] += len(previewed ^ allowed)
        findings.seen["lists"] += len(listed ^ documents)
        findings.seen["counts"] += counted != wanted
        findings.seen["counts"] += active != sum(wanted.values())
        findings.seen["counts"] += len(receipts)
