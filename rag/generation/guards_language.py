"""The guard against language drift: a Korean or English question that is answered in another script.

English words are at home in every answer here, and so are names and quotations in any script. What counts is running text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag.domain.language import Language
from rag.generation.base import GenerationRequest
from rag.generation.engine import EngineCall
from rag.generation.guards_scripts import Script, script_of

_LETTERS = 32
"""Letters of running text in a foreign script, from which it is an answer and no name."""
_SHORT = 8
"""The same of an answer that is over and has hardly a letter of any other: names are shorter, or have no grammar."""
_LATIN_SHARE = 0.25
"""Latin letters beside those of such an answer: `HR` and the like."""
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
_NAMES_KO = r"(?:중국|일본|러시아|아랍|태국|베트남|몽골|힌디|외국|다국|우크라이나)어|중문|일문|한자|한문|漢字|번역"
_NAMES_EN = r"chinese|japanese|russian|arabic|thai|hindi|mongolian|hebrew|ukrainian|cyrillic|kanji|hanja|translat\w*"
_OTHER_LANGUAGE = re.compile(rf"{_NAMES_KO}|\b(?:{_NAMES_EN}|languages?)\b", re.IGNORECASE)
_NAMED_BEFORE = re.compile(
    rf"{_NAMES_KO}|中文|汉语|漢語|日本語|русск|\b(?:{_NAMES_EN}|(?:zh|ja|ru|ar|th|uk)-[a-z]{{2,4}}"
    r"|(?:other|another|foreign|target|multiple|different) languages?)\b",
    re.IGNORECASE,
)
"""The same for what stands before the question, where `language` alone tells nothing: "You are a large language model"."""
_ORIGINAL = re.compile(
    r"현지\s?(?:어|말|이름|명칭|표기|문자|글자)|원문|원어|표기|문자|글자|\b(?:original|native|local)\s(?:\w+\s)?(?:spelling|script|wording|text|name|letters)\b",
    re.IGNORECASE,
)
"""What asks for the words of a document as they stand there: a short answer may then be in any script."""
_FORBIDDEN_KO = re.compile(r"[^.,\n고며]{0,20}?(?:지\s?(?:마|말|않)|금지|안\s?[되돼된됩]|없이|제외|말고|대신)")
_FORBIDDEN_EN = re.compile(
    r"\b(?:not|never|no|without|avoid\w*|instead of)\b[^.,;:\n]{0,40}\Z|n't\b[^.,;:\n]{0,40}\Z", re.IGNORECASE
)
_NEAR = 60
"""Characters around the name of a language in which it may be forbidden."""
_TURNS_BEFORE = 20
"""Latest messages that are looked at, besides the first."""


def expected_of(call: EngineCall) -> Language | None:
    """The language that the answer to a call has to be in: as it says itself, else as its messages tell; None for any."""
    if call.language is None:
        return expected_language(call.messages)
    return call.language if call.language in (Language.KOREAN, Language.ENGLISH) else None


def expected_language(messages: Sequence[Mapping[str, Any]]) -> Language | None:
    """The language that an answer to the last message of the user has to be in; None where any may be right.

    That is so where the message is itself in another script in part, or speaks of other languages where the request stands:
    at its beginning or its end. And where anything before it asks for another language, or has been in one: a system prompt
    that wants translations, a conversation in Chinese that goes on with "ok".
    """
    asked = last_of_user(messages)
    hangul, latin, foreign = _letters(asked[-8 * _LOOKED_AT :])
    if not hangul + latin or _is_foreign(hangul, latin, foreign) or _OTHER_LANGUAGE.search(_ends(asked)):
        return None
    if any(map(_leaves_open, (*messages[:1], *messages[1:][-_TURNS_BEFORE:]))):
        return None
    return Language.KOREAN if hangul else Language.ENGLISH


def wants_original(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last message of the user asks for something as it is spelled where it comes from."""
    return _ORIGINAL.search(_ends(last_of_user(messages))) is not None


def answer_language(request: GenerationRequest) -> Language:
    """What an answer to the question has to be in, for `EngineCall.language`: any where passages are in another script."""
    quoted = _letters("".join(passage.chunk.text[:_LOOKED_AT] for passage in request.passages))
    asked = expected_language([{"role": "user", "content": request.question}])
    if request.language is Language.OTHER or asked is None or _is_foreign(*quoted):
        return Language.OTHER
    return Language.KOREAN if request.language is Language.KOREAN else Language.ENGLISH


def _leaves_open(message: Mapping[str, Any]) -> bool:
    """Whether a message before the question lets the answer be in another language."""
    role = message.get("role")
    if role not in ("system", "user", "assistant"):
        return False
    ends = _ends(text_of(message))
    hangul, latin, foreign = _letters(ends)
    if 2 * foreign > hangul + latin + foreign or (foreign >= _LETTERS and _is_foreign(hangul, latin, foreign)):
        return True
    return role != "assistant" and any(not _forbidden(ends, match) for match in _NAMED_BEFORE.finditer(ends))


def _forbidden(text: str, named: re.Match[str]) -> bool:
    """Whether the language that is named is one that must not be used."""
    before, after = text[max(0, named.start() - _NEAR) : named.start()], text[named.end() : named.end() + _NEAR]
    return _FORBIDDEN_KO.match(after) is not None or _FORBIDDEN_EN.search(before) is not None


def _letters(text: str) -> tuple[int, int, int]:
    """Hangul, Latin and foreign letters."""
    scripts = [script_of(char) for char in text]
    foreign = sum(script in _FOREIGN for script in scripts)
    return scripts.count(Script.HANGUL), scripts.count(Script.LATIN), foreign


def _is_foreign(hangul: int, latin: int, foreign: int) -> bool:
    return foreign > _FOREIGN_SHARE * (hangul + latin)


def _ends(text: str) -> str:
    return text if len(text) <= 2 * _LOOKED_AT else f"{text[:_LOOKED_AT]}\n{text[-_LOOKED_AT:]}"


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
        self._hangul = self._latin = 0
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

    def all_foreign(self) -> bool:
        """Whether the answer is over and was in another language, however short it is."""
        if self._hangul or self._latin > _LATIN_SHARE * self._foreign:
            return False
        return self._is_running_text(_SHORT)

    def _weigh(self, char: str, script: Script) -> None:
        self._latin += script is Script.LATIN
        if script is Script.HANGUL:
            self._hangul += 1
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
        return self._foreign >= _LETTERS and self._is_running_text(_LETTERS)

    def _is_running_text(self, letters: int) -> bool:
        others = sum(self._others.values())
        written = self._foreign - others  # Chinese or Japanese
        if written >= letters and (
            self._function >= _FUNCTION_SHARE * written or self._hiragana >= _HIRAGANA_SHARE * written
        ):
            return True
        # one script by itself: a list of languages names each in its own
        return others > 0 and max(self._others.values()) >= letters

    def _is_clear(self, script: Script) -> bool:
        if self._foreign:
            return self._total >= _HELD_FOREIGN
        return script in (Script.HANGUL, Script.LATIN) or self._total >= _HELD
