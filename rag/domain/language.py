"""The languages that retrieval tells apart, and the kinds of collection."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    """What a text is written in, as far as retrieval needs to know it."""

    KOREAN = "ko"
    ENGLISH = "en"
    CODE = "code"
    OTHER = "other"


class CollectionKind(StrEnum):
    """What a collection holds; fusion weights and chunking depend on it."""

    DOCUMENTS = "documents"
    CODE = "code"
