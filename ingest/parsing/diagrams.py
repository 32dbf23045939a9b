"""SmartArt diagrams: the texts of their points, in the order in which the diagram's data keeps them."""

from __future__ import annotations

from typing import Any

from ingest.parsing.characters import one_line

_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_NO_CONTENT = frozenset({"pres", "parTrans", "sibTrans"})


def diagram_texts(root: Any) -> list[str]:
    """One text a point of the diagram data part `root` (ECMA-376 part 1, 21.4.3)."""
    texts = []
    for point in root.iter(f"{_DGM}pt"):
        if point.get("type", "node") in _NO_CONTENT:
            continue
        paragraphs = ("".join(run.text or "" for run in line.iter(f"{_A}t")) for line in point.iter(f"{_A}p"))
        if text := one_line(" ".join(paragraphs)):
            texts.append(text)
    return texts
