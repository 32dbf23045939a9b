"""One form of text that looks the same: macOS writes Korean names as single jamo (NFD), nearly everything else composed (NFC)."""

from __future__ import annotations

import unicodedata


def composed(text: str) -> str:
    """The text in NFC, the form in which names and values are kept and compared."""
    return unicodedata.normalize("NFC", text)
