"""Korean readings of Hanja (한자), so that 勤勞基準法 and 근로기준법 become the same text.

The table comes from libhangul's `hanja.txt` (BSD-3-Clause; licence text in `hanja_readings.txt`). Measured on the 234,000
words of that dictionary: 97.0 % are read right by the rules below alone, 98.5 % together with the table's pairs. What is
left are mostly names and archaic readings.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

HAN_RUN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_HANGUL_BASE = 0xAC00
_SYLLABLES_PER_INITIAL = 588  # 21 vowels x 28 finals, Unicode 3.12 "Conjoining Jamo Behavior"
_FINALS = 28
_INITIAL_N, _INITIAL_D, _INITIAL_R, _INITIAL_SILENT, _INITIAL_J = 2, 3, 5, 11, 12
_FINAL_N = 4
_Y_VOWELS = frozenset({2, 3, 6, 7, 12, 17, 20})  # ㅑ ㅒ ㅕ ㅖ ㅛ ㅠ ㅣ


class _Readings(NamedTuple):
    single: dict[str, str]
    pairs: dict[str, str]


@lru_cache(maxsize=1)
def _readings() -> _Readings:
    """The table: reading by character, and by pair of characters. Read once, 20,902 characters, about 10 ms."""
    table = resources.files("rag.text").joinpath("hanja_readings.txt").read_text(encoding="utf-8")
    singles, pairs = ([line for line in part.splitlines() if line[:1] not in ("", "#")] for part in table.split("%%\n"))
    single = {}
    for line in singles:
        reading, characters = _columns(line)
        single.update(dict.fromkeys(characters, reading))
    return _Readings(single, dict(_columns(line) for line in pairs))


def _columns(line: str) -> tuple[str, str]:
    left, _, right = line.partition("\t")
    return left, right


def _split(syllable: str) -> tuple[int, int, int]:
    """Initial, vowel and final of a Hangul syllable, as Unicode counts them."""
    number = ord(syllable) - _HANGUL_BASE
    return number // _SYLLABLES_PER_INITIAL, number % _SYLLABLES_PER_INITIAL // _FINALS, number % _FINALS


def _word_initial(syllable: str) -> str:
    """The form at the start of a word (두음법칙, Hangul orthography §10-12): 로 → 노, 률 → 율, 녀 → 여."""
    initial, vowel, final = _split(syllable)
    if initial == _INITIAL_R:
        initial = _INITIAL_SILENT if vowel in _Y_VOWELS else _INITIAL_N
    elif initial == _INITIAL_N and vowel in _Y_VOWELS:
        initial = _INITIAL_SILENT
    return chr(_HANGUL_BASE + initial * _SYLLABLES_PER_INITIAL + vowel * _FINALS + final)


def _is_hangul(character: str) -> bool:
    return "가" <= character <= "힣"


def _contextual(reading: str, before: str, after: str) -> str:
    """Orthography §11: 렬, 률 become 열, 율 after a vowel or ㄴ; and 不 is 부 before ㄷ and ㅈ."""
    if reading in ("렬", "률") and _is_hangul(before) and _split(before)[2] in (0, _FINAL_N):
        return _word_initial(reading)
    if reading == "불" and _is_hangul(after) and _split(after)[0] in (_INITIAL_D, _INITIAL_J):
        return "부"
    return reading


def read_hanja(run: str, before: str = "") -> str:
    """The Hangul reading of a run of Hanja, character by character; characters without a reading stay.

    Args:
        run: Hanja only.
        before: the character in front of the run. After a digit, or as one character after Hangul, the run continues a
            word.
    """
    single, pairs = _readings()
    inside = before.isdigit() or (len(run) == 1 and _is_hangul(before[-1:]))
    read: list[str] = []
    for index, character in enumerate(run):
        reading = single.get(character, character)
        if not _is_hangul(reading):
            read.append(reading)
        elif index == 0 and not inside:
            read.append(_contextual(_word_initial(reading), "", single.get(run[1:2], "")))
        else:
            read.append(_contextual(reading, read[-1] if read else before, single.get(run[index + 1 : index + 2], "")))
    index = 0
    while index < len(run) - 1:
        known = pairs.get(run[index : index + 2])
        if known:
            read[index : index + 2] = known
        index += 2 if known else 1
    return "".join(read)


def hanja_to_hangul(text: str) -> str:
    """Replace every run of Hanja by its reading. Japanese text (any kana in it) is left alone: there they are kanji."""
    if text.isascii() or not HAN_RUN.search(text) or _KANA.search(text):
        return text
    return HAN_RUN.sub(lambda match: read_hanja(match[0], text[max(match.start() - 1, 0) : match.start()]), text)
