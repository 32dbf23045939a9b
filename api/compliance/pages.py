"""Writes docs/compliance.md and docs/compliance.ko.md from the mapping: `python -m api.compliance.pages docs`."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path
from typing import Literal

from api.compliance.mapping import Framework, Mapping, State, Words, load

Language = Literal["en", "ko"]

_STATES: dict[State, Words] = {
    "shown": Words(en="shown", ko="시험으로 입증"),
    "partly": Words(en="partly", ko="일부 입증"),
    "operator": Words(en="operator's duty", ko="운영자의 책임"),
    "not": Words(en="not covered", ko="해당 없음·미포함"),
}
_FILES: dict[Language, str] = {"en": "compliance.md", "ko": "compliance.ko.md"}
_TITLES = {
    "en": ("| | Requirement | State | Evidence | Note |", "Evidence", "Show"),
    "ko": ("| | 요건 | 상태 | 증적 | 비고 |", "증적", "내용"),
}


def page(mapping: Mapping, language: Language) -> str:
    """The page in one language: what is written about it (`page.*.md`), with the tables in their places."""
    written = files(__package__).joinpath(f"page.{language}.md").read_text(encoding="utf-8")
    tables = "\n".join(_table(framework, language) for framework in mapping.frameworks)
    return written.replace("<!-- frameworks -->\n", tables).replace("<!-- evidence -->\n", _evidence(mapping, language))


def _table(framework: Framework, language: Language) -> str:
    lines = [f"## {getattr(framework.name, language)}", "", _TITLES[language][0], "|---|---|---|---|---|"]
    for row in framework.rows:
        shown = ", ".join(f"[{name}](#{name})" for name in row.evidence)
        texts = (row.ref, getattr(row.title, language), getattr(_STATES[row.state], language), shown)
        lines.append(f"| {' | '.join(texts)} | {getattr(row.note, language)} |")
    return "\n".join(lines) + "\n"


def _evidence(mapping: Mapping, language: Language) -> str:
    lines = [f"## {_TITLES[language][1]}", ""]
    for name, shown in mapping.evidence.items():
        lines += [f"### {name}", "", f"{getattr(shown, language)}.", ""]
        lines += [f"- `{test}`" for test in shown.tests]
        lines.append("")
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Both pages by file name."""
    mapping = load()
    return {name: page(mapping, language) for language, name in _FILES.items()}


def main() -> None:
    """Write the pages into the folder given."""
    for name, text in pages().items():
        (Path(sys.argv[1]) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
