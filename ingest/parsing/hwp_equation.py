"""Hangul's equation script as text that can be read and searched: `{a} over {b}` becomes `(a)/(b)`."""

from __future__ import annotations

import re

_WORDS = {
    "over": "/", "times": "×", "div": "÷", "divide": "÷", "cdot": "·", "bullet": "•", "ast": "∗", "circ": "∘",
    "plusminus": "±", "minusplus": "∓", "+-": "±", "-+": "∓", "oplus": "⊕", "ominus": "⊖", "otimes": "⊗", "odot": "⊙",
    "sqrt": "√", "root": "√", "sum": "∑", "smallsum": "∑", "prod": "∏", "smallprod": "∏", "coprod": "∐",
    "int": "∫", "dint": "∬", "tint": "∭", "oint": "∮", "inf": "∞", "infty": "∞", "partial": "∂", "nabla": "∇",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "neq": "≠", "ne": "≠", "!=": "≠", "approx": "≈", "image": "≒",
    "reimage": "≓", "sim": "∼", "simeq": "≃", "cong": "≅", "equiv": "≡", "==": "≡", "propto": "∝", "doteq": "≐",
    "rarrow": "→", "larrow": "←", "lrarrow": "↔", "uparrow": "↑", "downarrow": "↓", "udarrow": "↕", "to": "→", "->": "→",
    "RARROW": "⇒", "LARROW": "⇐", "LRARROW": "⇔", "UPARROW": "⇑", "DOWNARROW": "⇓", "UDARROW": "⇕", "mapsto": "↦",
    "in": "∈", "owns": "∋", "notin": "∉", "subset": "⊂", "supset": "⊃", "superset": "⊃", "subseteq": "⊆", "supseteq": "⊇",
    "cup": "∪", "union": "∪", "smallunion": "∪", "cap": "∩", "inter": "∩", "smallinter": "∩", "emptyset": "∅",
    "forall": "∀", "exist": "∃", "land": "∧", "lor": "∨", "lnot": "¬", "therefore": "∴", "because": "∵",
    "triangle": "△", "triangled": "▽", "angle": "∠", "bot": "⊥", "deg": "°", "prime": "′", "centigrade": "℃",
    "hbar": "ℏ", "ohm": "Ω", "angstrom": "Å", "cdots": "⋯", "ldots": "…", "vdots": "⋮", "ddots": "⋱", "dot": "·",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "rm": "", "it": "", "bold": "", "left": "", "right": "",
    "#": "; ",
}  # fmt: skip
"""The commands of the script that stand for one sign, as Hangul's help on equations lists them. Where capitals mean another
sign they stand here; else they mean the same or the capital letter. Matrices and decorations stay as they are written, rows of
a matrix parted by semicolons."""

_PARTS_CELLS = dict.fromkeys(("matrix", "pmatrix", "bmatrix", "dmatrix", "cases"), True) | {"eqalign": False}
"""Commands in whose braces `&` stands between cells, or only says where lines are aligned, as everywhere else."""

_ALIGNED, _CELL = "\t", ", "
"""What `&` is written as."""

_TOKEN = re.compile(r'"([^"]*)"|[A-Za-z]+|->|\+-|-\+|!=|==|\S|\s+')
_AT_RELATION = re.compile(r"(?<=[=<>≤≥≠≈≒≓∼≃≅≡∝≐])\t|\t(?=[=<>≤≥≠≈≒≓∼≃≅≡∝≐])")
"""Lines are aligned at these signs as a rule, which need no blank."""

_TIGHT = re.compile(r"\s?([\^_])\s?|(?<=\))\s?(/)\s?(?=\()|\s([;,)])|([(√])\s")
"""What stands close to its neighbours: raised and lowered signs, the line of a fraction, brackets, roots. Blanks are single."""


def equation_text(script: str) -> str:
    """One line of text; braces show what belongs together, so they become parentheses."""
    written = []
    parts_cells = [False]
    before = ""
    for token in _TOKEN.finditer(script):
        word = token[0]
        if token[1] is not None:
            written.append(token[1])
        elif word == "{":
            written.append("(")
            parts_cells.append(_PARTS_CELLS.get(before, parts_cells[-1]))
        elif word == "}":
            written.append(")")
            if len(parts_cells) > 1:
                parts_cells.pop()
        elif word == "&":
            written.append(_CELL if parts_cells[-1] else _ALIGNED)
        elif word in "`~" or word.isspace():
            written.append(" ")
            continue
        else:
            written.append(_sign(word))
        before = word.lower()
    text = " ".join(_AT_RELATION.sub("", "".join(written)).split())
    return _TIGHT.sub(lambda found: "".join(filter(None, found.groups())), text).strip().removesuffix(";")


def _sign(word: str) -> str:
    return _WORDS.get(word, _WORDS.get(word.lower(), word).upper() if word.isupper() else word)
