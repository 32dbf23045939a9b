"""Which embedding space is which: everything that decides about a text's vectors, as 12 hex digits."""

from __future__ import annotations

import hashlib
import json

from rag.domain.language import Language
from rag.embedding.space import EmbeddingSpace


def identity_of(space: EmbeddingSpace, model_files: str | None = None) -> str:
    """Names the space's folder, collection and files of vectors.

    Models and analyzers are in the space's name; which languages reach the model is part of it here, because it decides
    which texts have a dense vector. So are the model's files, where they are here: other weights under the same name make other
    vectors.

    Args:
        model_files: fingerprint to take in the place of the space's own. Without any (the empty string), it is the identity that
            releases before fingerprints gave.
    """
    files = space.model_files if model_files is None else model_files
    languages = sorted(language for language in Language if space.knows(language))
    facts = [space.name, space.dimensions, space.learned, space.multi, languages, *([files] if files else [])]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()[:12]
