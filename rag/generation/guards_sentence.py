"""Whether a short text in a foreign script is a sentence, or a name that an answer may well consist of."""

from __future__ import annotations

import re
from collections import Counter

from rag.generation.guards_scripts import LETTERS, Script, script_of

_CITED = re.compile(r"\[\d{1,3}\]")
_ENDED = re.compile(r"[.!?…。！？؟।]\s*\Z")
_JAPANESE_END = re.compile(
    r"(?:です|でした|ます|ました|ません|ください|下さい|である|とする|こと|ない|した|[えけせてねべめれき]る)\s*\Z"
)
"""Verbs and copulas, with which a sentence ends where no mark does."""
_THAI_WORD = re.compile("ครับ|ค่ะ|ภายใน|ต้อง|เป็น|ได้|ไม่|และ|หรือ|ของ|จะ|คือ")
"""Words of grammar; Thai has no blanks between words and no mark at the end."""
_CHINESE = 12
"""Characters from which Chinese with words of grammar is a sentence, whatever it ends with; sayings in Hanja have eight."""
_WORDS, _ENDED_WORDS = 3, 2
"""Words of a sentence without and with a mark at its end. One after the first is in small letters: names have none."""
_CASELESS = 1
"""How many more words it has in a script without capitals, where full names have three."""
_CJK = (Script.HAN, Script.HIRAGANA, Script.KATAKANA)


def is_sentence(text: str) -> bool:
    """Whether a text, in the script that most of its foreign letters are of, has the shape of a sentence."""
    read = _CITED.sub("", text).strip()
    counts = Counter(script_of(char) for char in read)
    ended = _ENDED.search(read) is not None
    others = [script for script in counts if script in LETTERS and script not in (*_CJK, Script.LATIN)]
    main = max(others, key=lambda script: counts[script], default=None)
    if main is None or sum(counts[script] for script in _CJK) > counts[main]:
        is_long = not counts[Script.HIRAGANA] and counts[Script.HAN] >= _CHINESE
        return ended or is_long or _JAPANESE_END.search(read) is not None
    words = [word for word in re.findall(r"\w+", read) if script_of(word[0]) in LETTERS]
    if main is Script.THAI:
        return len(words) >= _WORDS or _THAI_WORD.search(read) is not None
    least = _ENDED_WORDS if ended else _WORDS
    if main is Script.CYRILLIC:
        return len(words) >= least and any(word[0].islower() for word in words[1:])
    return len(words) >= least + _CASELESS
