"""A model's text, as it comes, taken apart into sentences with the numbers that each of them cites.

Where the text is cut depends on the text alone, never on the pieces in which it came: a boundary is judged when so many
characters after it are known, and with exactly those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rag.domain.answer import PARAGRAPH
from rag.domain.list_marks import BULLET, without_list_marks
from rag.generation.marks import finished_part, marks_alone, may_be_marks_alone, sentence_start, unmarked, worded
from rag.text.reasoning import REASONING
from rag.text.sentences import Span

Splitter = Callable[[str], Sequence[Span]]

NO_ANSWER = "[NO_ANSWER]"
"""The line by which a model says that the passages do not answer."""
_REFUSAL = re.compile(r"[\s*_`\"'“#>-]{0,20}\[?\s{0,3}NO[_ ]ANSWER\s{0,3}\]?[*_`\"'”.]{0,20}")
_PERHAPS_REFUSAL = re.compile(r"[\s*_`\"'“#>-]*(?:\[\s*)?(?:N(?:O(?:[_ ](?:A(?:N(?:S(?:W(?:E(?:R)?)?)?)?)?)?)?)?)?\Z")
_AHEAD = 24
"""Characters after a possible end of a sentence that decide whether it is one: some words in either language."""
_END = re.compile(r"[.!?…。！？][\"'”’)\]」』*_`]*(?=\s)|[。！？]")
_ENDED = re.compile(r"[.!?…。！？][\"'”’)\]」』*_`]*\s*\Z")
_WORD = re.compile(r"\w")
_BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_PERHAPS_FENCE = re.compile(r"[ \t]*(?:`{1,2}|~{1,2})\Z")
_ROW = re.compile(r"[ \t]*\|")
_RULE = re.compile(r"[ \t]*\|?[\s:|-]*-[\s:|-]*\Z")
_ITEM = re.compile(r"[ \t]*(?:[-*+•▪·※○●□■]|\(?\d{1,3}[.)]|\(?[가-하][.)]|[①-⑳])[ \t]+\S")
_PERHAPS_ITEM = re.compile(r"[ \t]*(?:[-*+•▪·※○●□■]|\(?\d{1,3}[.)]?|\(?[가-하][.)]?|[①-⑳])?[ \t]*\Z")
_HEADING = re.compile(r"[ \t]*(?:#{1,6}[ \t]+\S.*|\*\*[^*\n]+\*\*:?)[ \t]*\Z")
_BOLD_WORDS = re.compile(r"[ \t]*\*\*[^*\n]+\*\*:?[ \t]*[^\s:*]")
_BULLET = re.compile(rf"\A{BULLET}")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_RULER = re.compile(r"[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*\Z")
_MARK_ENDS = ("]", "】", "］")
_INTRODUCES = (":", "：")


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence, table or block of code, and the numbers of the passages that it cites, as the model wrote them.

    Attributes:
        gap: white space between it and the piece before: a blank, an end of line, or that of a paragraph.
        rows: of a table, the numbers that each of its lines cites.
    """

    text: str
    numbers: tuple[int, ...] = ()
    gap: str = field(default=PARAGRAPH, compare=False)
    rows: tuple[tuple[int, ...], ...] = field(default=(), compare=False)


class Drafting:
    """Takes a text apart. `push` is cheap; `take` and `finish` may ask the splitter.

    Attributes:
        refused: whether the model said that the passages do not answer.
        refused_in_part: whether it said so after, or beside, an answer.
        wrote: whether there was any text at all.
        left: what was left out because the text broke off in it.
    """

    def __init__(self, split: Splitter) -> None:
        self._split = split
        self._raw = ""
        self._before = ""
        self._held: list[Piece] = []
        self._settled: list[Piece] = []
        self._begun = False
        self._reasoning_until = ""
        self._looked_at = 0
        self._ends_of_line = 0
        self.refused = self.refused_in_part = self.wrote = False
        self.left = ""

    def push(self, text: str) -> bool:
        """Add what has come; whether `take` may have something now."""
        self.wrote = self.wrote or bool(text.strip())
        self._raw += text
        if "\n" in text or len(self._raw) >= self._looked_at + _AHEAD:
            self._looked_at = len(self._raw)
            return True
        return False

    def take(self) -> list[Piece]:
        """The pieces that are complete."""
        return self._pieces(final=False)

    def finish(self, *, complete: bool = True) -> list[Piece]:
        """The pieces that are left at the end of the text; where it broke off (not `complete`) without the last one, or the last
        row of a table."""
        pieces = self._pieces(final=False)
        end = self._raw.rstrip()
        pieces += self._pieces(final=True)
        if complete and self._before and not self.refused:
            pieces.append(Piece(self._before))
        elif not complete and self._before:
            self.left = self._before.strip()
        elif not complete and end and pieces and not (pieces[-1].numbers and _ends_in_a_mark(end)):
            pieces[-1:], self.left = _broken_off(pieces[-1])
        self._before = ""
        return pieces

    def _pieces(self, *, final: bool) -> list[Piece]:
        found: list[Piece] = []
        self._drop_reasoning(final)
        while not self.refused and (piece := self._next(final)) is not None:
            self._begun = True
            found.append(piece)
        self._looked_at = len(self._raw)
        return found

    def _drop_reasoning(self, final: bool) -> None:
        if not self._begun and not self._reasoning_until:
            start = self._raw.lstrip()
            self._reasoning_until = next((close for name, close in REASONING.items() if start.startswith(name)), "")
        for close in REASONING.values():
            _, found, after = self._raw.rpartition(close)
            if found:  # where the template opened the reasoning, only its end is in the text
                self._raw, self._held, self._before, self._reasoning_until = after, [], "", ""
        if self._reasoning_until and final:
            self._raw = ""

    def _next(self, final: bool) -> Piece | None:
        """The next piece to be given out: one that waited for its marks, once there can't be more of them."""
        while True:
            if self._settled:
                return self._settled.pop(0)
            if self._reasoning_until or not self._ready(final):
                return None
            if self._held:
                if self._takes_marks(final):
                    continue
                if self._waits_for_marks(final):
                    return None
                self._settled, self._held = self._held, []
            elif not self._read(final):
                return None

    def _ready(self, final: bool) -> bool:
        """Whether there is something to read, past blank lines; sees to a refusal at the very beginning."""
        if match := _BLANK_LINES.match(self._raw):
            self._go_on(match.end())
        if not self._raw.strip():
            return final and bool(self._held)
        if self._begun or self._held or self._before:
            return True
        start = self._raw.lstrip()
        if not final and any(name.startswith(start) for name in REASONING):
            return False
        if _REFUSAL.match(self._raw):
            self.refused, self._raw = True, ""
            return False
        return final or not _PERHAPS_REFUSAL.match(self._raw)

    def _takes_marks(self, final: bool) -> bool:
        """Give a line of nothing but marks to the piece before it; to all sentences of an item that are marked alike."""
        alone = marks_alone(self._raw) if final or "\n" in self._raw else None
        if alone is None:
            return False
        numbers, length = alone
        first = 0 if len({piece.numbers for piece in self._held}) == 1 else len(self._held) - 1
        self._held[first:] = [_marked(piece, numbers) for piece in self._held[first:]]
        self._go_on(length)
        return True

    def _waits_for_marks(self, final: bool) -> bool:
        return not final and "\n" not in self._raw and may_be_marks_alone(self._raw)

    def _read(self, final: bool) -> bool:
        """Make the next piece the held one; whether there was one to be made, or something to be put before the next."""
        line, broken, _ = self._raw.partition("\n")
        whole = bool(broken) or final
        if not whole and (_PERHAPS_FENCE.match(line) or _PERHAPS_ITEM.match(line)):
            return False
        if fence := _FENCE.match(self._raw):
            return self._read_code(fence[1], final)
        if _ROW.match(self._raw):
            return self._read_table(final)
        if _ITEM.match(line):
            return self._read_item(final)
        if whole and _RULER.match(line):
            return self._skip(len(line) + len(broken))
        heading = line.lstrip().startswith(("#", "**")) and not _BOLD_WORDS.match(line)
        if heading and (not whole or _HEADING.match(line)):
            return whole and self._put_before(line, len(line) + len(broken))
        return self._read_prose(line, broken, whole)

    def _skip(self, length: int) -> bool:
        self._go_on(length)
        return bool(self._raw.strip())

    def _go_on(self, length: int) -> None:
        """Pass over `length` characters; the ends of lines among the last of them part what comes from what was."""
        passed, self._raw = self._raw[:length], self._raw[length:]
        self._ends_of_line += passed[len(passed.rstrip()) :].count("\n")

    def _put_before(self, line: str, length: int) -> bool:
        """A heading, or what introduces a list, is no statement: it goes before the piece that follows."""
        self._before += f"{unmarked(line).text.strip()}\n"
        self._go_on(length)
        return bool(self._raw.strip())

    def _hold(self, text: str, numbers: Sequence[int], length: int, further: Sequence[Piece] = ()) -> bool:
        """Keep a piece, and further ones of the same item, until the marks are complete; go on `length` characters."""
        gap = " " if not self._ends_of_line else "\n" if self._ends_of_line == 1 else PARAGRAPH
        self._ends_of_line = 0
        self._go_on(length)
        pieces = (self._answering(piece) for piece in (Piece(text, tuple(dict.fromkeys(numbers))), *further))
        self._held = [piece for piece in pieces if piece.text.strip()]
        if self._held:
            self._held[0] = replace(self._held[0], text=f"{self._before}{self._held[0].text}", gap=gap)
            self._before = ""
        return bool(self._held) or bool(self._raw.strip())

    def _answering(self, piece: Piece) -> Piece:
        """The piece without the words by which a model says that it has no answer."""
        refusal = _REFUSAL.search(piece.text)
        if refusal is None:
            return piece
        self.refused_in_part = True
        return replace(piece, text=f"{piece.text[: refusal.start()]}{piece.text[refusal.end() :]}".strip())

    def _read_code(self, fence: str, final: bool) -> bool:
        closing = re.compile(rf"\n[ \t]*{re.escape(fence)}[`~]*(?=[ \t]*(?:\n|[\[【(])|\Z)")
        found = closing.search(self._raw, len(fence))
        if found is None or (found.end() == len(self._raw) and not final):
            return final and self._hold(f"{self._raw.rstrip()}\n{fence}", (), len(self._raw))
        return self._hold(self._raw[: found.end()].rstrip(), (), found.end())

    def _read_table(self, final: bool) -> bool:
        length, lines, ended = 0, [], False
        for line in _LINE.findall(self._raw):
            if not _ROW.match(line):
                ended = bool(line.strip()) or line.endswith("\n")
                break
            lines.append(line)
            length += len(line)
        if not (final or ended):
            return False
        rows = [unmarked(line.strip()) for line in lines]
        # The form that tables of passages have: one line a row, the header first, no rule under it.
        rows = [row for row in rows if self._before or not _RULE.match(row.text)]
        cited = tuple(tuple(number for _, numbers in row.marks for number in numbers) for row in rows)
        held = self._hold("\n".join(row.text for row in rows), [number for row in cited for number in row], length)
        self._held = [replace(piece, rows=cited) for piece in self._held]
        return held

    def _read_item(self, final: bool) -> bool:
        """A list item, with the indented lines that go on with it, sentence by sentence."""
        lines = _LINE.findall(self._raw)
        length = len(lines[0])
        ended = False
        for line in lines[1:]:
            if not line.strip() and not line.endswith("\n"):
                break
            if not line.startswith(("  ", "\t")) or _ITEM.match(line) or _FENCE.match(line) or not line.strip():
                ended = True
                break
            if not line.endswith("\n") and (_PERHAPS_ITEM.match(line) or _PERHAPS_FENCE.match(line)):
                break
            length += len(line)
        if not (final or ended):
            return False
        first, *further = self._sentences_of(self._raw[:length].rstrip())
        return self._hold(first.text, first.numbers, length, further)

    def _sentences_of(self, item: str) -> list[Piece]:
        """The first keeps the bullet. Marks belong to their sentence; those at the very end to all, if there are no others."""
        read = unmarked(item)
        starts = [0]
        bullet = _ITEM.match(read.text)
        begun = bullet.end() - 1 if bullet is not None else 0
        for start, _ in self._split(read.text):
            before = read.text[begun:start]
            if _ENDED.search(before) and len(before.split()) > 1:  # "신청서. 두 부를 냅니다.": one word states nothing
                starts.append(start)
                begun = start
        cuts = [sentence_start(item, read.raw(start)) for start in starts[1:]]
        parts = [item[first:last] for first, last in zip([0, *cuts], [*cuts, len(item)], strict=True)]
        at_end = not any(_WORD.search(read.text[offset:]) for offset, _ in read.marks)
        pieces: list[Piece] = []
        for before, part in zip(["", *parts], parts, strict=False):
            gap = "\n" if before.rstrip(" \t").endswith("\n") else " "
            text = worded(part).strip() if before else worded(part)
            pieces.append(Piece(text, _numbers_in(item if at_end else part), gap))
        return pieces

    def _read_prose(self, line: str, broken: str, whole: bool) -> bool:
        read = unmarked(line if whole else finished_part(line))
        for end in _END.finditer(read.text):
            if not whole and end.end() + _AHEAD > len(read.text):
                break
            spans = self._split(read.text[: end.end() + _AHEAD])
            if len(spans) > 1:
                return self._hold_sentence(line, spans[1][0])
        if not whole:
            return False
        spans = self._split(read.text)
        if len(spans) > 1:
            return self._hold_sentence(line, spans[1][0])
        text = read.text.strip()
        if text.endswith(_INTRODUCES) and not read.marks:
            return self._put_before(line, len(line) + len(broken))
        return self._hold(worded(line).strip(), _numbers_in(line), len(line) + len(broken))

    def _hold_sentence(self, line: str, following: int) -> bool:
        """The first sentence of a line: the marks up to the next one are its own."""
        length = sentence_start(line, unmarked(line).raw(following))
        return self._hold(worded(line[:length]).strip(), _numbers_in(line[:length]), length)


def begins_section(text: str) -> bool:
    """Whether a piece stands under a heading of its own: what it says is said of that, as is what follows it."""
    return any(map(_HEADING.match, text.split("\n"))) and not _FENCE.match(text)


def statement_of(text: str) -> str:
    """What a piece states, without the headings above and the mark of a list; what is not one line of prose as it is."""
    lines = [line for line in text.split("\n") if line.strip()]
    stated = [line.strip() for number, line in enumerate(lines) if not all(map(_HEADING.match, lines[: number + 1]))]
    if len(stated) != 1 or _ROW.match(stated[0]):
        return text
    return _BULLET.sub("", without_list_marks(stated[0]))


def _numbers_in(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(number for _, numbers in unmarked(text).marks for number in numbers))


def _ends_in_a_mark(text: str) -> bool:
    """Whether its last sentence is complete with its marks; a row of a table goes on behind them."""
    return text.endswith(_MARK_ENDS) and not _ROW.match(text.rpartition("\n")[2])


def _broken_off(piece: Piece) -> tuple[list[Piece], str]:
    """What stays of a piece in which the text ended, and what is left out: a table with a whole row says something without its
    last, and cites what the rows that stay cite; a sentence without its end may say anything."""
    *lines, last = piece.text.split("\n")
    rows = [line for line in lines if _ROW.match(line) and not _RULE.match(line)]
    if not _ROW.match(last) or len(rows) <= 1:  # one is the header
        return [], piece.text
    *kept, lost = piece.rows or ((),)
    gone = set(lost).difference(*kept)
    numbers = tuple(number for number in piece.numbers if number not in gone)
    return [replace(piece, text="\n".join(lines), numbers=numbers, rows=tuple(kept))], last


def _marked(piece: Piece, numbers: Sequence[int]) -> Piece:
    return replace(piece, numbers=tuple(dict.fromkeys((*piece.numbers, *numbers))))
