"""Which embedding space is which: everything that decides about a text's vectors, as 12 hex digits."""

from __future__ import annotations

import hashlib
import json

from rag.domain.language import Language
from rag.embedding.space import EmbeddingSpace


def identity_of(space: EmbeddingSpace) -> str:
    """Names the space's folder, collection and files of vectors.

    Models and analyzers are in the space's name; which languages reach the model is part of it here, because it decides
    which texts have a dense vector.
    """
    languages = sorted(language for language in Language if space.knows(language))
    facts = [space.name, space.dimensions, space.learned, space.multi, languages]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()[:12]
