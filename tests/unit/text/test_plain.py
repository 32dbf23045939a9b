"""What needs no reading for characters is left as it is by everything that reads for them."""

from __future__ import annotations

import pytest

from ingest.parsing.characters import clean
from rag.text.invisible import visible
from rag.text.normalize import clean_characters
from rag.text.plain import is_plain


@pytest.mark.parametrize("code", range(0x80))
def test_each_character_of_ascii(code: int) -> None:
    text = f"a{chr(code)}b"
    assert is_plain(text) == (chr(code) in "\t\n\r" or 0x20 <= code < 0x7F)
    if is_plain(text):
        assert visible(text) == clean_characters(text) == text
        assert clean(text) == text.replace("\r", "\n")


@pytest.mark.parametrize("text", ["한도", "a\u200bb", "caf\u00e9", "a\u00a0b", "\ufeffa", "x\x85y"])
def test_what_is_not_ascii_is_read(text: str) -> None:
    assert not is_plain(text)
