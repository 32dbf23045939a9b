"""Collections of a Qdrant server: one for each embedding space, and an alias that says which one answers.

A collection is called `<alias>_<12 hex digits of the space>`; the alias is the setting `index.collection`. A process works on
the collection of its own space, never through the alias: when another process moves the alias, vectors of one model are
still never compared with those of another. Installations from before there were aliases have one collection called like the
alias; it still opens, and `seogo index rebuild` puts the new arrangement in its place (docs/decisions/0017).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rag.domain.errors import ConfigurationError
from rag.index.base import DENSE, LEARNED, MULTI, SPARSE, IndexSchema
from rag.index.layout import (
    COLLECTION,
    DOCUMENT,
    LABELS,
    SCOPE,
    TENANT,
    VALID_FROM,
    VALID_TO,
    VERSION,
    require_schema,
    schema_record,
    space_identity,
)
from rag.settings import QdrantSettings

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

RECORD = "seogo"
"""Key of the schema's record in the collection's metadata."""
_LINKS_OF_A_SCOPE = 16
"""`payload_m` where there is no graph over everything (`hnsw_m: 0`): graphs over single scopes are left."""


@dataclass(frozen=True, slots=True)
class SpaceCollection:
    """A collection of ours on a server.

    Attributes:
        space: name of its embedding space.
        current: whether the alias points to it.
        points: about how many points it holds.
    """

    name: str
    space: str
    current: bool
    points: int


def physical_name(alias: str, schema: IndexSchema) -> str:
    """What the collection of a space is called."""
    return f"{alias}_{space_identity(schema)}"


def prepare(
    client: QdrantClient,
    alias: str,
    schema: IndexSchema,
    settings: QdrantSettings,
    *,
    recreate: bool,
    space_collection: bool,
) -> str:
    """The name of the collection to work on, which exists and is complete afterwards.

    Args:
        recreate: drop it first, whatever it was built for.
        space_collection: that of this space, whatever the alias says, and leave the alias alone.

    Raises:
        ConfigurationError: what answers under the alias was built for another schema.
    """
    if settings.write_consistency > settings.replicas:
        raise ConfigurationError(
            detail="index.server: write_consistency is at most replicas, or no write would succeed",
            detail_ko="index.server: write_consistency는 replicas를 넘을 수 없습니다. 넘으면 아무것도 기록되지 않습니다",
        )
    behind = behind_alias(client, alias)
    plain = behind is None and client.collection_exists(alias)
    if recreate:
        _drop(client, physical_name(alias, schema), *([] if space_collection else [behind or alias]))
        behind, plain = None, plain and space_collection
    name = _chosen(client, alias, schema, behind, plain=plain, space_collection=space_collection)
    if not client.collection_exists(name):
        _create(client, name, schema, settings)
    if not space_collection and not plain and behind is None:
        _point(client, alias, name)
    require_schema(_record(client, name), schema, f"the Qdrant collection {name}")
    _create_payload_indexes(client, name)
    return name


def behind_alias(client: QdrantClient, alias: str) -> str | None:
    """The collection that an alias points to; None where there is no such alias."""
    found = {item.alias_name: item.collection_name for item in client.get_aliases().aliases}
    return found.get(alias)


def point_alias(client: QdrantClient, alias: str, schema: IndexSchema) -> None:
    """Let the alias name the collection of this space, in one step for whoever reads.

    Raises:
        ConfigurationError: that collection does not exist, or one from before there were aliases has the name.
    """
    name = physical_name(alias, schema)
    if not client.collection_exists(name):
        raise ConfigurationError(
            detail=f"there is no Qdrant collection {name} to switch to",
            detail_ko=f"전환할 Qdrant 컬렉션 {name}이(가) 없습니다",
        )
    if behind_alias(client, alias) is None and client.collection_exists(alias):
        raise ConfigurationError(
            detail=f"the Qdrant collection {alias} has the name that the alias needs; run `seogo index rebuild` once",
            detail_ko=f"별칭이 쓸 이름을 Qdrant 컬렉션 {alias}이(가) 쓰고 있습니다. `seogo index rebuild`를 한 번 실행하세요",
        )
    _point(client, alias, name)


def drop_space(client: QdrantClient, alias: str, schema: IndexSchema) -> None:
    """Delete the collection of a space; one that does not exist is no error.

    Raises:
        ConfigurationError: the alias points to it.
    """
    name = physical_name(alias, schema)
    if behind_alias(client, alias) == name:
        raise ConfigurationError(
            detail=f"the Qdrant collection {name} answers questions; switch to another one first",
            detail_ko=f"Qdrant 컬렉션 {name}은(는) 지금 질문에 답하는 데 쓰이고 있습니다. 먼저 다른 컬렉션으로 전환하세요",
        )
    _drop(client, name)


def spaces_of(client: QdrantClient, alias: str) -> list[SpaceCollection]:
    """Our collections that belong to an alias, by name."""
    current = behind_alias(client, alias)
    found = []
    for name in sorted(item.name for item in client.get_collections().collections):
        if name != alias and not name.startswith(f"{alias}_"):
            continue
        record = _record(client, name)
        if isinstance(record, dict) and isinstance(record.get("space"), str):
            points = client.count(name, exact=False).count
            answers = name == current or (current is None and name == alias)
            found.append(SpaceCollection(name, record["space"], answers, points))
    return found


def differences(client: QdrantClient, name: str, settings: QdrantSettings) -> tuple[str, ...]:
    """How a collection stands otherwise than the settings ask; nobody changes it behind an operator's back."""
    config = client.get_collection(name).config
    dense = config.params.vectors.get(DENSE) if isinstance(config.params.vectors, dict) else None
    pairs: list[tuple[str, Any, Any]] = [
        ("shards", config.params.shard_number, settings.shards),
        ("replicas", config.params.replication_factor, settings.replicas),
        ("write_consistency", config.params.write_consistency_factor, settings.write_consistency),
    ]
    if dense is not None:
        pairs += [
            ("hnsw_m", config.hnsw_config.m, settings.hnsw_m),
            ("hnsw_ef_construct", config.hnsw_config.ef_construct, settings.hnsw_ef_construct),
            ("quantisation", _quantisation_of(dense), settings.quantisation),
            ("vectors_on_disk", str(dense.memory) == "cold" or bool(dense.on_disk), settings.vectors_on_disk),
        ]
    return tuple(f"{key}: {found}, configured {wanted}" for key, found, wanted in pairs if found not in (None, wanted))


def _chosen(
    client: QdrantClient, alias: str, schema: IndexSchema, behind: str | None, *, plain: bool, space_collection: bool
) -> str:
    own = physical_name(alias, schema)
    if space_collection:
        return alias if plain and _record(client, alias) == schema_record(schema) else own
    return alias if plain else behind or own


def _record(client: QdrantClient, name: str) -> object:
    return (client.get_collection(name).config.metadata or {}).get(RECORD)


def _drop(client: QdrantClient, *names: str) -> None:
    for name in dict.fromkeys(names):
        if client.collection_exists(name):
            client.delete_collection(name)


def _point(client: QdrantClient, alias: str, name: str) -> None:
    from qdrant_client import models

    create = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))
    delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
    # both in one request: nobody sees the moment between
    before = [delete] if behind_alias(client, alias) is not None else []
    client.update_collection_aliases([*before, create])


def _create(client: QdrantClient, name: str, schema: IndexSchema, settings: QdrantSettings) -> None:
    from qdrant_client import models
    from qdrant_client.http.exceptions import UnexpectedResponse

    sparse = {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)}
    if schema.learned:
        sparse[LEARNED] = models.SparseVectorParams()
    payload_m = settings.hnsw_m or _LINKS_OF_A_SCOPE
    try:
        client.create_collection(
            name,
            vectors_config=_vectors(schema, settings),
            sparse_vectors_config=sparse,
            hnsw_config=models.HnswConfigDiff(
                m=settings.hnsw_m, payload_m=payload_m, ef_construct=settings.hnsw_ef_construct
            ),
            shard_number=settings.shards,
            replication_factor=settings.replicas,
            write_consistency_factor=settings.write_consistency,
            metadata={RECORD: schema_record(schema)},
        )
    except UnexpectedResponse as error:
        if error.status_code != 409:  # another process was faster; its schema is compared next
            raise


def _vectors(schema: IndexSchema, settings: QdrantSettings) -> dict[str, models.VectorParams]:
    from qdrant_client import models

    cold, cached = models.Memory.COLD, models.Memory.CACHED
    vectors = {}
    if schema.dimensions is not None:
        vectors[DENSE] = models.VectorParams(
            size=schema.dimensions,
            distance=models.Distance.COSINE,
            quantization_config=_quantisation(settings),
            memory=cold if settings.vectors_on_disk else cached,
        )
    if schema.multi is not None:
        # it rescores what the legs found and is never searched: no graph, no small copy, read from disk
        vectors[MULTI] = models.VectorParams(
            size=schema.multi,
            distance=models.Distance.COSINE,
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=0),
            memory=cold,
        )
    return vectors


def _quantisation(settings: QdrantSettings) -> models.ScalarQuantization | models.TurboQuantization | None:
    from qdrant_client import models

    memory = models.Memory.PINNED if settings.quantised_in_memory else models.Memory.COLD
    if settings.quantisation == "scalar":
        # the outermost hundredth of values is clipped, so that a few outliers don't widen every step
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, memory=memory)
        return models.ScalarQuantization(scalar=scalar)
    if settings.quantisation == "turbo":
        turbo = models.TurboQuantQuantizationConfig(bits=models.TurboQuantBitSize.BITS4, memory=memory)
        return models.TurboQuantization(turbo=turbo)
    return None


def _quantisation_of(dense: models.VectorParams) -> str:
    from qdrant_client import models

    kinds: dict[type, str] = {models.ScalarQuantization: "scalar", models.TurboQuantization: "turbo"}
    found = dense.quantization_config
    return "none" if found is None else kinds.get(type(found), type(found).__name__)


def _create_payload_indexes(client: QdrantClient, name: str) -> None:
    """Repeated at every start: changes nothing on a complete collection, completes one whose maker was killed."""
    from qdrant_client import models

    keyword = models.KeywordIndexType.KEYWORD
    integer = models.IntegerIndexType.INTEGER
    instant = models.IntegerIndexParams(type=integer, lookup=False, range=True, enable_hnsw=False)
    filtered = models.KeywordIndexParams(type=keyword, enable_hnsw=False)
    # no search asks for these, only deletions, labels and counts of single versions
    rare = models.KeywordIndexParams(type=keyword, enable_hnsw=False, memory=models.Memory.COLD)
    # only scopes are searched by, so only they deserve links of their own in the HNSW graph, and lie side by side
    fields: dict[str, models.KeywordIndexParams | models.IntegerIndexParams] = {
        SCOPE: models.KeywordIndexParams(type=keyword, is_tenant=True),
        **dict.fromkeys((DOCUMENT, LABELS), filtered),
        **dict.fromkeys((TENANT, COLLECTION, VERSION), rare),
        **dict.fromkeys((VALID_FROM, VALID_TO), instant),
    }
    there = client.get_collection(name).payload_schema
    with warnings.catch_warnings():
        # the client's local mode (tests) warns that it has no payload indexes
        warnings.simplefilter("ignore", UserWarning)
        for field, params in fields.items():
            if field not in there:
                client.create_payload_index(name, field, params, wait=True)
