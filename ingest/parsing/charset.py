"""Which encoding a text is in: UTF-8, UTF-16, CP949 (Korean Windows), Johab (Korean DOS) or, last, Windows-1252."""

from __future__ import annotations

import codecs
import re

from ingest.parsing.korean_bytes import frequent_share, is_korean_cp949, is_korean_johab
from rag.text.plain import is_plain

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_NO_CHARSETS = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7", "undefined", "mbcs", "oem"}
)
"""Codecs of Python that no page is written in, and UTF-7, which has only ever smuggled scripts."""

_DECLARED = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_.:-]+)"
    rb"|^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']?\s*([a-zA-Z0-9_.:-]+)",
    re.I,
)
_DECLARED_WITHIN = 4096
_KOREAN_NAMES = frozenset(
    {"euc-kr", "euckr", "ks_c_5601-1987", "ksc5601", "ks_c_5601", "ms949", "cp949", "windows-949"}
)
_UNASKED = frozenset({"iso8859-1", "iso8859-15", "cp1252", "ascii"})
"""What programs declare without looking at the text, and what any bytes decode as."""

_MIXED = {"utf-8": "cp949", "cp949": "utf-8"}

_WIDTHS = {"utf-16": 2, "utf-32": 4}
SAMPLE_BYTES = 1 << 20
"""Enough text to decide on; a UTF-8 file with CP949 lines only after its first megabyte is read with replacements."""

_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_ASCII = bytes(range(0x80))
_CONTROL_SHARE = 0.002
"""Text has next to none; form feed, escape and the line ends are not counted."""

_BROKEN_SHARE = 0.01
"""A text with up to one wrong byte in a hundred is still that text (a file cut in the middle, one pasted line)."""

_SURE = 0.5
"""Share of everyday syllables in a text that is Korean beyond doubt."""

_CLEARLY_BETTER = 0.4
"""By how much more of it Johab must show where the bytes may be CP949."""

_HANGUL = re.compile("[가-힣]")
_PLAUSIBLE = re.compile(
    "[\t\n\r -~\u00a0-\u00ff\u2010-\u2027\u2030-\u203b\u2190-\u2193\u2460-\u24ff\u2500-\u25ff"
    "\u3000-\u303f\u3130-\u318f\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e]"
)


def detect_charset(sample: bytes) -> str | None:
    """Python codec name of the text that `sample` (the file's first `SAMPLE_BYTES`) begins, None if it is not text."""
    if sample.isascii() and is_plain(sample.decode("ascii")):
        return "utf-8"  # as below, without the looks at what it might be else
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name if _mostly_decodes(_whole(sample, name), name) else None
    if wide := _utf16_without_bom(sample):
        return wide
    if not _is_printable(sample):
        return None
    return _eight_bit(sample)


def _whole(data: bytes, charset: str) -> bytes:
    """Without the one byte of a line end that an editor has put behind wide characters, or what a cut has left of one."""
    return data[: len(data) - len(data) % _WIDTHS.get(charset, 1)]


def is_mostly_plain(sample: bytes) -> bool:
    """Whether what is in no known encoding is ASCII for the most part, with next to no controls: a program with strange bytes."""
    strange = len(sample.translate(None, _ASCII))
    return 2 * strange <= len(sample) and b"\0" not in sample and _is_printable(sample)


def _eight_bit(sample: bytes) -> str | None:
    """The charset of a text without NULs and controls."""
    if _decodes(sample, "utf-8"):
        return "utf-8"
    if korean := _korean(sample):
        return korean
    if _mostly_decodes(sample, "utf-8"):
        return "utf-8"
    if is_korean_cp949(sample) and _mostly_decodes(sample, "cp949"):
        return "cp949"
    if _is_mixed_by_line(sample):
        return "utf-8"
    return "cp1252" if _is_western(sample) else None


def _korean(sample: bytes) -> str:
    """CP949 where the bytes bear it out; Johab where only that does, or CP949 would be unlike Korean and Johab is like it."""
    windows = _decodes(sample, "cp949") and is_korean_cp949(sample)
    seen = sample.decode("cp949", errors="ignore") if windows else ""
    share = frequent_share(seen)
    if share < _SURE and (not windows or _HANGUL.search(seen)) and _decodes(sample, "johab"):
        text = sample.decode("johab", errors="ignore")
        if is_korean_johab(text) and (not windows or share <= frequent_share(text) - _CLEARLY_BETTER):
            return "johab"
    return "cp949" if windows else ""


def declared(name: str) -> str:
    """The codec that a file declares by `name`; empty when there is none, or it is no charset (`hex`, `idna`, `utf-7`)."""
    try:
        codec = codecs.lookup(name.strip().lower()).name if name.isascii() else ""
        b"a".decode(codec)
    except (LookupError, ValueError, TypeError):
        return ""
    return "" if codec in _NO_CHARSETS else codec


def declared_in_page(data: bytes, detected: str) -> str:
    """The codec that an HTML or XML text declares at its head, if it decodes so; empty otherwise, and where `detected` is better.

    Whoever can read the declaration can't be in UTF-16, and Latin-1 is what programs declare unasked.
    """
    if detected.startswith("utf"):
        return ""
    found = _DECLARED.search(data[:_DECLARED_WITHIN])
    if found is None or not (detected or _is_printable(data[:SAMPLE_BYTES])):
        return ""
    name = (found[1] or found[2]).decode("ascii").lower()
    codec = "cp949" if name in _KOREAN_NAMES else declared(name)
    doubtful = codec.startswith(("utf-16", "utf-32")) or (codec in _UNASKED and detected)
    return codec if codec and not doubtful and _mostly_decodes(data[:SAMPLE_BYTES], codec) else ""


def decode(data: bytes, charset: str) -> tuple[str, bool]:
    """The text, and whether some bytes had to be replaced by U+FFFD.

    Logs and pasted mails mix UTF-8 and CP949 from line to line: a line that is not in `charset` may be in the other.
    """
    data = _whole(data, charset)
    try:
        return data.decode(charset), False
    except UnicodeDecodeError:
        if charset not in _MIXED:
            return data.decode(charset, errors="replace"), True
    replaced = False
    lines: list[str] = []
    for line in data.split(b"\n"):
        text = _line_in(line, charset) or _line_in(line, _MIXED[charset])
        if text is None:
            text, replaced = line.decode(charset, errors="replace"), True
        lines.append(text)
    return "\n".join(lines), replaced


def _line_in(line: bytes, charset: str) -> str | None:
    """The line, if it is in `charset` without doubt."""
    try:
        text = line.decode(charset)
    except UnicodeDecodeError:
        return None
    return text if charset == "utf-8" or line.isascii() or is_korean_cp949(line) else None


def _is_mixed_by_line(sample: bytes) -> bool:
    """Every line is UTF-8 or Korean CP949 (`decode` takes each as what it is); the last may be cut off."""
    lines = [line for line in sample.split(b"\n")[:-1] if not line.isascii()]
    return len(lines) > 1 and all(_line_in(line, "utf-8") or _line_in(line, "cp949") for line in lines)


def _decodes(sample: bytes, charset: str) -> bool:
    """Decodes up to a character cut off by the end of the sample."""
    decoder = codecs.getincrementaldecoder(charset)("strict")
    try:
        decoder.decode(sample, final=len(sample) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_decodes(sample: bytes, charset: str) -> bool:
    text = sample.decode(charset, errors="replace")
    non_ascii = sum(1 for character in text if character > "\x7f")
    broken = text.count("\ufffd")
    # Seen against all text and against what is not ASCII: English with one accent in CP1252 is not "broken UTF-8".
    return not _has_controls(text) and broken <= 1 + len(text) * _BROKEN_SHARE and broken * 10 <= non_ascii


def _is_printable(sample: bytes) -> bool:
    return not _has_controls(sample.decode("latin-1"))


def _has_controls(text: str) -> bool:
    return len(_CONTROLS.findall(text)) > len(text) * _CONTROL_SHARE


def _utf16_without_bom(sample: bytes) -> str | None:
    """UTF-16 shows by NULs on one side only (Latin) or, for Korean, by decoding to plausible characters alone."""
    if len(sample) < 4 or (len(sample) % 2 and len(sample) < SAMPLE_BYTES):
        return None
    if b"\0" not in sample and not _has_wide_hangul(sample):
        return None
    even = sample[: len(sample) // 2 * 2]
    for name in ("utf-16-le", "utf-16-be"):
        text = even.decode(name, errors="replace")
        if len(_PLAUSIBLE.findall(text)) >= 0.95 * len(text):
            return name
    return None


def _has_wide_hangul(sample: bytes) -> bool:
    """Hangul alone, not even a blank: one byte of each pair is in AC..D7, and no other text has it so."""
    if len(sample) % 2 or _decodes(sample, "utf-8") or _decodes(sample, "cp949"):
        return False
    return any(all(0xAC <= byte <= 0xD7 for byte in sample[side:65536:2]) for side in (0, 1))


def _is_western(sample: bytes) -> bool:
    """Few high bytes, and none of the five that Windows-1252 leaves undefined."""
    high = sum(byte >= 0x80 for byte in sample)
    return high <= len(sample) * 0.3 and not any(byte in sample for byte in b"\x81\x8d\x8f\x90\x9d")
