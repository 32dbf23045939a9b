"""Reads the facts of a text. Each kind is found by its own pattern, and what one has read is gone for the next."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from rag.domain import fact_words as words
from rag.domain.facts import Fact, FactKind

_BLANKS = " \u00a0"
_B = f"[{_BLANKS}]?"
_CARDINAL = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?)"
_YEAR = r"(?<![\d.,])(?:19|20)\d\d"
_SCALE = "[십백천만억조]"
_BRANCH = rf"(?:{_B}의{_B}\d+)?"
_BY = r"(?: ?(?P<by>hundred|thousand|million|billion|trillion)(?![A-Za-z]))?"
_DATES = (
    rf"(?P<y>{_YEAR}|'\d\d){_B}(?:년|[.\-/]){_B}(?P<m>\d{{1,2}}){_B}(?:월|[.\-/]){_B}(?P<d>\d{{1,2}})(?!\d|,\d)(?:{_B}일)?\.?",
    rf"(?<![\d.,])(?P<y>\d\d)\.{_B}(?P<m>\d{{1,2}})\.{_B}(?P<d>\d{{1,2}})\.",
    rf"(?P<y>{_YEAR}){_B}년{_B}(?P<m>\d{{1,2}}){_B}월",
    rf"(?P<y>{_YEAR})-(?P<m>\d\d)(?![\d-])",
    rf"(?<![\d.,])(?P<m>\d{{1,2}}){_B}월{_B}(?P<d>\d{{1,2}}){_B}일",
    rf"(?P<y>{_YEAR}){_B}년(?![차간])",
    rf"(?<![\d.,])(?P<m>\d{{1,2}}){_B}월(?!간)",
    rf"\b(?P<name>{words.MONTH})\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])(?:,? (?P<y>{_YEAR}))?",
    rf"(?<![\d.,])(?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<name>{words.MONTH})\b(?:\.?,? (?P<y>{_YEAR}))?",
    rf"\b(?P<name>{words.MONTH})\.? (?P<y>{_YEAR})",
)
_TIMES = (
    rf"(?P<half>오전|오후)?{_B}(?<![\d:.,])(?P<h>\d{{1,2}}):(?P<min>[0-5]\d)(?![\d:])(?: ?(?P<after>[AaPp])\.?[Mm]\b\.?)?",
    rf"(?P<half>오전|오후)?{_B}(?<![\d:.,])(?P<h>\d{{1,2}}){_B}시(?![간행작장점설]){_B}(?:(?P<min>\d{{1,2}}){_B}분)?",
    r"(?<![\d:.,])(?P<h>\d{1,2}) ?(?P<after>[AaPp])\.?[Mm]\b\.?",
)
_PART = rf"(?:제{_B})?\d+{_B}[항호목]{_BRANCH}"
_PROVISIONS = (
    rf"제{_B}\d+{_B}[조항호목장절편관]{_BRANCH}(?:{_B}{_PART})*",
    rf"(?<![\d,.])\d+{_B}조{_BRANCH}(?:{_B}{_PART})+",
    rf"(?<![\d.])\d+{_B}(?:조(?!{_B}(?:\d|{words.MONEY_UNIT}))|항|호){_BRANCH}",
    r"\b(?:Articles?|Art\.) (?P<article>\d+(?:-\d+)?(?:\(\d+\))*)",
)
_PROVISION_PART = re.compile(rf"(\d+){_B}([조항호목장절편관])(?:{_B}의{_B}(\d+))?")
_CODES = (
    r"(?<![A-Za-z0-9_.])\d+(?:\.\d+){2,}",
    r"(?<![A-Za-z0-9_.,])\d+(?:[-/:]\d+){2,}",
    r"(?<![A-Za-z0-9_.,-])0\d+-\d+",
    r"(?<![A-Za-z0-9_.,-])\d+:\d+(?![\d:])",
)
_WORDS = (
    r"[A-Za-z_][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*",
    rf"(?<![A-Za-z0-9_.,-])\d+(?!(?:{words.UNIT})|(?:st|nd|rd|th)\b)(?=[A-Za-z])[A-Za-z0-9_-]+",
)
"""Names with digits in them: they are told by their spelling, not by their numbers."""
_FRACTION = rf"(?<![\d.,/])(?P<under>\d+){_B}분의{_B}(?P<over>\d+)|(?<![\d.,/])(?P<above>\d+)/(?P<below>\d+)(?![\d/])"
_MONEY = rf"(?P<sign>[$₩€¥£]|\b(?:USD|KRW|EUR|JPY)){_B}(?P<sum>{_CARDINAL}){_BY}"
_SCALED = (
    rf"(?<![\d.,])(?P<run>{_CARDINAL}{_B}{_SCALE}(?:{_B}(?:{_CARDINAL}{_B})?{_SCALE})*"
    rf"(?:{_B}{_CARDINAL}(?={_B}(?:{words.MONEY_UNIT})))?)(?:여)?(?P<unit>{_B}(?:{words.UNIT}))?"
)
_PLAIN = (
    rf"(?<!\d)(?P<minus>(?<![\w)~-])[-△▲])?(?P<number>{_CARDINAL})(?:여)?{_BY}(?P<unit>[ \u00a0-]?(?:{words.UNIT}))?"
)
_END = rf"(?=$|[^가-힣]|{words.PARTICLE})"
_SINO = rf"(?<![가-힣])(?P<numeral>[일이삼사오육칠팔구십백천만억조]{{2,}}|[십백천만억]){_B}(?P<unit>{words.SINO_UNIT}){_END}"
_NATIVE = (
    rf"(?<![가-힣])(?!한 ?번에)(?P<numeral>{'|'.join(words.NATIVE_NUMBERS)}){_B}(?P<unit>{words.NATIVE_UNIT}){_END}"
)
_DAYS = rf"(?<![가-힣])(?P<days>{'|'.join(words.NATIVE_DAYS)}){_END}"
_ENGLISH = "|".join(sorted(words.ENGLISH_NUMBERS, key=len, reverse=True))
_SPELLED = rf"\b(?P<numeral>(?:{_ENGLISH})(?:[ -](?:{_ENGLISH}))*)(?P<unit>[ -](?:{words.ENGLISH_UNIT}))"
_WRAPPED = re.compile(r"(?<=\d)\n(?=[a-z])|(?<=[A-Za-z])\n(?=\d)")
"""`600` at the end of one line and `seconds` on the next. In Hangul a unit may as well begin another word."""
_JOINED = re.compile(r"[ \u00a0]?(?:~|-|내지|에서|부터|to|and|or|,|·|또는|및)[ \u00a0]?")
_UNIT_NOTE = re.compile(rf"(?P<scale>{_SCALE}*){_B}(?P<unit>{words.UNIT})", re.IGNORECASE)
_ALL_CELLS = re.compile(rf"\((?:단위{_B}:?{_B}|[Uu]nits?: ?)(?P<note>[^()\n]{{1,12}})\)")
_IN_BRACKETS = re.compile(rf"[(\[](?:단위{_B}:?{_B}|[Uu]nits?: ?)?([^()\[\]]{{1,12}})[)\]]")
_COLUMN_UNIT = rf"(?<=[(\[])(?:{_SCALE}+{_B}(?:{words.UNIT}))(?=[)\]] *\|)"
_CELL_BORDER = re.compile(r"(?<!\\)\|")
_UNIT_HEADINGS = ("단위", "unit", "units")
_BARE_CELL = re.compile(_CARDINAL)
_KEY = re.compile(rf"[A-Za-z][\w.-]*_(?P<unit>{'|'.join(words.KEY_UNITS)})")
_KEY_VALUE = re.compile(rf"{_KEY.pattern}[\"'`]?[ ]?[:=][ ]?[\"'`]?(?P<number>{_CARDINAL})(?![\w.])")
_FILLER = "\x1f"
"""Takes the place of what has been read: neither a letter, a digit nor a blank."""
_CIRCLED = {code: f" 제{code - 0x245F}항 " for code in range(0x2460, 0x2474)}
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_DASHES = str.maketrans(dict.fromkeys((*range(8208, 8214), 8722), "-") | dict.fromkeys((0xFF5E, 0x301C, 0x223C), "~"))
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u2044": "/", "\u2215": "/"})
_CACHED_CHARACTERS = 8_000
"""Passages and their spans are shorter, and come back with every sentence that cites them."""

Reader = Callable[["re.Match[str]"], Fact | None]


def plain(text: str) -> str:
    """`text` with plain digits, dashes and quotes, without what can't be seen; ① as 제1항, as statutes count."""
    visible = _INVISIBLE.sub("", text).translate(_CIRCLED).translate(_DASHES)
    return unicodedata.normalize("NFKC", visible).translate(_DASHES).translate(_QUOTES)


def facts_of(text: str) -> tuple[Fact, ...]:
    """The facts of `text`. In a table, a number also counts with the unit that its column's header names."""
    return _remembered(text) if len(text) <= _CACHED_CHARACTERS else _read(text)


def periods_of(text: str) -> tuple[Fact, ...]:
    """What a text counts by, as facts that it holds and does not state: `연간` holds `1년에` and `매년`."""
    read = plain(text)
    found = ((months, pattern.search(read)) for months, pattern in _PERIODS)
    return tuple(_every(months)(match) for months, match in found if match)


@lru_cache(maxsize=512)
def _remembered(text: str) -> tuple[Fact, ...]:
    return _read(text)


def _read(text: str) -> tuple[Fact, ...]:
    read = _WRAPPED.sub(" ", plain(text))
    if not _MAY_HOLD.search(read):
        return ()
    left, found = read, list[Fact]()
    for pattern, reader in _PASSES:
        facts = [fact for match in pattern.finditer(left) if (fact := reader(match)) is not None]
        if facts:
            left = _without(left, facts)
            found += facts
    shown = sorted((item for item in found if item.written), key=lambda item: item.start)
    return (*_with_shared_units(read, shown), *_facts_of_cells(read), *_facts_of_keys(read))


def _without(text: str, facts: Sequence[Fact]) -> str:
    """`text` with filler in the place of these facts, which are in order."""
    pieces, last = list[str](), 0
    for fact in facts:
        pieces += (text[last : fact.start], _FILLER * (fact.end - fact.start))
        last = fact.end
    return "".join((*pieces, text[last:]))


def _fact(kind: FactKind, match: re.Match[str], **values: object) -> Fact:
    written = match[0].strip(_BLANKS)
    start = match.start() + len(match[0]) - len(match[0].lstrip(_BLANKS))
    return replace(Fact(kind, written, start, start + len(written)), **values)  # type: ignore[arg-type]


def _read_date(match: re.Match[str]) -> Fact | None:
    held = match.groupdict()
    month = str(words.MONTHS[held["name"].lower()]) if held.get("name") else held.get("m") or ""
    year, day = (held.get("y") or "").lstrip("'"), held.get("d") or ""
    if not (0 < int(month or 1) <= 12 and 0 < int(day or 1) <= 31):
        return None
    year = f"20{year}" if len(year) == 2 else year
    return _fact(FactKind.DATE, match, parts=(year, month.lstrip("0"), day.lstrip("0")))


def _read_time(match: re.Match[str]) -> Fact | None:
    held = match.groupdict()
    hour, minute = int(held["h"]), int(held.get("min") or 0)
    if hour > 24 or minute > 59:
        return None
    after = held.get("half") == "오후" or (held.get("after") or "").lower() == "p"
    told = after or held.get("half") or held.get("after") or hour > 12 or held["h"].startswith("0")
    hour = hour % 12 + 12 * after if after or held.get("half") or held.get("after") else hour
    return _fact(FactKind.TIME, match, number=Fraction(60 * hour + minute), unit="" if told else "half")


def _read_provision(match: re.Match[str]) -> Fact:
    if match.re.groups and match["article"]:
        article, *rest = re.findall(r"\d+(?:-\d+)?", match["article"])
        number, _, branch = article.partition("-")
        parts = (f"{number}조" + (f"의{branch}" if branch else ""), *(f"{part}항" for part in rest))
    else:
        parts = tuple(
            f"{number}{kind}" + (f"의{branch}" if branch else "")
            for number, kind, branch in _PROVISION_PART.findall(match[0])
        )
    return _fact(FactKind.PROVISION, match, parts=parts)


def _every(months: Fraction) -> Callable[[re.Match[str]], Fact]:
    """Reads how often something is done, as the number of months from one time to the next."""
    return lambda match: _fact(FactKind.NUMBER, match, number=months, unit="마다", scaled=True)


def _read_code(match: re.Match[str]) -> Fact:
    return _fact(FactKind.CODE, match, parts=(match[0],))


def _pass_over(match: re.Match[str]) -> Fact | None:
    """A name with digits is read elsewhere; nothing in it is a number."""
    if not any(character.isdigit() for character in match[0]):
        return None
    return Fact(FactKind.CODE, "", match.start(), match.end())


def _cover(match: re.Match[str]) -> Fact:
    """The unit of a table's column, which is no amount."""
    return Fact(FactKind.CODE, "", match.start(), match.end())


def _read_fraction(match: re.Match[str]) -> Fact | None:
    over, under = (match["over"], match["under"]) if match["under"] else (match["above"], match["below"])
    return _fact(FactKind.NUMBER, match, number=Fraction(int(over), int(under)), unit="/") if int(under) else None


def _read_money(match: re.Match[str]) -> Fact:
    number = _decimal(match["sum"]) * words.ENGLISH_SCALES.get(match["by"] or "", 1)
    return _fact(FactKind.NUMBER, match, number=number, unit=words.CURRENCIES[match["sign"].lower()])


def _read_scaled(match: re.Match[str]) -> Fact:
    unit = words.unit_name(match["unit"] or "")
    return _fact(FactKind.NUMBER, match, number=_korean_number(match["run"]), unit=unit, scaled=True)


def _read_plain(match: re.Match[str]) -> Fact:
    by = words.ENGLISH_SCALES.get((match["by"] or "").lower(), 1)
    number = _decimal(match["number"]) * by * (-1 if match["minus"] else 1)
    return _fact(
        FactKind.NUMBER, match, number=number, unit=words.unit_name(match["unit"] or ""), scaled=match["by"] is not None
    )


def _read_sino(match: re.Match[str]) -> Fact:
    unit = words.unit_name(match["unit"])
    return _fact(FactKind.NUMBER, match, number=_korean_number(match["numeral"]), unit=unit, scaled=True)


def _read_native(match: re.Match[str]) -> Fact | None:
    unit = {"해": "년", "가지": "개", "사람": "명"}.get(match["unit"]) or words.unit_name(match["unit"])
    number = Fraction(words.NATIVE_NUMBERS[match["numeral"]])
    return _fact(FactKind.NUMBER, match, number=number, unit=unit, scaled=True)


def _read_days(match: re.Match[str]) -> Fact:
    return _fact(FactKind.NUMBER, match, number=Fraction(words.NATIVE_DAYS[match["days"]]), unit="일", scaled=True)


def _read_spelled(match: re.Match[str]) -> Fact:
    total = section = 0
    for word in re.findall(r"[a-z]+", match["numeral"].lower()):
        value = words.ENGLISH_NUMBERS[word]
        if value == 100:
            section = (section or 1) * value
        elif value > 100:
            total, section = total + (section or 1) * value, 0
        else:
            section += value
    unit = words.unit_name(match["unit"])
    return _fact(FactKind.NUMBER, match, number=Fraction(total + section), unit=unit, scaled=True)


def _decimal(written: str) -> Fraction:
    return Fraction(written.replace(",", ""))


def _korean_number(written: str) -> Fraction:
    """`1억 2,000만`, `3천5백만`, `백만`, `삼십`."""
    total = section = Fraction(0)
    current: Fraction | None = None
    for token in re.findall(rf"{_CARDINAL}|[영일이삼사오육칠팔구]|{_SCALE}", written):
        if token in words.SMALL_SCALES:
            section += (Fraction(1) if current is None else current) * words.SMALL_SCALES[token]
            current = None
        elif token in words.BIG_SCALES:
            total += (section + (current or 0) or Fraction(1)) * words.BIG_SCALES[token]
            section, current = Fraction(0), None
        else:
            current = Fraction(words.SINO_DIGITS[token]) if token in words.SINO_DIGITS else _decimal(token)
    return total + section + (current or 0)


def _with_shared_units(text: str, facts: list[Fact]) -> list[Fact]:
    """`3~5일` and `between 10 and 20 days`: the first number has the unit of the second. `제1, 2항` the same way round."""
    for index in range(len(facts) - 2, -1, -1):
        this, following = facts[index], facts[index + 1]
        numbers = this.kind is following.kind is FactKind.NUMBER
        if numbers and not this.unit and following.unit and _JOINED.fullmatch(text, this.end, following.start):
            facts[index] = replace(this, unit=following.unit)
    return facts


def _facts_of_cells(text: str) -> Iterator[Fact]:
    """Numbers of table cells with the unit, and its scale, that the header or a note (`단위: 천원`) gives them."""
    header: list[tuple[Fraction, str] | None] | None = None
    unit_column = -1
    note = _ALL_CELLS.search(text)
    general = _unit_of(note["note"]) if note else None
    offset = 0
    for line in text.split("\n"):
        if not line.startswith("|"):
            header = None
        elif header is None:
            cells = _CELL_BORDER.split(line)
            header = [_header_unit(cell) or general for cell in cells]
            unit_column = next(
                (index for index, cell in enumerate(cells) if cell.strip().lower() in _UNIT_HEADINGS), -1
            )
        else:
            yield from _facts_of_row(line, offset, header, unit_column)
        offset += len(line) + 1


def _facts_of_row(
    line: str, offset: int, header: Sequence[tuple[Fraction, str] | None], unit_column: int
) -> Iterator[Fact]:
    cells = _CELL_BORDER.split(line)
    named = cells[unit_column] if 0 <= unit_column < len(cells) else ""
    own = _unit_of(named) or _row_unit(cells)
    start = offset
    for index, cell in enumerate(cells):
        measure = (header[index] if index < len(header) else None) or own
        number = cell.strip()
        if measure and _BARE_CELL.fullmatch(number):
            scale, unit = measure
            value = _decimal(number) * scale
            yield Fact(FactKind.NUMBER, number, start, start + len(cell), value, unit=unit, scaled=scale != 1)
        start += len(cell) + 1


def _row_unit(cells: Sequence[str]) -> tuple[Fraction, str] | None:
    """The unit that a row itself names: by a currency in a cell, or by the end of a key such as `key_lifetime_days`."""
    for cell in cells:
        word = cell.strip()
        currency = words.CURRENCIES.get(word.lower()) if word.isupper() else None
        key = _KEY.fullmatch(word)
        unit = currency or (words.KEY_UNITS[key["unit"]] if key else "")
        if unit:
            return Fraction(1), unit
    return None


def _facts_of_keys(text: str) -> Iterator[Fact]:
    """`timeout_s: 30` and `retention_days = 14` name their units too."""
    for match in _KEY_VALUE.finditer(text):
        unit = words.KEY_UNITS[match["unit"]]
        yield replace(
            _fact(FactKind.NUMBER, match, number=_decimal(match["number"]), unit=unit), written=match["number"]
        )


def _header_unit(cell: str) -> tuple[Fraction, str] | None:
    return next((unit for note in _IN_BRACKETS.findall(cell) if (unit := _unit_of(note))), None)


def _unit_of(note: str) -> tuple[Fraction, str] | None:
    match = _UNIT_NOTE.fullmatch(note.strip())
    return (_korean_number(match["scale"]) or Fraction(1), words.unit_name(match["unit"])) if match else None


_NUMERAL = "|".join(["[일이삼사오육칠팔구십백천만억]", *words.NATIVE_NUMBERS, *words.NATIVE_DAYS])
_MAY_HOLD = re.compile(
    rf"\d|[매마][년월달주일분반]|마다|every |ly\b|(?<![가-힣])(?:{_NUMERAL})|{_ENGLISH}", re.IGNORECASE
)
_PERIODS = tuple((months, re.compile(f"{said}|{held}")) for months, said, held in words.PERIODS)
_PASSES: tuple[tuple[re.Pattern[str], Reader], ...] = (
    *((re.compile(pattern), _read_date) for pattern in _DATES),
    *((re.compile(rf"(?<![가-힣\d])(?:{said})"), _every(months)) for months, said, _ in words.PERIODS),
    *((re.compile(pattern), _read_time) for pattern in _TIMES),
    *((re.compile(pattern), _read_provision) for pattern in _PROVISIONS),
    *((re.compile(pattern), _read_code) for pattern in _CODES),
    (_ALL_CELLS, _cover),
    (re.compile(_COLUMN_UNIT, re.IGNORECASE), _cover),
    (re.compile(_MONEY), _read_money),
    *((re.compile(pattern, re.IGNORECASE), _pass_over) for pattern in _WORDS),
    (re.compile(_FRACTION), _read_fraction),
    (re.compile(_SCALED, re.IGNORECASE), _read_scaled),
    (re.compile(_PLAIN, re.IGNORECASE), _read_plain),
    (re.compile(_SINO), _read_sino),
    (re.compile(_NATIVE), _read_native),
    (re.compile(_DAYS), _read_days),
    (re.compile(_SPELLED, re.IGNORECASE), _read_spelled),
)
