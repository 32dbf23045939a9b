"""Entries of the catalogue as rows and tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.cli.model_texts import text
from rag.generation.catalogue import Catalogue, Resolved
from rag.generation.catalogue_check import EngineCheck
from rag.generation.catalogue_entry import EngineSupport, Entry, Licence, facts_of
from rag.generation.catalogue_memory import GB, kv_bytes_per_token, weight_bytes
from rag.settings import GenerationSettings

_KIB = 1024
_COLUMNS = ("name", "kind", "developer", "size", "context", "licence", "commercial", "configured")
_SHOWN_APART = frozenset({"kind", "developer", "licence"})
_LEAST_WIDTHS = {"size": 9, "context": 9, "commercial": 10}
"""Characters of the longest word or figure in a column, but for a few: with these a table has room in 80."""
_LEAST_WIDTH = 6
"""Of the others: a column that Rich is free to make smaller it may make none."""
_NARROW = 80
"""Under so many characters of a terminal names are cut up too."""
_WIDE = 120
"""Characters of a terminal in which all columns can be read."""
_ENDLESS = 1_000
"""Characters of a line of what no terminal shows: more than a row has."""
_MARKS = {"free": "green", "conditions": "yellow", "forbidden": "red"}


def configured_as(entry: Entry, catalogue: Catalogue, settings: GenerationSettings) -> list[str]:
    """Names under which the settings have the model."""
    named = ((served.name, catalogue.find(served.catalogue or served.name)) for served in settings.models)
    return [name for name, found in named if found is not None and found.entry.name == entry.name]


def listed(entry: Entry, catalogue: Catalogue, settings: GenerationSettings) -> dict[str, Any]:
    """The row of `seogo models list`."""
    return {
        "name": entry.name,
        "family": entry.family,
        "kind": entry.kind,
        "developer": entry.developer,
        "parameters": entry.parameters.model_dump() if entry.parameters else None,
        "context": entry.context.model_dump(include={"native", "extended"}) if entry.context else None,
        "licence": entry.licence.name if entry.licence else None,
        "commercial": entry.licence.commercial if entry.licence else None,
        "aliases": list(entry.aliases),
        "configured": configured_as(entry, catalogue, settings),
    }


def print_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """As a table, family by family; in a narrow terminal without what `seogo models show` tells as well.

    Where there is no terminal, and nobody has said how wide a line is, nothing is left out or cut up.
    """
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=_ENDLESS)
    names = [name for name in _COLUMNS if console.width >= _WIDE or name not in _SHOWN_APART]
    table = Table()
    frame = 3 * len(names) + 1  # a line and two blanks a column
    room = max(1, (console.width - frame) // len(names))
    for name in names:
        least = min(_LEAST_WIDTHS.get(name, _LEAST_WIDTH), room)
        whole = name == "name" and console.width >= _NARROW
        table.add_column(text(name), overflow="fold", no_wrap=whole, min_width=least)
    for row in rows:
        commercial = row["commercial"] or "unverified"
        cells = {
            "name": row["name"],
            "kind": text(row["kind"]),
            "developer": row["developer"],
            "size": _size(row["parameters"]),
            "context": _context(row["context"]),
            "licence": row["licence"],
            "commercial": f"[{_MARKS.get(commercial, 'yellow')}]{text(commercial)}[/]",
            "configured": ", ".join(row["configured"]),
        }
        table.add_row(*(cells[name] for name in names))
    console.print(table)
    if len(names) < len(_COLUMNS):
        console.print(text("narrow"), style="dim")


def shown(found: Resolved, catalogue: Catalogue, settings: GenerationSettings) -> dict[str, Any]:
    """Everything about an entry, for `--json`."""
    entry = found.entry
    return {
        **entry.model_dump(mode="json"),
        "asked_as": found.alias or entry.name,
        "resolved": found.reason,
        "unverified": [fact for fact in facts_of(entry.kind) if getattr(entry, fact) is None],
        "sources": {fact: [catalogue.sources[one] for one in names] for fact, names in entry.sources.items()},
        "kv_bytes_per_token": kv_bytes_per_token(entry.architecture) if entry.architecture else None,
        "weight_bytes": {name: weight_bytes(entry, name) for name in entry.quantisations or {}},
        "configured": configured_as(entry, catalogue, settings),
    }


def print_entry(found: Resolved, catalogue: Catalogue, settings: GenerationSettings) -> None:
    """As a table of facts, with where each is known from."""
    entry = found.entry
    if found.alias:
        typer.echo(text("is", alias=found.alias, name=entry.name))
    table = Table(text("fact"), text("value"), text("source"), title=entry.name)
    for name, value in (
        ("repository", entry.repository),
        ("aliases", ", ".join(entry.aliases)),
        ("based_on", entry.based_on),
        ("configured", ", ".join(configured_as(entry, catalogue, settings))),
    ):
        if value:
            table.add_row(text(name), escape(value), "")
    for fact in facts_of(entry.kind):
        table.add_row(text(fact), escape("\n".join(_lines(entry, fact))), escape(_sources(entry, fact)))
    for name, figure in entry.measured.items():
        table.add_row(text("measured"), escape(f"{name}: {figure:g}"), _sources(entry, "measured"))
    memory = kv_bytes_per_token(entry.architecture) if entry.architecture and entry.kind == "generator" else None
    if memory:
        table.add_row(text("memory"), f"{memory / _KIB:g} KiB / token (BF16)", "")
    console = Console()
    console.print(table)
    used = {name for names in entry.sources.values() for name in names}
    for name in sorted(used):
        console.print(f"[cyan]{name}[/cyan]: {escape(catalogue.sources[name])}", highlight=False)


def print_checks(found: Sequence[EngineCheck]) -> None:
    """As a table, a replica a line."""
    table = Table(text("name"), "url", text("state"), text("detail"))
    for item in found:
        colour = "red" if item.trouble else "green" if item.state == "ok" else "yellow"
        table.add_row(item.model, item.url, f"[{colour}]{text(item.state)}[/]", escape(_check_detail(item)))
    Console().print(table)


def _check_detail(item: EngineCheck) -> str:
    if item.found is not None and item.expected is not None:
        return text("tokens", found=item.found, expected=item.expected)
    served = f"{text('says')}: {', '.join(item.served)}" if item.served and item.state != "ok" else ""
    return "; ".join(part for part in (item.detail, served) if part)


def _sources(entry: Entry, fact: str) -> str:
    """Sources of a fact, then those of its parts."""
    lines = [", ".join(entry.sources.get(fact, ()))]
    for name, sources in entry.sources.items():
        if name.startswith(f"{fact}."):
            lines.append(f"{name.partition('.')[2]}: {', '.join(sources)}")
    return "\n".join(line for line in lines if line)


def _lines(entry: Entry, fact: str) -> Iterator[str]:
    value = getattr(entry, fact)
    if value is None:
        return iter((text("unverified"),))
    if fact in _RENDERED:
        return _RENDERED[fact](entry)
    if isinstance(value, tuple):
        return iter((", ".join(value),))
    if isinstance(value, Mapping):
        return (f"{name}: {_flat(part)}" for name, part in value.items())
    return iter((_flat(value),))


def _licence_lines(entry: Entry) -> Iterator[str]:
    licence = entry.licence or Licence(name=None, commercial=None)
    yield f"{licence.name}: {text(licence.commercial or 'unverified')}"
    if licence.terms:
        yield licence.terms


def _failure_lines(entry: Entry) -> Iterator[str]:
    for item in entry.failures or ():
        yield f"{item.name}: {item.what} → {', '.join(item.guards)}; {item.fallback}".rstrip("; ")
    if not entry.failures:
        yield text("none_known")


_RENDERED: Mapping[str, Callable[[Entry], Iterator[str]]] = {
    "parameters": lambda entry: iter((_size(entry.parameters.model_dump() if entry.parameters else None),)),
    "context": lambda entry: iter((_context(entry.context.model_dump() if entry.context else None),)),
    "licence": _licence_lines,
    "quantisations": lambda entry: (_weights(entry, name) for name in entry.quantisations or {}),
    "engines": lambda entry: (_support(name, support) for name, support in (entry.engines or {}).items()),
    "failures": _failure_lines,
}


def _flat(value: Any) -> str:
    """A nested fact on one line; defaults in it are left out."""
    if value is None:
        return text("unverified")
    parts = value.model_dump(exclude_defaults=True) if hasattr(value, "model_dump") else value
    if isinstance(parts, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_flat(part)}" for name, part in parts.items())
    return text("yes" if parts else "no") if isinstance(parts, bool) else str(parts)


def _weights(entry: Entry, name: Any) -> str:
    known = (entry.quantisations or {})[name]
    size = weight_bytes(entry, name)
    parts = [f"{size / GB:.1f} GB" if size else text("unverified")]
    parts += [f"VRAM {known.vram_gb:g} GB"] if known.vram_gb else []
    parts += [known.repository] if known.repository else []
    return f"{name}: {', '.join(parts)}"


def _support(name: str, support: EngineSupport | None) -> str:
    works = None if support is None else support.works
    said = text("unverified") if works is None else text("yes" if works else "no")
    broken = f", {text('broken')}: {', '.join(support.broken)}" if support and support.broken else ""
    note = f" ({support.note})" if support and support.note else ""
    return f"{name}: {said}{broken}{note}"


def _size(parameters: Mapping[str, float] | None) -> str:
    if parameters is None:
        return text("unverified")
    total, active = parameters["total"], parameters["active"]
    return f"{total:g}B" if total == active else f"{total:g}B-A{active:g}B"


def _context(context: Mapping[str, Any] | None) -> str:
    if context is None or context["native"] is None:
        return text("unverified")
    extended = context.get("extended")
    return f"{context['native']:,}" + (f" (YaRN {extended:,})" if extended else "")
