"""Settings of the retrieval and answering lane. Nothing is read at import; `api.settings.load_settings` fills them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rag.settings_identity import IdentitySettings
from rag.settings_repositories import RepositorySettings
from rag.settings_section import Section


def without_password(url: str) -> str:
    """An address as a setting may have it.

    Raises:
        ValueError: it holds a password, which belongs in a file: settings are shown, copied and backed up.
    """
    user = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    if ":" in user or "password=" in url.partition("?")[2]:
        raise ValueError("no password in an address: name a file that holds it under password_file")
    return url


Address = Annotated[str, AfterValidator(without_password)]
"""The address of a database, without a password."""


class StoreSettings(Section):
    """The relational store."""

    url: Address | None = Field(None, description="SQLAlchemy URL; none means SQLite in the data folder")
    password_file: Path | None = Field(None, description="file that holds the password of the URL's user")
    pool_size: int = Field(10, ge=1, le=200, description="connections kept per process (PostgreSQL)")


class BlobSettings(Section):
    """Where originals and derived files lie."""

    url: str | None = Field(None, description="file:///… or s3://bucket/prefix; none means a folder in the data folder")


class EncryptionSettings(Section):
    """Encryption of blobs and stored secrets at rest; off until there is a key."""

    key_files: tuple[Path, ...] = Field(
        (), description="files of keys (`seogo keys-at-rest new`), the one for new blobs first; others are read with"
    )
    plain_readable: bool = Field(
        True, description="read blobs from before encryption; switch off after `seogo keys-at-rest encrypt`"
    )


class QdrantSettings(Section):
    """How collections are laid out on a Qdrant server or cluster; of no meaning to the embedded index."""

    shards: int = Field(1, ge=1, le=1024, description="pieces that a cluster spreads over its nodes")
    replicas: int = Field(1, ge=1, le=16, description="copies of every piece")
    write_consistency: int = Field(1, ge=1, le=16, description="copies that must confirm a write")
    quantisation: Literal["none", "scalar", "turbo"] = "none"
    oversampling: float = Field(
        2.0, ge=1.0, le=16.0, description="candidates rescored with full vectors, per hit wanted"
    )
    quantised_in_memory: bool = Field(True, description="keep the small copy in memory")
    vectors_on_disk: bool = Field(False, description="map full vectors from disk instead of holding them in memory")
    hnsw_m: int = Field(16, ge=0, le=128, description="links per point in the search graph")
    hnsw_ef_construct: int = Field(128, ge=4, le=2048, description="width of the search while the graph is built")
    hnsw_ef: int | None = Field(
        None, ge=1, le=4096, description="width of a query's search; none means the server's own"
    )
    grpc_port: int | None = Field(None, ge=1, le=65535, description="port for gRPC; none means REST alone")
    tries: int = Field(3, ge=1, le=10, description="of a request that the server did not answer")


class IndexSettings(Section):
    """The vector index."""

    backend: Literal["edge", "qdrant", "memory"] = "edge"
    url: str | None = Field(None, description="address of the Qdrant server, for the backend qdrant")
    api_key_file: Path | None = Field(None, description="file that holds the Qdrant API key")
    collection: str = Field("seogo", pattern=r"^[a-zA-Z0-9_-]{1,100}$", description="name on the Qdrant server")
    server: QdrantSettings = QdrantSettings()


class EmbeddingSettings(Section):
    """Which models embed. The lexical leg is always on."""

    dense: Literal["minilm", "folder", "flag", "openai_http", "none"] = "minilm"
    folder: Path | None = Field(None, description="local model folder, for dense: folder and dense: flag")
    dimensions: int | None = Field(
        None,
        ge=8,
        le=8192,
        description="keep this many dimensions of a Matryoshka model; for openai_http: the width to expect",
    )
    query_instruction: str = Field(
        "",
        max_length=2000,
        description="task put before questions, passages get none; without it Qwen3-Embedding gets its card's own, and with "
        "`none` no model gets any",
    )
    term_weights: bool = Field(True, description="use the term weights of a model that gives them (bge-m3)")
    token_vectors: bool = Field(
        False, description="keep vectors per token for rescoring (bge-m3): some 200 times the space"
    )
    url: str | None = Field(None, description="OpenAI-compatible pooling server (vLLM, TEI), for dense: openai_http")
    model: str = Field("", max_length=500, description="name of the model on that server")
    api_key_file: Path | None = Field(None, description="file that holds that server's key")
    languages: tuple[Literal["ko", "en", "code", "other"], ...] | None = Field(
        None,
        description="languages that the dense model knows; texts in others never reach it. None means all for flag, openai_http "
        "and folders of multilingual models (XLM-R, Qwen3), and en and code for others",
    )
    max_tokens: int = Field(256, ge=32, le=8192, description="longest passage, in the dense model's tokens")
    precision: Literal[
        "auto", "float32", "bfloat16", "float16", "openvino-float32", "openvino-bfloat16", "openvino-int8"
    ] = "auto"


class RerankingSettings(Section):
    """A cross-encoder that reads the best hits again. None until a model is named."""

    backend: Literal["none", "flag", "qwen3", "cross_encoder", "http"] = "none"
    folder: Path | None = Field(None, description="local model folder, for the backends that run in this process")
    url: str | None = Field(None, description="server of the model, for the backend http")
    shape: Literal["tei", "vllm", "cohere"] = "vllm"
    model: str = Field("", max_length=500, description="name of the model on that server")
    api_key_file: Path | None = Field(None, description="file that holds that server's key")
    candidates: int = Field(50, ge=1, le=500, description="fused hits that are read again")
    max_tokens: int = Field(
        1024,
        ge=64,
        le=32_768,
        description="longest question and passage together, longer passages are read in windows; for http no more than the "
        "server takes, which cuts what is longer",
    )
    scores: Literal["probabilities", "logits"] = Field(
        "probabilities", description="what the server of the backend http gives; logits (llama.cpp) become 0 to 1 here"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="number format on a GPU; `auto` lets a self-test of the order decide"
    )
    budget_ms: int = Field(2000, ge=50, le=60_000, description="time it may take; beyond it the fused order stands")
    instruction: str = Field("", max_length=2000, description="task told to rerankers that take one (Qwen3-Reranker)")


CHAT_TIMEOUT_S = 4.0
"""A chat model's time for all that it is asked about one question, in seconds. What was found is to be seen within 5 s, however
slow the model is; a model that needs longer costs that, so it is for the installation to give it more."""


class ChatSettings(Section):
    """A local chat model for work around the answer; none until a URL is named."""

    url: str | None = Field(None, description="OpenAI-compatible server, such as http://vllm:8000/v1")
    model: str = Field("", max_length=500, description="name of the model on that server")
    api_key_file: Path | None = Field(None, description="file that holds that server's key")
    timeout_s: float = Field(
        CHAT_TIMEOUT_S, ge=1, le=600, description="for all that it is asked about one question, before the search"
    )


class ServedModel(Section):
    """A generator that an engine inside the network serves, on one or more replicas."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="as users and `llm/<name>` call it")
    engine: Literal["vllm", "sglang", "llamacpp", "ollama", "openai"] = "vllm"
    urls: tuple[str, ...] = Field(min_length=1, description="one per replica, such as http://gpu1:8000/v1")
    served_as: str = Field("", max_length=500, description="name of the model on the engine; none means `name`")
    api_key_file: Path | None = Field(None, description="file that holds the engine's key")
    catalogue: str = Field("", max_length=100, description="entry of the model catalogue; none means `name`")
    context_tokens: int | None = Field(
        None, ge=512, le=10_000_000, description="what the engine was started with; none means the catalogue's native"
    )
    adapters: tuple[str, ...] = Field((), description="LoRA adapters that it serves beside the base, by name")
    vision: bool | None = Field(None, description="whether it takes images; none means what the catalogue says")
    licence_exception: str = Field(
        "", max_length=500, description="why a licence that forbids commercial use is no hindrance here"
    )
    concurrency: int = Field(64, ge=1, le=10_000, description="generations at once on one replica; more wait")
    queue_s: float = Field(4.0, ge=0, le=3600, description="longest wait for a free place on a replica")
    connect_s: float = Field(3.0, gt=0, le=60)
    first_token_s: float = Field(60.0, gt=0, le=3600, description="longest wait for the first token")
    first_token_unseen_s: float = Field(
        20.0, gt=0, le=3600, description="the same for an answer from passages that is not streamed, where it is less"
    )
    headers_s: float | None = Field(
        None,
        gt=0,
        le=3600,
        description="longest wait for the headers of a response, where another replica can take it or nobody sees a stream; "
        "none means 3.5 for engines that send them before the first token (vLLM), and no limit for others",
    )
    silence_s: float = Field(30.0, gt=0, le=3600, description="longest pause between two tokens")
    total_s: float = Field(900.0, gt=0, le=86_400, description="longest generation")
    tries: int = Field(3, ge=1, le=10, description="of a generation of which no token has come")


JobKind = Literal["interactive", "precise", "long_context", "code", "batch"]
"""What a generation is for; the router chooses a model by it."""


def _switched(value: object) -> object:
    """YAML reads a bare `on` or `off` as a boolean."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


Thinking = Annotated[Literal["auto", "on", "off"], BeforeValidator(_switched)]
"""Whether a model reasons before it writes, where a request leaves it open."""


class GenerationSettings(Section):
    """Which models write. Without one, answers are quotations (the extractive generator)."""

    models: tuple[ServedModel, ...] = ()
    jobs: dict[JobKind, str] = Field(default_factory=dict, description="model by job; others are the router's choice")
    aliases: dict[str, str] = Field(
        default_factory=dict, description="moving names, such as HCP-LLM-Latest, and the model that each stands for"
    )
    thinking: Thinking = Field(
        "auto", description="auto: grounded answers think only where the question takes several steps"
    )
    job_thinking: dict[JobKind, Thinking] = Field(
        default_factory=dict, description="the same by class of job, before what is set for all"
    )
    max_answer_tokens: int = Field(1500, ge=16, le=100_000, description="longest grounded answer, without reasoning")
    repairs: int = Field(1, ge=0, le=3, description="times that a sentence that does not hold is written anew")
    unsupported: Literal["mark", "remove"] = Field(
        "mark", description="what becomes of a sentence that is not held by its passages after that"
    )


class RetrievalSettings(Section):
    """Search."""

    candidates: int = Field(200, ge=20, le=1000, description="hits fetched from each leg before fusion")
    fusion: Literal["scores", "rrf", "dbsf"] = Field(
        "scores",
        description="scores: here, from the legs' scores; rrf and dbsf: inside the engine, in one query "
        "(a few, where code and documents are asked together)",
    )
    max_per_document: int = Field(0, ge=0, le=100, description="passages of one document in a result; 0 is no limit")
    merge_neighbours: bool = Field(True, description="show passages that follow each other in a document as one")
    recency_half_life_days: float = Field(0.0, ge=0.0, le=36_500, description="0 leaves age out of the ranking")
    recency_weight: float = Field(
        0.1, ge=0.0, le=1.0, description="what a document of today counts more, where age counts"
    )
    authority_attribute: str = Field(
        "authority", max_length=40, description="attribute of documents, a number from 0 to 1"
    )
    authority_weight: float = Field(
        0.0, ge=0.0, le=1.0, description="what a document with authority 1 counts more; 0: nothing"
    )
    multi_query: int = Field(0, ge=0, le=5, description="more wordings of a question that the chat model writes")
    hyde: bool = Field(False, description="let the chat model draft an answer, and search with it too")
    translate_for_code: bool = Field(
        True, description="let the chat model, where there is one, put Korean questions to code in English"
    )
    max_question_chars: int = Field(4000, ge=100, le=100_000)


class AnswerSettings(Section):
    """Answers."""

    passages: int = Field(8, ge=1, le=50, description="passages that an answer may draw on")
    sentences: int = Field(4, ge=1, le=20, description="longest extractive answer, in sentences")
    steps: int = Field(3, ge=1, le=10, description="rounds of planning and searching in the modes steps and deep")
    step_questions: int = Field(3, ge=1, le=10, description="searches in one round")
    step_passages: int = Field(24, ge=1, le=100, description="passages of all searches that the answer may draw on")
    report_sections: int = Field(6, ge=1, le=20, description="sections of a report")
    min_confidence: float = Field(
        0.6,
        ge=0.05,
        le=1.0,
        description="how likely it must be that the passages hold the answer; below it the question is refused",
    )


class AnswerLogSettings(Section):
    """Answers on record, for feedback and for whoever has to explain one."""

    content: bool = Field(True, description="keep question, answer and quotes; without them only ids, notes and times")
    retention_days: int | None = Field(365, ge=1, le=36_525, description="days that an answer is kept; none: for good")


Years = Annotated[int, Field(ge=1, le=5)]


class AuditSettings(Section):
    """The audit trail. 개인정보의 안전성 확보조치 기준 asks that what was read be kept for a year, with sensitive data for two
    (제8조), and that rights that were granted, changed and taken away be kept for three (제5조). They are one chain."""

    required: bool = Field(True, description="refuse a request that can't be put on the trail")
    retention_years: Years = 3
    tenant_retention_years: dict[str, Years] = Field(default_factory=dict, description="by tenant; others as above")
    subject_attribute: str = Field(
        "", pattern=r"^([a-z0-9_]{1,40})?$", description="attribute of documents that names the person they are about"
    )
    seal_key_file: Path | None = Field(
        None,
        description="key that seals the end of every chain, the same for all processes; none means one in the data folder "
        "beside an embedded store, and no seal elsewhere",
    )
    older_seal_key_files: tuple[Path, ...] = Field(
        (), description="keys of seals from before; keep them: cuts that they vouch for are checked with them"
    )
    anchor_file: Path | None = Field(None, description="file outside the data folder that ends of chains are added to")
    anchor_url: str | None = Field(None, description="address inside the network that ends of chains are posted to")
    anchor_key_file: Path | None = Field(None, description="file that holds the bearer token for that address")
    anchor_every_s: float = Field(300.0, ge=1, le=86_400)


class RagSettings(Section):
    """Everything below `rag:` in the configuration file."""

    data_dir: Path = Field(Path("seogo-data"), description="folder of the embedded store, index and blobs")
    cache_dir: Path | None = Field(
        None,
        description="folder of what can be made again, such as converted models; none means `cache` in the data folder",
    )
    store: StoreSettings = StoreSettings()
    blobs: BlobSettings = BlobSettings()
    encryption: EncryptionSettings = EncryptionSettings()
    index: IndexSettings = IndexSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    reranking: RerankingSettings = RerankingSettings()
    chat: ChatSettings = ChatSettings()
    generation: GenerationSettings = GenerationSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    answers: AnswerSettings = AnswerSettings()
    answer_log: AnswerLogSettings = AnswerLogSettings()
    audit: AuditSettings = AuditSettings()
    identity: IdentitySettings = IdentitySettings()
    repositories: RepositorySettings = RepositorySettings()

    @model_validator(mode="after")
    def _keeps_its_own_folders_apart(self) -> RagSettings:
        """A mirror is a repository too: whoever could name one as a folder on the server would read another tenant's."""
        own = [Path(os.path.realpath(item)) for item in (self.data_dir, self.mirror_folder())]
        for root in self.repositories.every_root():
            real = Path(os.path.realpath(root))
            if any(item.is_relative_to(real) or real.is_relative_to(item) for item in own):
                raise ValueError(f"repositories.roots: {root} and the folders of our own data lie in each other")
        return self

    def cache_folder(self) -> Path:
        """Where converted models and self-tests are kept."""
        return self.cache_dir or self.data_dir / "cache"

    def index_folder(self) -> Path:
        """Where the embedded index lies; a folder below it for every embedding space."""
        return self.data_dir / "index"

    def mirror_folder(self) -> Path:
        """Where the mirrors of repositories are kept."""
        return self.repositories.folder or self.data_dir / "repositories"

    def store_url(self) -> str:
        """The SQLAlchemy URL of the store, the embedded default included."""
        return self.store.url or f"sqlite:///{self.data_dir / 'seogo.sqlite'}"

    def blob_url(self) -> str:
        """The URL of the blob store, the embedded default included."""
        return self.blobs.url or (self.data_dir / "blobs").absolute().as_uri()
