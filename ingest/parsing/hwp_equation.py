"""Hangul's equation script as text that can be read and searched: `{a} over {b}` becomes `(a)/(b)`."""

from __future__ import annotations

import re

_WORDS = {
    "over": "/", "times": "×", "div": "÷", "cdot": "·", "plusminus": "±", "minusplus": "∓", "sqrt": "√", "root": "√",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "neq": "≠", "ne": "≠", "approx": "≈", "equiv": "≡", "sum": "∑",
    "smallsum": "∑", "prod": "∏", "int": "∫", "oint": "∮", "inf": "∞", "infty": "∞", "partial": "∂", "rarrow": "→",
    "larrow": "←", "to": "→", "in": "∈", "subset": "⊂", "cup": "∪", "cap": "∩", "forall": "∀", "exist": "∃",
    "therefore": "∴", "because": "∵", "angle": "∠", "deg": "°", "prime": "′", "cdots": "⋯", "ldots": "…", "dot": "·",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "omega": "ω",
    "rm": "", "it": "", "bold": "", "left": "", "right": "",
}  # fmt: skip
"""The commands of the script that stand for one sign; matrices, decorations and the rest stay as they are written."""

_TOKEN = re.compile(r'"([^"]*)"|[A-Za-z]+|\S|\s+')


def equation_text(script: str) -> str:
    """One line of text; braces show what belongs together, so they become parentheses."""
    written = []
    for token in _TOKEN.finditer(script):
        word = token[0]
        if token[1] is not None:
            written.append(token[1])
        elif word in "{}":
            written.append("(" if word == "{" else ")")
        elif word in "`~" or word.isspace():
            written.append(" ")
        else:
            written.append(_WORDS.get(word, _WORDS.get(word.lower(), word).upper() if word.isupper() else word))
    text = " ".join("".join(written).split())
    return re.sub(r"\(\s*([^()\s]*)\s*\)", r"(\1)", text)
