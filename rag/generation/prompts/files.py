"""The prompt files: `<name>.<language>.v<version>.txt`, parts of it parted by a line `%%`, values put in at `$name`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from string import Template

from rag.domain.language import Language
from rag.domain.messages import UiLanguage

CURRENT: Mapping[str, int] = {
    "grounded": 1,
    "grounded_code": 1,
    "repair": 1,
    "canary": 1,
    "style": 1,
    "plan": 1,
    "outline": 1,
    "section": 1,
    "program_write": 1,
    "program_repair": 1,
}
"""The version in use by name. A change of words is a new file and a new number, so that the trace tells which one wrote."""
_PART = "\n%%\n"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file.

    Attributes:
        identity: name, language and version, such as `grounded.ko.v1`; shown in the trace.
    """

    identity: str
    parts: tuple[str, ...]

    def filled(self, part: int, **values: str) -> str:
        """A part with its values.

        Raises:
            KeyError: the file names a value that was not given.
        """
        return Template(self.parts[part]).substitute(values)

    def entries(self, part: int) -> dict[str, str]:
        """A part of lines `name = text`, by name."""
        lines = (line.partition("=") for line in self.parts[part].splitlines() if line.strip())
        return {name.strip(): text.strip() for name, _, text in lines}


def prompt_language(language: Language) -> UiLanguage:
    """Which of the two a prompt is written in: Korean for Korean questions, English for all others."""
    return "ko" if language is Language.KOREAN else "en"


@lru_cache(maxsize=64)
def prompt(name: str, language: UiLanguage) -> Prompt:
    """The current version of a prompt; read once."""
    identity = f"{name}.{language}.v{CURRENT[name]}"
    text = resources.files("rag.generation.prompts").joinpath(f"{identity}.txt").read_text(encoding="utf-8")
    return Prompt(identity, tuple(part.strip("\n") for part in text.split(_PART)))
