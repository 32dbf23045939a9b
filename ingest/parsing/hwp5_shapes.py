"""DocInfo of HWP 5: the shapes, styles and numberings that the text refers to by number."""

from __future__ import annotations

from ingest.parsing.hwp5_records import (
    BORDER_FILL,
    BULLET,
    CHAR_SHAPE,
    NUMBERING,
    PARA_SHAPE,
    STYLE,
    records,
    text_at,
    u16,
    u32,
)
from ingest.parsing.hwp_model import CharacterShape, Head, NumberLevel, ParagraphShape, Shapes
from ingest.parsing.hwp_numbering import KINDS

_HEADS = (Head.NONE, Head.OUTLINE, Head.NUMBER, Head.BULLET)
_NO_COLOUR = 0xFFFFFFFF
_PALE = 0xF8
"""White and nearly white: nobody reads #F8F8F8 on paper."""

_LEVELS = 7
_FURTHER_LEVELS = 3
_HEAD_BYTES = 12
_BORDERS_BYTES = 32
"""Of a border fill: two bytes of attributes, four borders of six bytes, one diagonal."""


def read_shapes(data: bytes) -> Shapes:
    """What DocInfo defines; ids are positions, which for numberings, bullets and fills begin at 1.

    Raises:
        StreamDamaged, StreamTooLarge: see `records`.
    """
    found: dict[int, list[bytes]] = {tag: [] for tag in (BORDER_FILL, CHAR_SHAPE, NUMBERING, BULLET, PARA_SHAPE, STYLE)}
    for tag, _, start, end in records(data):
        if tag in found:
            found[tag].append(data[start:end])
    fills = frozenset(number for number, fill in enumerate(found[BORDER_FILL], 1) if _fills(fill))
    return Shapes(
        paragraphs=dict(enumerate(_paragraph_shape(shape, fills) for shape in found[PARA_SHAPE])),
        characters=dict(enumerate(_character_shape(shape, fills) for shape in found[CHAR_SHAPE])),
        numberings=dict(enumerate(map(_numbering, found[NUMBERING]), 1)),
        bullets={number: bullet for number, data in enumerate(found[BULLET], 1) if (bullet := _bullet(data))},
        styles={number: text_at(style, 0)[0].strip() for number, style in enumerate(found[STYLE])},
        fills=fills,
    )


def pale(colour: int) -> bool:
    """Whether a colour (0x00BBGGRR) is as good as white."""
    return all(colour >> shift & 0xFF >= _PALE for shift in (0, 8, 16))


def _fills(data: bytes) -> bool:
    """A background that white text could stand on: a colour that is not white, a gradation, a picture."""
    kind = u32(data, _BORDERS_BYTES)
    colour = u32(data, _BORDERS_BYTES + 4, _NO_COLOUR)
    return bool(kind & 0x6) or (bool(kind & 0x1) and colour != _NO_COLOUR and not pale(colour))


def _paragraph_shape(data: bytes, fills: frozenset[int]) -> ParagraphShape:
    attributes = u32(data, 0)
    head = _HEADS[attributes >> 23 & 0x3]
    return ParagraphShape(head, attributes >> 25 & 0x7, u16(data, 30), u16(data, 32) in fills)


def _character_shape(data: bytes, fills: frozenset[int]) -> CharacterShape:
    shade = u32(data, 60, _NO_COLOUR)
    behind = (shade != _NO_COLOUR and not pale(shade)) or u16(data, 68) in fills
    size = u32(data, 42)
    return CharacterShape(
        size=size if size < 1 << 20 else 0,
        bold=bool(u32(data, 46) & 0x2),
        pale=len(data) >= 56 and pale(u32(data, 52)) and not behind,
    )


def _numbering(data: bytes) -> tuple[NumberLevel, ...]:
    heads, at = _heads(data, 0, _LEVELS)
    first = u16(data, at)
    starts = [u32(data, at + 2 + 4 * level, first) for level in range(_LEVELS)]
    more, end = _heads(data, at + 2 + 4 * _LEVELS, _FURTHER_LEVELS)
    starts += [u32(data, end + 4 * level, 1) for level in range(len(more))]
    return tuple(
        NumberLevel(text, kind, start if 0 < start < 1 << 16 else 1)
        for (text, kind), start in zip(heads + more, starts, strict=False)
    )


def _heads(data: bytes, at: int, count: int) -> tuple[list[tuple[str, str]], int]:
    """Format and digits of each level, and where they end; fewer where the data ends before."""
    heads: list[tuple[str, str]] = []
    for _ in range(count):
        if at + _HEAD_BYTES + 2 > len(data):
            break
        kind = u32(data, at) >> 5 & 0x1F
        text, at = text_at(data, at + _HEAD_BYTES)
        heads.append((text, KINDS[kind] if kind < len(KINDS) else KINDS[0]))
    return heads, at


def _bullet(data: bytes) -> str:
    """The bullet's character; empty for a picture."""
    code = u16(data, _HEAD_BYTES)
    return chr(code) if code and not 0xD800 <= code < 0xE000 else ""
