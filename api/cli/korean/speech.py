"""Puts the Korean table in place of the English strings of a command tree."""

from __future__ import annotations

import typer
from typer.core import TyperCommand, TyperGroup

from api.cli.korean import code_help, content_help, operation_help

HELP: dict[str, str] = {**content_help.HELP, **code_help.HELP, **operation_help.HELP}
"""Every help string of the code, and its Korean."""

_HELP_OPTION = "이 도움말을 보여 주고 끝냅니다."
_OPTIONS, _COMMANDS = "[옵션]", "명령 [인자]..."


class _Formatter(typer.Context.formatter_class):  # type: ignore[valid-type,misc]  # it has no public name
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or "사용법: ")


class _Context(typer.Context):
    formatter_class = _Formatter

    def get_help(self) -> str:
        from api.cli.korean.panels import korean_panels

        option = self.command.get_help_option(self)
        if option is not None:
            option.help = _HELP_OPTION
        with korean_panels():
            return super().get_help()


def translate(command: TyperCommand | TyperGroup) -> None:
    """Give a command and all below it Korean help. A string without a Korean one stays as it is."""
    command.context_class = _Context
    command.help = HELP.get(command.help or "", command.help)
    command.options_metavar = _OPTIONS
    for parameter in command.params:
        parameter.help = HELP.get(parameter.help or "", parameter.help)  # type: ignore[attr-defined]  # ours all have one
    if isinstance(command, TyperGroup):
        command.subcommand_metavar = _COMMANDS
        for below in command.commands.values():
            translate(below)  # type: ignore[arg-type]  # typer makes nothing else
