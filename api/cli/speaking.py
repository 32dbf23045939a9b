"""The root of the command tree, whose help and usage errors speak the language of the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from api.cli.texts import ui_language

_ASKS_FOR_HELP = "seogo.asks_for_help"


def asks_for_help(context: typer.Context) -> bool:
    """Whether the command line asks for the help of some command, so that nothing will be done."""
    return bool(context.meta.get(_ASKS_FOR_HELP))


class SpokenGroup(TyperGroup):
    """Where the terminal speaks Korean, the tree is translated before it runs; English stands in the code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options of every command, and note whether the help of one is asked for."""
        ctx.meta[_ASKS_FOR_HELP] = "--help" in args
        return super().parse_args(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line, as `TyperGroup.main` does."""
        if ui_language() != "ko":
            return super().main(args, prog_name, complete_var, standalone_mode, windows_expand_args, **extra)
        from api.cli.korean.speech import translate

        translate(self)
        try:
            result = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            if not standalone_mode:
                raise
            if (
                type(error).__name__ != "NoArgsIsHelpError"
            ):  # the help is out already, and this class has no public name
                from api.cli.korean.panels import show_error

                show_error(error)
            sys.exit(error.exit_code)
        except typer.Abort:
            if not standalone_mode:
                raise
            from api.cli.korean.panels import show_abort

            show_abort()
            sys.exit(1)
        if not standalone_mode:
            return result
        sys.exit(result if isinstance(result, int) else 0)
