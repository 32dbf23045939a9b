"""Whether bytes are Korean in one of the old encodings: CP949 (Korean Windows, with EUC-KR in it) or Johab (Korean DOS).

Any two high bytes are some character of both, so that decoding proves little. What the characters are decides: real text is made
of everyday syllables and Hanja, beside signs (lines of boxes, bullets, full-width forms) that say nothing for or against it.
"""

from __future__ import annotations

import re
from collections import Counter

_CHARACTERS = re.compile(rb"[\x81-\xfe][\x41-\x5a\x61-\x7a\x81-\xfe]|[\x80-\xff]")
_ASCII = bytes(range(0x80))

_GLUED = re.compile(
    rb"(?<=[A-Za-z])([\xa1-\xfe]{2})(?=[A-Za-z])"
    rb"|(?<=[A-Za-z])([\xca-\xfd][\xa1-\xfe])(?![\x80-\xff])"
    rb"|(?<![\x80-\xff])([\xca-\xfd][\xa1-\xfe])(?=[A-Za-z])"
)
"""One syllable between Latin letters, or one Hanja at one: `Größe` and `AÇÃO` in Windows-1252 look so."""

_GERMAN = b"\xc4\xd6\xdc\xdf\xe4\xf6\xfc"
_SECTIONS = b"\xa7\xa7"
"""`§§` of a Western statute in Windows-1252."""

_FREQUENT = frozenset(
    "이다의는에을를가고하은로한지사서기도인자리어대정으시일수나해과제주전보부장원조아상그금성공와유계구여비스관라있생법행"
    "화연적경소안위요동무신세업었마우단년오문교회용들만면말거야선려결방것거개모등회입내물국물심영실중신양분치체임니습"
    "래통재당발습각차같간감강건게격견급남너네녀능되된될드따때또러렇력령록류르린며명목못므미민바반받배번변별본불상새설"
    "습식않알았약었없예외운월음의작잘저절점접종좋준증직진집찰참처천청초출충치코크타터토트특파판평포표품프필학할함합항행현형호확환활황후"
)
"""Syllables that most Korean text of today is made of; a tenth of the 2,350 that KS X 1001 has."""

_NATURAL = 0.3
"""Share of `_FREQUENT` in the Hangul of a text: 0.9 in the middle and 0.5 at least in 4,670 articles of statutes and questions on
them, near 0.1 where the bytes are something else."""

_ENOUGH = 12
"""Characters from which on a share says something."""

_COMMON = 0.95


def is_korean_cp949(sample: bytes) -> bool:
    """Whether the bytes are Korean, if they are CP949: everyday Hangul or Hanja more than rare Hangul, or signs alone.

    KS X 1001 has signs in lead bytes A1..AC, Hangul in B0..C8 and Hanja in CA..FD, all with a trail byte from A1 on. Everything
    else is Windows' extension, 8,822 syllables that hardly occur, to which curly quotes of Windows-1252 decode.
    """
    hangul = hanja = signs = rare = old = frequent = 0
    for pair, count in Counter(_CHARACTERS.findall(sample)).items():
        lead, trail = pair[0], pair[-1]
        if len(pair) < 2 or trail < 0xA1 or lead < 0xA1:
            rare += count
        elif 0xB0 <= lead <= 0xC8:
            hangul += count
            frequent += count * (pair.decode("cp949", errors="replace") in _FREQUENT)
        elif 0xCA <= lead <= 0xFD:
            hanja += count
        elif lead == 0xA4 and 0xD4 <= trail <= 0xF6:
            old += count  # letters no longer written; hiragana in EUC-JP
        else:
            signs += count * (pair != _SECTIONS)
    glued = _western(sample)
    letters = hangul + hanja - glued
    if 50 * old > hangul + hanja + signs or not sample.translate(None, _ASCII + _GERMAN):
        return False
    if min(hangul, hanja) >= _ENOUGH and frequent < _NATURAL * hangul:
        return False  # Chinese and Japanese use both halves of the table alike
    return rare <= letters if letters > 0 else signs > 0 == rare and not glued


def _western(sample: bytes) -> int:
    """How many characters stand in a word of Latin letters as only accented letters do."""
    found = (between or after or before for between, after, before in _GLUED.findall(sample))
    return sum(pair[0] >= 0xB0 and pair.decode("cp949", errors="replace") not in _FREQUENT for pair in found)


def is_korean_johab(text: str) -> bool:
    """Whether what the bytes decode to as Johab (KS X 1001 annex 3) is everyday Hangul; signs and Hanja don't count.

    The 2,350 syllables of KS X 1001 decide, and the frequent ones among them: others hardly occur in real text.
    """
    hangul = {letter: count for letter, count in Counter(text).items() if "가" <= letter <= "힣"}
    total = sum(hangul.values())
    common = sum(count for letter, count in hangul.items() if _is_common(letter))
    return total >= 4 and common >= _COMMON * total and frequent_share(text) >= _NATURAL


def frequent_share(text: str) -> float:
    """Share of everyday syllables in the Hangul of a text, 0 if there is none."""
    letters = Counter(text)
    total = sum(count for letter, count in letters.items() if "가" <= letter <= "힣")
    return sum(letters[letter] for letter in _FREQUENT) / max(total, 1)


def _is_common(syllable: str) -> bool:
    try:
        syllable.encode("euc_kr")
    except UnicodeEncodeError:
        return False
    return True
