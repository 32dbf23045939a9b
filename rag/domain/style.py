"""How a collection wants its answers: a closed vocabulary, so that no setting can say anything to a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Tone = Literal["formal", "plain"]
Length = Literal["short", "normal", "long"]
Format = Literal["prose", "list", "table", "steps"]
VOCABULARY: Mapping[str, tuple[str, ...]] = {
    "tone": get_args(Tone),
    "length": get_args(Length),
    "format": get_args(Format),
}


@dataclass(frozen=True, slots=True)
class AnswerStyle:
    """How a collection wants its answers; none of it can weaken the contract.

    Attributes:
        tone, length, format: one of the values of `VOCABULARY`; empty is the default.
    """

    tone: str = ""
    length: str = ""
    format: str = ""

    def rules(self) -> tuple[str, ...]:
        """Names of the rules that are set, such as `tone.formal`; what is in no vocabulary is none."""
        return tuple(f"{name}.{value}" for name, value in asdict(self).items() if value in VOCABULARY[name])

    def to_json(self) -> dict[str, Any]:
        """The fields that are set."""
        return {name: value for name, value in asdict(self).items() if value}


DEFAULT_STYLE = AnswerStyle()


def style_from_json(data: Mapping[str, Any] | None) -> AnswerStyle:
    """The style that a collection stores; names and values that another release wrote are left alone."""
    return AnswerStyle(**{name: value for name, value in (data or {}).items() if value in VOCABULARY.get(name, ())})


def common_style(styles: Iterable[AnswerStyle]) -> AnswerStyle:
    """The style that all agree on; the default where they do not."""
    found = set(styles)
    return found.pop() if len(found) == 1 else DEFAULT_STYLE
