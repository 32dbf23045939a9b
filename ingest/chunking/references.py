"""The provisions that a text refers to: `제5조제1항에 따라`, `같은 조 제2항`, `「근로기준법」 제50조`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from rag.domain.provision import Path, covering_label, provision_label

_TOKEN = re.compile(
    r"「(?P<law>[^「」\n]{2,80})」"
    r"|(?<![가-힣])(?P<same>같은|동|이)\s?(?P<scope>법률|법|영|령|규칙|규정|조|항)(?=\s?제\s?\d|에|의|을|를|과|은|[\s,)])"
    r"|(?<![가-힣])(?P<short>법|영|시행령|시행규칙)\s(?=제\s?\d+\s?조)"
    r"|(?<![가-힣])(?P<before>전조|전항)(?=[에의을를과와은\s])"
    r"|(?P<annex>별표|별지)\s?(?:제\s?)?(?P<annex_number>\d{1,3})(?P<annex_unit>호)?(?P<form>\s?서식)?"
    r"|(?P<supplement>부\s?칙\s+)?제\s?(?P<article>\d{1,4})\s?조(?:의\s?(?P<article_branch>\d{1,3}))?"
    r"|제\s?(?P<paragraph>\d{1,3})\s?항"
    r"|제\s?(?P<item>\d{1,3})\s?호(?:의\s?(?P<item_branch>\d{1,2}))?(?!\s?서식)"
    r"|(?:(?<=호)|(?<![가-힣]))(?P<sub>[가-하])목"
)
_JOINED = re.compile(r"\s*(?:,|ㆍ|·|‧|및|또는|이나|나|와|과|부터|내지|~|–)\s*")
_RANGE = re.compile(r"\s*(?:부터|내지|~|–)\s*")
_RELATED = re.compile(r"[(（]([^()（）\n]{2,100}?)\s?관련[)）]")
"""In the title of an annex: the provisions that it belongs to."""
_REACH = 200
"""Characters over which `같은 조` and `같은 법` look back."""
MOST_REFERENCES = 64
"""References kept of one chunk; a table of amendments names hundreds."""


@dataclass(frozen=True, slots=True)
class _Target:
    """A provision referred to; `law` is empty for the text's own."""

    law: str = ""
    article: Path = ()
    paragraph: str = ""
    item: str = ""
    sub: str = ""

    def path(self) -> Path:
        return (*self.article, *(part for part in (self.paragraph, self.item, self.sub) if part))

    def label(self, path: Path | None = None) -> str:
        return " ".join(part for part in (self.law, provision_label(self.path() if path is None else path)) if part)


def references(text: str, path_at: Callable[[int], Path]) -> tuple[str, ...]:
    """Labels of what `text` refers to, each once, in order. `path_at` gives the provision of the text at an offset.

    A reference without an article (`제1항`, `같은 조 제2항`, `전항`) is completed from the place where it stands or from the
    reference before it. The provision that the text itself is does not count.
    """
    labels: dict[str, None] = {}
    for target, label, start in _targets(text, path_at):
        path = target.path()
        if label and (target.law or path != path_at(start)[: len(path)]):
            labels.setdefault(label)
        if len(labels) == MOST_REFERENCES:
            break
    return tuple(labels)


def references_of_headings(headings: Iterable[str]) -> tuple[str, ...]:
    """Labels of what the headings above a text say that it belongs to: `[별표 1] 여비 지급 기준(제10조 관련)`."""
    related = (found[1] for heading in headings for found in _RELATED.finditer(heading))
    return tuple(dict.fromkeys(label for text in related for label in references(text, lambda _: ())))


def _targets(text: str, path_at: Callable[[int], Path]) -> Iterator[tuple[_Target, str, int]]:
    """Each reference with its label and where it begins."""
    current: _Target | None = None
    range_from: _Target | None = None
    begin = end = 0
    for found in _TOKEN.finditer(text):
        gap = text[end : found.start()]
        if current is not None and not gap.strip() and len(gap) <= 1 and _goes_on(current, found):
            current = _narrowed(current, found)
        else:
            joined = current is not None and _JOINED.fullmatch(gap) is not None
            ranges = joined and _RANGE.fullmatch(gap) is not None
            if current is not None and not ranges:
                yield current, _label(current, range_from), begin
            range_from = current if ranges else None
            before = current if current is not None and len(gap) <= _REACH else None
            begin = found.start()
            current = _started(found, before, joined, path_at(begin))
        end = found.end()
    if current is not None:
        yield current, _label(current, range_from), begin


def _label(target: _Target, range_from: _Target | None) -> str:
    if range_from is None or range_from.law != target.law or not target.path():
        return target.label()
    covered = covering_label([range_from.path(), target.path()])
    return " ".join(part for part in (target.law, covered) if part)


def _goes_on(target: _Target, found: re.Match[str]) -> bool:
    """Whether the token is a narrower part of the same reference."""
    if found["article"]:
        return bool(target.law) and not target.article
    if found["paragraph"]:
        return not (target.paragraph or target.item)
    if found["item"]:
        return not target.item
    return bool(found["sub"] and target.item and not target.sub)


def _narrowed(target: _Target, found: re.Match[str]) -> _Target:
    if found["article"]:
        supplement = ("부칙",) if found["supplement"] else ()
        return replace(target, article=(*supplement, _number(found["article"], "조", found["article_branch"])))
    if found["paragraph"]:
        return replace(target, paragraph=f"제{int(found['paragraph'])}항")
    if found["item"]:
        return replace(target, item=_number(found["item"], "호", found["item_branch"]))
    return replace(target, sub=f"{found['sub']}목")


def _started(found: re.Match[str], before: _Target | None, joined: bool, own: Path) -> _Target:
    """A new reference: what it leaves out is that of the one before it where they are joined, else of its own place."""
    here = _of_path(own)
    if found["law"]:
        return _Target(law=" ".join(found["law"].split()))
    if found["short"]:
        return _Target(law=found["short"])
    if found["annex"]:
        stem = f"제{int(found['annex_number'])}호" if found["annex_unit"] else str(int(found["annex_number"]))
        return _Target(article=(f"{found['annex']} {stem}" + ("서식" if found["form"] else ""),))
    if found["before"]:
        return _preceding(found["before"], here)
    base = before if joined and before is not None else here
    if found["same"]:
        return _same(found["same"], found["scope"], before or here, here)
    if found["article"]:
        return _narrowed(_Target(law=base.law if joined and before is not None else ""), found)
    if found["paragraph"]:
        return _narrowed(replace(base, paragraph="", item="", sub=""), found)
    if found["item"]:
        return _narrowed(replace(base, item="", sub=""), found)
    return _narrowed(replace(base, sub=""), found) if base.item else _Target()


def _same(word: str, scope: str, last: _Target, here: _Target) -> _Target:
    """`같은 법`, `같은 조`, `같은 항`: of the reference before; `이 조`, `이 항`: where the text stands."""
    source = here if word == "이" else last
    if scope == "조":
        return replace(source, paragraph="", item="", sub="")
    if scope == "항":
        return replace(source, item="", sub="")
    return _Target(law=source.law)


def _preceding(word: str, here: _Target) -> _Target:
    """`전항` and `전조`, by number; nothing where there is none before."""
    if word == "전항" and here.paragraph and int(here.paragraph[1:-1]) > 1:
        return replace(here, paragraph=f"제{int(here.paragraph[1:-1]) - 1}항", item="", sub="")
    number = re.fullmatch(r"제(\d+)조", here.article[-1]) if here.article else None
    if word == "전조" and number and int(number[1]) > 1:
        return _Target(article=(*here.article[:-1], f"제{int(number[1]) - 1}조"))
    return _Target()


def _of_path(path: Path) -> _Target:
    """The place where a text stands, as a reference to it."""
    parts = {part[-1]: part for part in path if re.fullmatch(r"제\d+항|[가-하]목", part)}
    item = next((part for part in path if re.fullmatch(r"제\d+호(?:의\d+)?", part)), "")
    article = tuple(part for part in path if part not in parts.values() and part != item)
    return _Target(article=article, paragraph=parts.get("항", ""), item=item, sub=parts.get("목", ""))


def _number(number: str, kind: str, branch: str | None) -> str:
    return f"제{int(number)}{kind}" + (f"의{int(branch)}" if branch else "")
