"""Hangul as keystrokes: slips of the finger, and words typed while the keyboard was set to the other language.

Layout: the Korean standard two-set keyboard (KS X 5002).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_BASE = 0xAC00
_DOUBLE_VOWELS = {"ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ"}
_DOUBLE_FINALS = {
    "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ",
    "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ",
}  # fmt: skip
_JOINED = {pair: one for one, pair in (_DOUBLE_VOWELS | _DOUBLE_FINALS).items()}
_KEYS = dict(
    zip(
        "qwertyuiopasdfghjklzxcvbnmQWERTOP",
        "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡㅃㅉㄸㄲㅆㅒㅖ",
        strict=True,
    )
)
_LETTERS = {jamo: key for key, jamo in reversed(list(_KEYS.items()))}


def is_syllable(character: str) -> bool:
    """Whether `character` is a whole Hangul syllable."""
    return "가" <= character <= "힣"


def split(syllable: str) -> tuple[int, int, int]:
    """Numbers of initial, vowel and final (0 for none) of a syllable (Unicode 3.12)."""
    number = ord(syllable) - _BASE
    return number // 588, number % 588 // 28, number % 28


def join(initial: int, vowel: int, final: int) -> str:
    """The syllable of these numbers."""
    return chr(_BASE + initial * 588 + vowel * 28 + final)


def keystrokes(word: str) -> str:
    """The jamo that are typed for a word, compound vowels and finals one by one."""
    typed = []
    for character in word:
        if not is_syllable(character):
            typed.append(_DOUBLE_VOWELS.get(character) or _DOUBLE_FINALS.get(character) or character)
            continue
        initial, vowel, final = split(character)
        typed.append(INITIALS[initial])
        typed.append(_DOUBLE_VOWELS.get(VOWELS[vowel], VOWELS[vowel]))
        typed.append(_DOUBLE_FINALS.get(FINALS[final], FINALS[final]))
    return "".join(typed)


def compose(typed: str) -> str:
    """What an input method writes for these jamo; what makes no syllable stays a jamo."""
    written = ""
    index = 0
    while index < len(typed):
        syllable, used = _syllable(typed, index)
        written += syllable
        index += used
    return written


def _syllable(typed: str, index: int) -> tuple[str, int]:
    """The syllable that begins at `index`, and how many keys it takes."""
    if typed[index] not in INITIALS or index + 1 >= len(typed) or typed[index + 1] not in VOWELS:
        return typed[index], 1
    vowel, used = typed[index + 1], 2
    double = _JOINED.get(typed[index + 1 : index + 3], "")
    if double in VOWELS and double:
        vowel, used = double, 3
    final = ""
    for width in (2, 1):
        part = typed[index + used : index + used + width]
        candidate = part if width == 1 else _JOINED.get(part, "")
        begins_next = typed[index + used + width : index + used + width + 1]
        if len(part) == width and candidate in FINALS and candidate and begins_next not in _vowels():
            final, used = candidate, used + width
            break
    return join(INITIALS.index(typed[index]), VOWELS.index(vowel), FINALS.index(final)), used


@cache
def _vowels() -> frozenset[str]:
    return frozenset(VOWELS)


def typed_in_korean(letters: str) -> str:
    """What the keys of a Latin word would have written in Korean: `dusck` → `연차`; empty when no word comes of it."""
    typed = "".join(_KEYS.get(letter) or _KEYS.get(letter.lower(), "") for letter in letters)
    written = compose(typed) if len(typed) == len(letters) else ""
    return written if written and all(map(is_syllable, written)) else ""


def typed_in_english(word: str) -> str:
    """What the keys of a Korean word would have written in English: `ㅔㅛ쇄ㅜ` → `python`; empty for other characters."""
    letters = [_LETTERS.get(jamo, "") for jamo in keystrokes(word)]
    return "".join(letters) if all(letters) else ""


def slips(word: str, places: range) -> Iterator[str]:
    """Words of whole syllables that are one slip away from `word`: another jamo in a syllable of `places`, a key left out,
    typed twice or one too many, two keys in the wrong order. Each once, never `word`.
    """
    seen = {word}
    for candidate in _slips(word, places):
        if candidate not in seen and all(map(is_syllable, candidate)):
            seen.add(candidate)
            yield candidate


def _slips(word: str, places: range) -> Iterator[str]:
    for place in places:
        head, tail = word[:place], word[place + 1 :]
        if not is_syllable(word[place]):
            continue
        initial, vowel, final = split(word[place])
        yield from (head + join(initial, number, final) + tail for number in range(len(VOWELS)))
        yield from (head + join(number, vowel, final) + tail for number in range(len(INITIALS)))
        yield from (head + join(initial, vowel, number) + tail for number in range(len(FINALS)))
    typed = keystrokes(word)
    for index in range(len(typed)):
        yield compose(typed[:index] + typed[index + 1 :])
        if index + 1 < len(typed):
            yield compose(typed[:index] + typed[index + 1] + typed[index] + typed[index + 2 :])
    for index in range(1, len(typed)):  # a vowel left out: two consonants in a row, which no input method joins
        if typed[index - 1] in INITIALS and typed[index] not in _vowels():
            yield from (compose(typed[:index] + vowel + typed[index:]) for vowel in VOWELS)
