"""What of a repository a specification speaks of: searched for piece by piece, under a permit.

Of collections whose code is read by its syntax, files are packed (`rag.retrieval.code_pack`): whole, or trimmed at the borders of
definitions; beside them stand the passages of everything else.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from ingest.pipeline.steps import Interrupted
from rag.domain.anchor import LineAnchor
from rag.domain.principal import Permit
from rag.generation.program_prompt import Excerpt
from rag.retrieval.code_pack import CodePacker, PackedFile
from rag.retrieval.service import Retriever
from rag.retrieval.understanding import QuestionContext
from rag.store import code_query

_QUESTIONS = 24
"""Searches for one specification."""
_QUESTION_CHARS = 1200
_FOUND = 20
"""Passages per search."""
_RANKS = 60
"""Constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009)."""
_MOST_PACKED = 200_000
"""Tokens of files that are chosen, however much a model takes."""
_HEADING = re.compile(r"\n(?=#{1,6} )|\n\s*\n")


def excerpts_for(retriever: Retriever, permit: Permit, spec: str, stopping: threading.Event) -> list[Excerpt]:
    """Passages for every piece of the specification, fused by reciprocal rank."""
    scores: dict[UUID, float] = {}
    excerpts: dict[UUID, Excerpt] = {}
    for question in questions_of(spec):
        if stopping.is_set():
            raise Interrupted
        asked = question[: retriever.settings.max_question_chars]
        # Dates and kinds of file that a specification speaks of are no filters.
        context = QuestionContext(infer_filters=False)
        for passage in retriever.search(permit, asked, limit=_FOUND, context=context).passages:
            chunk = passage.chunk
            scores[chunk.id] = scores.get(chunk.id, 0.0) + 1.0 / (_RANKS + passage.rank)
            excerpts[chunk.id] = Excerpt(
                passage.source.collection_name,
                passage.source.source_key,
                chunk.anchor.label("en"),
                passage.ordinals[0],
                0,
                chunk.text,
                str(passage.source.document_id),
            )
    ranked = sorted(excerpts, key=lambda item: (-scores[item], excerpts[item].path, excerpts[item].ordinal))
    return [
        Excerpt(**{**asdict(excerpts[identity]), "rank": rank})
        for rank, identity in enumerate(_distinct(ranked, excerpts), 1)
    ]


def context_for(
    packer: CodePacker, retriever: Retriever, permit: Permit, spec: str, room: int, stopping: threading.Event
) -> list[Excerpt]:
    """The files that a pack would hold for the specification in `room` tokens, and passages of all others, by turns."""
    passages = excerpts_for(retriever, permit, spec, stopping)
    with packer.database.read() as session:
        code = permit.narrowed(code_query.collections_with_symbols(session, permit))
    if not code.collections:
        return passages
    files = [_packed(item) for item in packer.chosen(code, spec, min(room, _MOST_PACKED))]
    whole = {item.document for item in files}
    others = [item for item in passages if item.document not in whole]
    ranked = sorted([*enumerate(files), *enumerate(others)], key=lambda item: item[0])
    return [Excerpt(**{**asdict(item), "rank": rank}) for rank, (_, item) in enumerate(ranked, 1)]


def _packed(item: PackedFile) -> Excerpt:
    """A file of a pack as one excerpt."""
    place = LineAnchor(1, item.lines).label("en")
    return Excerpt(item.collection, item.file.key, place, 0, 0, item.folded.text, str(item.file.document_id))


def questions_of(spec: str) -> list[str]:
    """What is searched for: the sections of a specification, at most `_QUESTIONS` groups of their beginnings."""
    sections = [part.strip() for part in _HEADING.split(spec) if part.strip()]
    parts = [
        part[start : start + _QUESTION_CHARS] for part in sections for start in range(0, len(part), _QUESTION_CHARS)
    ]
    size = max(_QUESTION_CHARS, math.ceil(sum(map(len, parts)) / (_QUESTIONS - 1)))
    groups: list[list[str]] = []
    room = 0
    for part in parts:
        if len(part) > room and len(groups) < _QUESTIONS:
            groups.append([])
            room = size
        groups[-1].append(part)
        room -= len(part)
    return ["\n".join(part[: _QUESTION_CHARS // len(group)] for part in group).strip() for group in groups]


def _distinct(ranked: Sequence[UUID], excerpts: dict[UUID, Excerpt]) -> list[UUID]:
    """Without pieces whose text another, better one has too: neighbours are merged differently by each question."""
    kept: list[UUID] = []
    for identity in ranked:
        text, path = excerpts[identity].text, excerpts[identity].path
        if not any(excerpts[other].path == path and text in excerpts[other].text for other in kept):
            kept.append(identity)
    return kept
