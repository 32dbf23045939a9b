"""The guard against language drift: a Korean or English question that is answered in another script.

English words are at home in every answer here, and so are names and quotations in any script. What counts is running text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag.domain.language import Language
from rag.generation.guards_scripts import Script, script_of

_LETTERS = 32
"""Letters of running text in a foreign script, from which it is an answer and no name."""
_HANGUL_TAKES = 3
"""Foreign letters that a Hangul syllable weighs up: texts in mixed script (國漢文) stay below, Chinese with a Korean word not."""
_FUNCTION_SHARE = 0.1
"""Share of Chinese function characters: prose has 15 to 25 %, lists of names 3 %."""
_HIRAGANA_SHARE = 0.2
"""Share of hiragana, in which Japanese writes its grammar; names of companies have none."""
_QUOTE = 120
"""Longest quotation, in characters."""
_HELD = 16
"""Characters without a letter that an answer may begin with before it is let through."""
_HELD_FOREIGN = 200
_LOOKED_AT = 600
_FOREIGN_SHARE = 0.05

_FUNCTION = frozenset(
    "的了是这這们們我你您他她它吗嗎呢吧把被让讓给給很就都也还還没沒么麼什怎哪那和与與及或在从從对對为為于於以可会會能要应應须須请請"
    "将將并並且但而则則如若因所其此该該之者不有无無等每"
)
_CLOSING = {
    "“": "”",
    "‘": "’",
    "「": "」",
    "『": "』",
    "《": "》",
    "〈": "〉",
    "(": ")",
    "（": "）",
    "[": "]",
    '"': '"',
    "`": "`",
}
_CJK = frozenset({Script.HAN, Script.HIRAGANA, Script.KATAKANA})
_FOREIGN = _CJK | {Script.CYRILLIC, Script.ARABIC, Script.THAI, Script.OTHER}
_OTHER_LANGUAGE = re.compile(
    r"(?:중국|일본|러시아|아랍|태국|베트남|몽골|힌디|외국|다국|우크라이나)어|중문|일문|한자|한문|漢字|번역"
    r"|\b(?:chinese|japanese|russian|arabic|thai|hindi|mongolian|hebrew|ukrainian|cyrillic|kanji|hanja|translat\w*|languages?)\b",
    re.IGNORECASE,
)


def expected_language(messages: Sequence[Mapping[str, Any]]) -> Language | None:
    """The language that an answer to the last message of the user has to be in; None where any may be right.

    That is so where the message is itself in another script in part, or speaks of other languages where the request stands:
    at its beginning or its end.
    """
    asked = last_of_user(messages)
    ends = asked if len(asked) <= 2 * _LOOKED_AT else f"{asked[:_LOOKED_AT]}\n{asked[-_LOOKED_AT:]}"
    scripts = [script_of(char) for char in asked[-8 * _LOOKED_AT :]]
    foreign = sum(script in _FOREIGN for script in scripts)
    hangul = sum(script is Script.HANGUL for script in scripts)
    latin = sum(script is Script.LATIN for script in scripts)
    if foreign > _FOREIGN_SHARE * (hangul + latin) or not hangul + latin or _OTHER_LANGUAGE.search(ends):
        return None
    return Language.KOREAN if hangul else Language.ENGLISH


def last_of_user(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the user said last."""
    return next((text_of(item) for item in reversed(messages) if item.get("role") == "user"), "")


def text_of(message: Mapping[str, Any]) -> str:
    """The words of a message, which may come in parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))


class LanguageWatch:
    """Weighs letters of foreign scripts against Hangul, outside of quotations."""

    name = "language"

    def __init__(self) -> None:
        self._total = 0
        self._closing = ""
        self._quoted = 0
        self._foreign = self._function = self._hiragana = 0
        self._others: dict[Script, int] = {}
        self.open_at: int | None = None
        """Characters after which it is clear that the answer does not begin in a foreign script; None until then."""

    @property
    def held(self) -> int:
        """Nothing but numbers is kept."""
        return 0

    def feed(self, text: str) -> int | None:
        """Characters of `text` up to the one that makes it an answer in another language; None while it is none."""
        for position, char in enumerate(text):
            self._total += 1
            script = script_of(char)
            if not self._in_quotation(char):
                self._weigh(char, script)
            if self._drifted():
                return position + 1
            if self.open_at is None and self._is_clear(script):
                self.open_at = self._total
        return None

    def _in_quotation(self, char: str) -> bool:
        if not self._closing:
            self._closing = _CLOSING.get(char, "")
            self._quoted = 0
            return bool(self._closing)
        self._quoted += 1
        if char == self._closing or char == "\n" or self._quoted > _QUOTE:
            self._closing = ""
        return True

    def _weigh(self, char: str, script: Script) -> None:
        if script is Script.HANGUL:
            self._foreign = max(0, self._foreign - _HANGUL_TAKES)
            if not self._foreign:
                self._function = self._hiragana = 0
                self._others.clear()
        elif script in _FOREIGN:
            self._foreign += 1
            self._function += char in _FUNCTION
            self._hiragana += script is Script.HIRAGANA
            if script not in _CJK:
                self._others[script] = self._others.get(script, 0) + 1

    def _drifted(self) -> bool:
        if self._foreign < _LETTERS:
            return False
        others = sum(self._others.values())
        written = self._foreign - others  # Chinese or Japanese
        if written >= _LETTERS and (
            self._function >= _FUNCTION_SHARE * written or self._hiragana >= _HIRAGANA_SHARE * written
        ):
            return True
        # one script by itself: a list of languages names each in its own
        return others > 0 and max(self._others.values()) >= _LETTERS

    def _is_clear(self, script: Script) -> bool:
        if self._foreign:
            return self._total >= _HELD_FOREIGN
        return script in (Script.HANGUL, Script.LATIN) or self._total >= _HELD
