"""header.xml of HWPX: the shapes, styles and numberings that the text refers to by id."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ingest.parsing.hwp_model import CharacterShape, Head, NumberLevel, ParagraphShape, Shapes

_HEADS = {"OUTLINE": Head.OUTLINE, "NUMBER": Head.NUMBER, "BULLET": Head.BULLET}
_PALE = 0xF8
_MAX_LEVELS = 10


def integer(text: str | None, default: int = 0) -> int:
    """A number of an attribute; `default` where there is none, or one that no document needs."""
    try:
        number = int(text or "")
    except ValueError:
        return default
    return number if -(1 << 31) <= number < 1 << 31 else default


class ShapesHandler:
    """Collects what header.xml defines."""

    def __init__(self) -> None:
        self.shapes = Shapes()
        self._fills: set[int] = set()
        self._id = 0
        self._character: dict[str, str] = {}
        self._bold = False
        self._behind = False
        self._paragraph: tuple[Head, int, int] = (Head.NONE, 0, 0)
        self._levels: dict[int, NumberLevel] = {}
        self._level: tuple[int, str, int] | None = None
        self._format = ""

    def finished(self) -> Shapes:
        """Everything defined."""
        shapes = self.shapes
        return Shapes(
            shapes.paragraphs,
            shapes.characters,
            shapes.numberings,
            shapes.bullets,
            shapes.styles,
            frozenset(self._fills),
        )

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """See `Handler`."""
        if handle := _STARTS.get(name):
            handle(self, attributes)

    def _start_defined(self, attributes: Mapping[str, str]) -> None:
        self._id = integer(attributes.get("id"), -1)
        self._levels = {}
        self._paragraph, self._behind = (Head.NONE, 0, 0), False

    def _fill_colour(self, attributes: Mapping[str, str]) -> None:
        if not _pale(attributes.get("faceColor", "none"), none=True):
            self._fills.add(self._id)

    def _fill_picture(self, _: Mapping[str, str]) -> None:
        self._fills.add(self._id)

    def _start_character(self, attributes: Mapping[str, str]) -> None:
        self._character, self._bold = dict(attributes), False

    def _set_bold(self, _: Mapping[str, str]) -> None:
        self._bold = True

    def _heading(self, attributes: Mapping[str, str]) -> None:
        head = _HEADS.get(attributes.get("type", ""), Head.NONE)
        level = min(max(0, integer(attributes.get("level"))), _MAX_LEVELS - 1)
        self._paragraph = (head, level, integer(attributes.get("idRef")))

    def _border(self, attributes: Mapping[str, str]) -> None:
        self._behind = integer(attributes.get("borderFillIDRef")) in self._fills

    def _bullet(self, attributes: Mapping[str, str]) -> None:
        if bullet := attributes.get("char", "")[:1]:
            self.shapes.bullets[integer(attributes.get("id"), -1)] = bullet

    def _style(self, attributes: Mapping[str, str]) -> None:
        self.shapes.styles[integer(attributes.get("id"), -1)] = attributes.get("name", "").strip()

    def end(self, name: str) -> None:
        """See `Handler`."""
        match name:
            case "charPr":
                self._end_character()
            case "paraPr":
                self.shapes.paragraphs[self._id] = ParagraphShape(*self._paragraph, filled=self._behind)
            case "paraHead":
                if self._level is not None:
                    level, kind, start = self._level
                    self._levels[level] = NumberLevel(self._format, kind, start)
                self._level = None
            case "numbering":
                count = max(self._levels, default=-1) + 1
                plain = NumberLevel("", "DIGIT")
                self.shapes.numberings[self._id] = tuple(self._levels.get(level, plain) for level in range(count))

    def text(self, text: str) -> None:
        """See `Handler`."""
        if self._level is not None and len(self._format) < 200:
            self._format += text

    def _start_level(self, attributes: Mapping[str, str]) -> None:
        level = integer(attributes.get("level")) - 1
        start = integer(attributes.get("start"), 1)
        self._format = ""
        if 0 <= level < _MAX_LEVELS:
            self._level = (level, attributes.get("numFormat", "DIGIT"), start if 0 < start < 1 << 16 else 1)

    def _end_character(self) -> None:
        attributes = self._character
        behind = (
            not _pale(attributes.get("shadeColor", "none"), none=True)
            or integer(attributes.get("borderFillIDRef")) in self._fills
        )
        size = integer(attributes.get("height"))
        self.shapes.characters[integer(attributes.get("id"), -1)] = CharacterShape(
            size=size if 0 < size < 1 << 20 else 0,
            bold=self._bold,
            pale=_pale(attributes.get("textColor", ""), none=False) and not behind,
        )


_STARTS: dict[str, Callable[[ShapesHandler, Mapping[str, str]], None]] = {
    "borderFill": ShapesHandler._start_defined,
    "numbering": ShapesHandler._start_defined,
    "paraPr": ShapesHandler._start_defined,
    "winBrush": ShapesHandler._fill_colour,
    "gradation": ShapesHandler._fill_picture,
    "imgBrush": ShapesHandler._fill_picture,
    "charPr": ShapesHandler._start_character,
    "bold": ShapesHandler._set_bold,
    "heading": ShapesHandler._heading,
    "border": ShapesHandler._border,
    "paraHead": ShapesHandler._start_level,
    "bullet": ShapesHandler._bullet,
    "style": ShapesHandler._style,
}


def _pale(colour: str, *, none: bool) -> bool:
    """Whether a colour (`#RRGGBB`, with or without alpha before it) is as good as white; `none` where there is none."""
    digits = colour.lstrip("#")
    if len(digits) == 8:
        # #FFFFFFFF is how Hangul writes that there is no colour.
        if digits.upper() == "FFFFFFFF":
            return none
        digits = digits[2:]
    try:
        value = int(digits, 16)
    except ValueError:
        return none
    return all(value >> shift & 0xFF >= _PALE for shift in (0, 8, 16)) if len(digits) == 6 else none
