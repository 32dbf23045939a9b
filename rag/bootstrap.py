"""The composition root of retrieval and answering: the only place that wires backends."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rag.access.audit import AuditTrail, open_trail
from rag.access.federation import Federation, open_federation
from rag.access.identities import CredentialKind, Identities, Presented
from rag.access.keys import Keys
from rag.access.operator import LocalOperator
from rag.access.policy import Policy
from rag.access.stored_secrets import StoredSecrets
from rag.access.widgets import WidgetTokens
from rag.answering.change_answers import ChangeAnswerer
from rag.answering.changes import History
from rag.answering.code_answers import CodeAnswerer
from rag.answering.contract import ContractRules
from rag.answering.service import Answerer
from rag.answering.steps import StepwiseAnswerer
from rag.answering.symbol_answers import SymbolAnswerer
from rag.blobs.keyring import read_keyring
from rag.blobs.store import BlobStore
from rag.domain.errors import DataFolderRefused
from rag.domain.principal import Principal
from rag.embedding.registry import build_space
from rag.embedding.space import EmbeddingSpace
from rag.generation.chat import ChatModel
from rag.generation.engine_chat import EngineChat
from rag.generation.extractive import ExtractiveGenerator
from rag.generation.grounded import GroundedGenerator
from rag.generation.grounded_prompt import PromptWriter
from rag.generation.planning import ModelPlanner
from rag.generation.registry import Generation, open_generation
from rag.index.base import VectorIndex
from rag.index.registry import IndexConfig
from rag.inference.traffic import Traffic
from rag.reranking.registry import open_reranker
from rag.retrieval.code_base import CodeBase
from rag.retrieval.engine_fusion import warn_of_unread
from rag.retrieval.reranking import SecondLook
from rag.retrieval.service import Retriever
from rag.retrieval.spaces import Spaces
from rag.retrieval.understanding import Understander
from rag.settings import RagSettings
from rag.store import schema, widget_token
from rag.store.session import Database
from rag.text.analysis import Analyzer
from rag.text.question import QuestionReader
from rag.transport.secret_files import read_secret, with_password


@dataclass(frozen=True, slots=True)
class Rag:
    """The retrieval and answering lane of one process."""

    settings: RagSettings
    database: Database
    blobs: BlobStore
    analyzer: Analyzer
    spaces: Spaces
    keys: Keys
    identities: Identities
    federation: Federation
    policy: Policy
    retriever: Retriever
    answerer: Answerer
    traffic: Traffic
    audit: AuditTrail
    code: CodeBase
    secrets: StoredSecrets
    operator: LocalOperator | None = None
    generation: Generation | None = None

    @property
    def space(self) -> EmbeddingSpace:
        """The embedding space that answers now."""
        return self.spaces.current.space

    @property
    def index(self) -> VectorIndex:
        """The index that answers now."""
        return self.spaces.current.index

    def authenticate(self, presented: Presented | str) -> Principal:
        """The principal behind a credential of any kind; a text alone came as a bearer token does.

        Raises:
            NotAuthenticated: nobody.
        """
        return self.identities.resolve(Presented(presented) if isinstance(presented, str) else presented)

    def warm_up(self) -> None:
        """Load the models now, side by side, instead of with the first question."""
        with ThreadPoolExecutor(2, thread_name_prefix="warm-up") as pool:
            models = [pool.submit(load) for load in (self.space.warm_up, self.retriever.second_look.warm_up)]
            self.analyzer.analyze("서고")
            for model in models:
                model.result()

    def count_tokens(self, text: str) -> int:
        """Length of a text in the lexical analyzer's terms."""
        return self.analyzer.analyze(text).length

    def close(self) -> None:
        """Flush the index and return the connections."""
        self.spaces.close()
        self.database.close()


def make_data_folder(settings: RagSettings) -> Path:
    """The data folder, made where it is not there yet; nobody else may read it, as whoever may is its operator.

    Raises:
        DataFolderRefused: it can't be made, is no folder, or is not writable where the embedded store lies in it.
    """
    folder = settings.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderRefused(path=str(error.filename or folder), detail=error.strerror or str(error)) from error
    if settings.store.url is None and not os.access(folder, os.W_OK | os.X_OK):
        raise DataFolderRefused(path=str(folder), detail=os.strerror(errno.EACCES))
    return folder


def open_database(settings: RagSettings) -> Database:
    """The store alone: what key and migration commands need.

    Raises:
        DataFolderRefused: the data folder can't be made, or the embedded store in it not be written to.
    """
    make_data_folder(settings)
    return Database(with_password(settings.store_url(), settings.store.password_file), settings.store.pool_size)


def build(
    settings: RagSettings,
    *,
    local_operator: bool = False,
    recreate_index: bool = False,
    generation: Generation | None = None,
) -> Rag:
    """Wire the lane.

    Args:
        generation: takes the place of the engines that the settings name.

    Raises:
        SchemaOutdated: the store has to be upgraded first.
        StoreInUse: another process has the embedded index.
        ConfigurationError: a setting names something that is not there.
    """
    database = open_database(settings)
    schema.require_current(database)
    analyzer = Analyzer()
    reader = QuestionReader(analyzer)
    spaces = Spaces(
        database,
        _index_config(settings),
        lambda embedding: build_space(embedding, analyzer, settings.cache_folder()),
        settings.embedding,
    )
    encryption = settings.encryption
    keyring = read_keyring(encryption.key_files, plain_readable=encryption.plain_readable)
    spaces.open(recreate=recreate_index)
    warn_of_unread(spaces.current.space.multi, settings.retrieval)
    traffic = Traffic()
    generation = generation or open_generation(settings.generation)
    retriever = _retriever(settings, database, spaces, analyzer, reader, _open_chat(settings, generation), traffic)
    keys, operator = Keys(database), LocalOperator(database) if local_operator else None
    audit = open_trail(settings, database)
    identities = _identities(database, keys, operator)
    code = CodeBase.of(database, retriever)
    return Rag(
        settings=settings,
        database=database,
        blobs=BlobStore(settings.blob_url(), keyring),
        analyzer=analyzer,
        spaces=spaces,
        keys=keys,
        identities=identities,
        federation=open_federation(settings.identity, database, identities, audit),
        policy=Policy(database),
        retriever=retriever,
        answerer=_answerer(settings, retriever, reader, generation, _code(settings, code, retriever, reader, analyzer)),
        traffic=traffic,
        audit=audit,
        code=code,
        secrets=StoredSecrets(keyring),
        operator=operator,
        generation=generation,
    )


def _identities(database: Database, keys: Keys, operator: LocalOperator | None) -> Identities:
    """Every kind of credential that is taken."""
    identities = Identities(database, keys, operator)
    identities.register(CredentialKind.WIDGET, WidgetTokens(database), widget_token.in_force)
    return identities


def _retriever(
    settings: RagSettings,
    database: Database,
    spaces: Spaces,
    analyzer: Analyzer,
    reader: QuestionReader,
    chat: ChatModel | None,
    traffic: Traffic,
) -> Retriever:
    """Search in the embedding space that answers now, and in those that take its place."""
    current = spaces.current
    understander = Understander(
        database,
        current.index,
        current.space,
        analyzer,
        reader,
        settings.retrieval,
        chat,
        settings.chat.timeout_s,
    )
    return Retriever(
        database,
        current.index,
        current.space,
        settings.retrieval,
        understander,
        traffic,
        current.weights,
        spaces,
        SecondLook.of(open_reranker(settings.reranking), settings.reranking),
    )


def _code(
    settings: RagSettings, code: CodeBase, retriever: Retriever, reader: QuestionReader, analyzer: Analyzer
) -> CodeAnswerer:
    """What knows about code besides a search: its history, and its syntax."""
    database = retriever.database
    changes = ChangeAnswerer(History(database, settings.mirror_folder()), retriever, reader, analyzer)
    symbols = SymbolAnswerer(database, code.navigator, retriever, reader)
    return CodeAnswerer(changes, symbols)


def _answerer(
    settings: RagSettings,
    retriever: Retriever,
    reader: QuestionReader,
    generation: Generation | None,
    code: CodeAnswerer,
) -> Answerer:
    """Models write where there are some; without, answers are quotations, and steps and reports are refused."""
    answers = settings.answers
    if generation is None:
        quoting = ExtractiveGenerator(reader.terms_of, retriever.traffic)
        least = answers.min_confidence
        return Answerer(retriever, reader, quoting, answers.sentences, min_confidence=least, code=code)
    writer = PromptWriter()
    generator = GroundedGenerator(generation.router, settings.generation, writer)
    planner, rules = ModelPlanner(generation.router, writer), ContractRules.of(settings.generation)
    return StepwiseAnswerer(retriever, reader, generator, planner, answers, rules, code=code)


def _open_chat(settings: RagSettings, generation: Generation | None) -> ChatModel | None:
    """The chat model for work around the question: the one that is named for it, else the generator of quick answers."""
    if settings.chat.url is None:
        return EngineChat(generation.router) if generation is not None and settings.generation.models else None
    from rag.generation.openai_chat import open_chat

    return open_chat(settings.chat)


def _index_config(settings: RagSettings) -> IndexConfig:
    key_file = settings.index.api_key_file
    return IndexConfig(
        backend=settings.index.backend,
        folder=settings.index_folder(),
        url=settings.index.url,
        api_key=read_secret(key_file) if key_file is not None else None,
        collection=settings.index.collection,
        server=settings.index.server,
    )
