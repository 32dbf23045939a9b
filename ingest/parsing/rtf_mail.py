"""The RTF body of an Outlook message: unpacked ([MS-OXRTFCP]), and the HTML or text that it wraps ([MS-OXRTFEX])."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ingest.parsing.mail_text import body_text

_INITIAL = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20"
    b"\\b\\i\\u\\tab\\tx"
)
"""What the dictionary holds at the start ([MS-OXRTFCP] 2.1.3.1.5)."""
_WINDOW = 4096
_PACKED, _PLAIN = b"LZFu", b"MELA"
_MAX_BYTES = 8 << 20
_MAX_DEPTH = 1000

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,9})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.S
)
_SKIPPED = frozenset(
    {b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"listtable", b"listoverridetable", b"themedata",
     b"rsidtbl", b"generator", b"header", b"footer", b"xmlnstbl", b"datastore"}
)  # fmt: skip
_BREAKS = {b"par": "\n", b"line": "\n", b"tab": "\t", b"cell": "\t", b"row": "\n", b"sect": "\n", b"page": "\n"}
_SIGNS = {
    b"lquote": "‘",
    b"rquote": "’",
    b"ldblquote": "“",
    b"rdblquote": "”",
    b"bullet": "•",
    b"endash": "–",
    b"emdash": "—",
}
_FONT_CHARSETS = {
    128: "cp932",
    129: "cp949",
    134: "gbk",
    136: "big5",
    161: "cp1253",
    162: "cp1254",
    204: "cp1251",
    238: "cp1250",
}
"""`\\fcharset` to codec (RTF 1.9.1, font table)."""

_TWO_BYTES = frozenset({"cp932", "cp949", "gbk", "big5", "cp936", "cp950"})


def decompressed(data: bytes) -> bytes:
    """The RTF in a compressed property; empty when it is none. At most 8 MiB."""
    kind = data[8:12]
    if kind == _PLAIN:
        return data[16 : 16 + _MAX_BYTES]
    if kind != _PACKED:
        return b""
    window = bytearray(_INITIAL.ljust(_WINDOW, b" "))
    at, place, out = 16, len(_INITIAL), bytearray()
    limit = min(int.from_bytes(data[4:8], "little"), _MAX_BYTES)
    while at < len(data) and len(out) < limit:
        control = data[at]
        at += 1
        for bit in range(8):
            if control >> bit & 1:
                reference = int.from_bytes(data[at : at + 2], "big")
                at += 2
                start, length = reference >> 4, (reference & 15) + 2
                if start == place:
                    return bytes(out)
                run = bytes(window[(start + step) % _WINDOW] for step in range(min(length, (place - start) % _WINDOW)))
                run = (run * length)[:length]  # a run may reach into what it writes
            else:
                run = data[at : at + 1]
                at += 1
            for byte in run:
                window[place] = byte
                place = (place + 1) % _WINDOW
            out += run
            if at >= len(data) or len(out) >= limit:
                break
    return bytes(out)


@dataclass(frozen=True, slots=True)
class _State:
    """What a group inherits and its end undoes."""

    skipped: bool = False
    html_tag: bool = False
    rtf_only: bool = False
    font: int = -1
    unicode_skip: int = 1


@dataclass(slots=True)
class _Reader:
    """Text of one RTF document; as HTML where it wraps HTML."""

    wraps_html: bool
    state: _State = field(default_factory=_State)
    groups: list[_State] = field(default_factory=list)
    fonts: dict[int, str] = field(default_factory=dict)
    codec: str = "cp1252"
    pending: bytearray = field(default_factory=bytearray)
    in_fonts: int = 0
    table_font: int = -1
    starred: bool = False
    to_skip: int = 0

    def read(self, rtf: bytes) -> Iterator[str]:
        """The pieces in order."""
        for token in _TOKEN.finditer(rtf):
            word, number, byte, symbol, brace, text = token.groups()
            if byte:
                if self.to_skip:
                    self.to_skip -= 1
                else:
                    self.pending.append(int(byte, 16))
                continue
            if text and not self.to_skip and self._awaits_second_byte():
                self.pending.append(text[0])
                text = text[1:]
            yield self._flush()
            if brace:
                self._brace(brace)
            elif word:
                yield self._word(word.lower(), int(number) if number else None)
            elif symbol:
                yield self._symbol(symbol)
            elif text:
                yield self._text(text)
        yield self._flush()

    def _awaits_second_byte(self) -> bool:
        """Whether the last byte begins a character of two: the second may be a plain letter."""
        codec = self.fonts.get(self.state.font, self.codec)
        return codec in _TWO_BYTES and len(self.pending) % 2 == 1 and self.pending[-1] > 0x80

    def _flush(self) -> str:
        data, self.pending = bytes(self.pending), bytearray()
        return self._shown(body_text(data, self.fonts.get(self.state.font, self.codec))[0]) if data else ""

    def _shown(self, text: str) -> str:
        if self.state.skipped or self.state.rtf_only or self.in_fonts:
            return ""
        return html.escape(text, quote=False) if self.wraps_html and not self.state.html_tag else text

    def _text(self, data: bytes) -> str:
        if self.to_skip:
            skipped, self.to_skip = min(self.to_skip, len(data)), max(0, self.to_skip - len(data))
            data = data[skipped:]
        return self._shown(body_text(data, self.codec)[0]) if data else ""

    def _brace(self, brace: bytes) -> None:
        self.starred, self.to_skip = False, 0
        if brace == b"{":
            if len(self.groups) < _MAX_DEPTH:
                self.groups.append(self.state)
            self.in_fonts += self.in_fonts > 0
        else:
            self.state = self.groups.pop() if self.groups else self.state
            self.in_fonts = max(0, self.in_fonts - 1)

    def _symbol(self, symbol: bytes) -> str:
        if symbol == b"*":
            self.starred = True
            return ""
        return self._shown({b"~": " ", b"_": "-", b"-": ""}.get(symbol, symbol.decode("latin-1")))

    def _word(self, word: bytes, number: int | None) -> str:
        starred, self.starred = self.starred, False
        if word == b"u" and number is not None:
            self.to_skip = self.state.unicode_skip
            return self._shown(chr(number % 0x10000))
        if self.wraps_html and word == b"htmltag":
            self.state = replace(self.state, html_tag=True, skipped=False)
        elif self.wraps_html and word == b"htmlrtf":
            self.state = replace(self.state, rtf_only=number != 0)
        elif starred or word in _SKIPPED:
            self.in_fonts += word == b"fonttbl"
            self.state = replace(self.state, skipped=True)
        else:
            self._note(word, number)
        return self._shown(_BREAKS.get(word) or _SIGNS.get(word, ""))

    def _note(self, word: bytes, number: int | None) -> None:
        """Settings that decide how bytes are read."""
        if number is None:
            return
        if word == b"ansicpg":
            self.codec = f"cp{number}"
        elif word == b"uc":
            self.state = replace(self.state, unicode_skip=min(max(number, 0), 8))
        elif word == b"f":
            self.table_font = number
            self.state = replace(self.state, font=number)
        elif word == b"fcharset" and self.in_fonts and number in _FONT_CHARSETS:
            self.fonts[self.table_font] = _FONT_CHARSETS[number]


def rtf_body(rtf: bytes) -> tuple[str, bool]:
    """The body, and whether it is HTML."""
    wraps_html = b"\\fromhtml" in rtf[:4096]
    text = "".join(_Reader(wraps_html).read(rtf))
    # Surrogate pairs come as two characters.
    return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace"), wraps_html
