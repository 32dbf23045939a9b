"""Where passages and citations stand, as the terminal shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from api.cli.terminal import one_line
from api.cli.texts import text
from rag.domain.anchor import Anchor, anchor_from_json, lies_in, reading_order


def place(item: dict[str, Any]) -> str:
    """Where a passage or citation stands: file, provision of a rule, position, headings; of code path, lines, commit."""
    if item.get("place"):
        return one_line(item["place"])
    headings = " › ".join(item["heading_path"][1:])
    named = f"{item['source_key']} {item['provision']}".rstrip()
    return one_line(f"{named}, {item['anchor']['label']}" + (f" ({headings})" if headings else ""))


def note_places(places: dict[int, list[dict[str, Any]]], citations: Sequence[dict[str, Any]]) -> None:
    """Add to `places` all places of a passage that an answer cites, each once, by number of the source."""
    for item in citations:
        known = places.setdefault(item["number"], [])
        if place(item) not in map(place, known):
            known.append(item)


def print_sources(places: dict[int, list[dict[str, Any]]], console: Console) -> None:
    """Print the list of sources under an answer, a line each."""
    if places:
        console.print(f"\n[bold]{text('sources')}[/bold]")
    for number, cited in sorted(places.items()):
        console.print(f"[cyan]\\[{number}][/cyan] {escape(_joined(cited))}", highlight=False)


def _joined(cited: Sequence[dict[str, Any]]) -> str:
    """The places of one passage in a line, in the order of its text: its file once, then provisions, positions and headings, each
    once; a position that lies in another is left out."""
    if len(cited) == 1:
        return place(cited[0])
    cited = sorted(cited, key=lambda item: reading_order(_anchor_of(item)))
    if any(item.get("place") for item in cited):
        return "; ".join(place(item) for item in cited)
    provisions = ", ".join(dict.fromkeys(item["provision"] for item in cited if item["provision"]))
    headings = dict.fromkeys(" › ".join(item["heading_path"][1:]) for item in cited)
    named = f"{cited[0]['source_key']} {provisions}".rstrip()
    shown = "; ".join(path for path in headings if path)
    return f"{named}, {', '.join(_positions(cited))}" + (f" ({shown})" if shown else "")


def _positions(cited: Sequence[dict[str, Any]]) -> list[str]:
    """How the positions are called, without those that lie in one before them."""
    shown: list[str] = []
    anchors: list[Anchor] = []
    for item in cited:
        anchor = _anchor_of(item)
        if not any(lies_in(anchor, other) for other in anchors):
            anchors.append(anchor)
            shown.append(item["anchor"]["label"])
    return shown


def _anchor_of(item: dict[str, Any]) -> Anchor:
    return anchor_from_json({"kind": item["anchor"]["kind"], **item["anchor"]["position"]})
