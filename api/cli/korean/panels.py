"""What typer prints around our own strings, in Korean: titles, `[required]`, the hint at the help. Costs an import of rich."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.text import Text
from typer import rich_utils

from api.cli.korean.usage_errors import in_korean


class _FoldingHighlighter(rich_utils.OptionHighlighter):
    """Marks options, and lets no letter go.

    rich 15 counts letters where it strips the space after a full line (`Text.rstrip_end`), not cells. A full line of Korean
    keeps that space, is one cell too long, and loses its last letter to an ellipsis, unless the text folds.
    """

    def __call__(self, text: str | Text) -> Text:
        marked = super().__call__(text)
        marked.overflow = "fold"
        return marked


_PANELS: dict[str, Any] = {
    "ARGUMENTS_PANEL_TITLE": "인자",
    "OPTIONS_PANEL_TITLE": "옵션",
    "COMMANDS_PANEL_TITLE": "명령",
    "ERRORS_PANEL_TITLE": "오류",
    "DEFAULT_STRING": "[기본값: {}]",
    "ENVVAR_STRING": "[환경 변수: {}]",
    "REQUIRED_LONG_STRING": "[필수]",
    "DEPRECATED_STRING": "(곧 없어짐) ",
    "ABORTED_TEXT": "중단했습니다.",
    "RICH_HELP": "도움말: [blue]{command_path} {help_option}[/]",
    "highlighter": _FoldingHighlighter(),
}
"""Typer's constants. It reads them where it prints, so they are set while it does; its gettext looks at LANGUAGE and LC_MESSAGES
alone, which child processes read too and which SEOGO_LANG goes before."""


@contextmanager
def korean_panels() -> Iterator[None]:
    """What typer prints inside, it prints in Korean."""
    english = {name: getattr(rich_utils, name) for name in _PANELS}
    for name, korean in _PANELS.items():
        setattr(rich_utils, name, korean)
    try:
        yield
    finally:
        for name, before in english.items():
            setattr(rich_utils, name, before)


class _Refusal(typer.BadParameter):
    """A usage error whose sentence is finished."""

    def __init__(self, error: typer.TyperException) -> None:
        super().__init__(in_korean(error.format_message()), ctx=getattr(error, "ctx", None))

    def format_message(self) -> str:
        return self.message


def show_error(error: typer.TyperException) -> None:
    """Print a usage error on stderr: the usage line, where help is, and the sentence."""
    with korean_panels():
        rich_utils.rich_format_error(_Refusal(error))


def show_abort() -> None:
    """Print on stderr that the command was broken off."""
    with korean_panels():
        rich_utils.rich_abort_error()
