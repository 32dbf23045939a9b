"""`seogo code search|symbols|uses|map|pack`: questions about code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Repositories = Annotated[
    list[str] | None, typer.Option("--repo", "-r", help="Repository or collection of code; may be repeated.")
]
PathOption = Annotated[
    str, typer.Option("--path", help="Glob inside the repository: src/**/*.py, *.java, or a folder.")
]
Language = Annotated[str, typer.Option("--lang", help="Such as python, java, c++.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_ADDRESS = "/api/v1/code"


def code_search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Words, or a pattern of RE2 with --regex.")] = "",
    regex: Annotated[bool, typer.Option("--regex", "-e", help="The query is a pattern.")] = False,
    ignore_case: Annotated[bool, typer.Option("--ignore-case", "-i", help="Of a pattern.")] = False,
    symbol: Annotated[str, typer.Option("--symbol", help="A definition, or inside of which one.")] = "",
    repo: Repositories = None,
    path: PathOption = "",
    lang: Language = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Find lines of code by words, by a pattern, or by a symbol; the exit code is 1 when there are none."""
    body = {"query": query, "regex": regex, "ignore_case": ignore_case, "symbol": symbol, "limit": limit}
    found = _posted(context, "search", {**body, **_scope(repo, path, lang)})
    if as_json:
        _print_json(found)
    else:
        for item in found["matches"]:
            _show_spot(item["spot"], item["symbol"])
        _note(found["partial"], "code_partial")
        _note(found["more"], "code_more")
        _note(not found["matches"], "code_nothing")
    if not found["matches"]:
        raise typer.Exit(1)


def code_symbols(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name, its beginning, or its humps: PaySer for PaymentService.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Such as class or function; may be repeated.")
    ] = None,
    repo: Repositories = None,
    path: PathOption = "",
    lang: Language = "",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show where something is defined; the exit code is 1 when it is nowhere."""
    asked = {"name": name, "kind": kind or [], "limit": limit, **_scope(repo, path, lang)}
    found = _got(context, "symbols", asked)
    if as_json:
        _print_json(found)
    else:
        for item in found["definitions"]:
            _show_definition(item)
        _note(not found["definitions"], "code_nothing")
    if not found["definitions"]:
        raise typer.Exit(1)


def code_uses(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name, as approve or PaymentService.approve; a path for --of importers.")],
    of: Annotated[str, typer.Option("--of", help="uses, callers, callees, tests or importers.")] = "uses",
    repo: Repositories = None,
    path: PathOption = "",
    lang: Language = "",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what uses, calls, tests or imports something, or what it calls; the exit code is 1 when nothing does."""
    found = _got(context, "references", {"name": name, "of": of, "limit": limit, **_scope(repo, path, lang)})
    nothing = not found["uses"] and not found["callees"]
    if as_json:
        _print_json(found)
    else:
        _show_uses(found)
        _note(nothing, f"code_no_{of}" if found["definitions"] else "code_nothing")
    if nothing:
        raise typer.Exit(1)


def _show_uses(found: dict[str, Any]) -> None:
    for item in found["definitions"]:
        _show_definition(item)
    for item in found["uses"]:
        _show_use(item)
    for callee in found["callees"]:
        for item in callee["definitions"]:
            _show_definition(item)
        for item in callee["uses"]:
            _show_use(item)
    _note(found["more"], "code_more")


def code_map(
    context: typer.Context,
    repo: Annotated[list[str] | None, typer.Argument(help="Repositories; all without any.")] = None,
    task: Annotated[str, typer.Option("--task", help="What it is for.")] = "",
    budget: Annotated[str, typer.Option("--budget", help="Tokens, such as 4000 or 8k.")] = "4k",
    path: PathOption = "",
    lang: Language = "",
    as_json: JsonOption = False,
) -> None:
    """Print the outline of repositories: the definitions that matter most."""
    from api.cli.terminal import put_out

    body = {"task": task, "budget": _tokens(budget), **_scope(repo, path, lang)}
    found = put_out(_posted(context, "map", body, verbatim=True))
    _print_json(found) if as_json else typer.echo(found["text"])


def code_pack(
    context: typer.Context,
    repo: Annotated[list[str], typer.Argument(help="Repositories or collections of code.")],
    task: Annotated[str, typer.Option("--task", help="What the context is for; @FILE reads it from a file.")],
    budget: Annotated[str, typer.Option("--budget", help="Tokens, such as 20000 or 100k.")] = "100k",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; none prints.")] = None,
    path: PathOption = "",
    lang: Language = "",
    as_json: JsonOption = False,
) -> None:
    """Write the context for a large one-shot job: the map, the files that matter whole or trimmed, and what was left out."""
    import json

    from api.cli.terminal import put_out

    body = {"task": _task(task), "budget": _tokens(budget), **_scope(repo, path, lang)}
    found = _posted(context, "pack", body, verbatim=True)
    found = put_out(found) if output is None else found
    text = json.dumps(found, ensure_ascii=False, indent=2) + "\n" if as_json else found["text"]
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)
    _summarize(found)


def add_to(app: typer.Typer) -> None:
    """Make the commands part of `seogo code`."""
    commands: dict[str, Callable[..., None]] = {
        "search": code_search,
        "symbols": code_symbols,
        "uses": code_uses,
        "map": code_map,
        "pack": code_pack,
    }
    for name, command in commands.items():
        app.command(name)(command)


def _scope(repo: list[str] | None, path: str, lang: str) -> dict[str, Any]:
    return {"repositories": repo or [], "path": path, "language": lang}


def _tokens(given: str) -> int:
    """`100k` and `100000` as a number.

    Raises:
        BadParameter: it is none.
    """
    from api.cli.texts import text

    written = given.strip().lower()
    factor = {"k": 1000, "m": 1_000_000}.get(written[-1:], 1)
    digits = written[:-1] if factor > 1 else written
    if not digits.isdecimal():
        raise typer.BadParameter(text("not_tokens").format(given=given))
    return int(digits) * factor


def _task(given: str) -> str:
    """The task itself, or what the file behind `@` holds."""
    if not given.startswith("@"):
        return given
    from api.cli.connection import CommandFailed, reporting_failures

    with reporting_failures():
        try:
            return Path(given[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailed(f"{given[1:]}: {error}") from error


def _write(output: Path, text: str) -> None:
    from api.cli.connection import CommandFailed, reporting_failures

    with reporting_failures():
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandFailed(f"{output}: {error.strerror}") from error


def _posted(context: typer.Context, name: str, body: dict[str, Any], *, verbatim: bool = False) -> Any:
    from api.cli.connection import checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        return checked(client.post(f"{_ADDRESS}/{name}", json=body), verbatim=verbatim)


def _got(context: typer.Context, name: str, asked: dict[str, Any]) -> Any:
    from api.cli.connection import checked, connect, reporting_failures

    with reporting_failures(), connect(context.obj) as client:
        return checked(client.get(f"{_ADDRESS}/{name}", params=asked))


def _print_json(found: Any) -> None:
    from api.cli.commands import print_json

    print_json(found)


def _show_spot(spot: dict[str, Any], around: str) -> None:
    """A line as grep shows it, with the lines around it."""
    from api.cli.terminal import one_line

    typer.secho(one_line(f"{spot['place']}  {around}"), fg="cyan")
    for text in "\n".join((*spot["before"], spot["text"], *spot["after"])).split("\n"):
        typer.echo(f"  {text}")


def _show_definition(item: dict[str, Any]) -> None:
    from api.cli.terminal import one_line

    symbol = item["symbol"]
    place, path = one_line(item["spot"]["place"]), one_line(symbol["path"])
    typer.secho(f"{place}  {symbol['kind']} {path}", fg="green")
    typer.echo(f"  {one_line(symbol['signature'])}")


def _show_use(item: dict[str, Any]) -> None:
    from api.cli.terminal import one_line

    place, inside, words = map(one_line, (item["spot"]["place"], item["enclosing"] or "-", item["spot"]["text"]))
    typer.echo(f"{place}  [{item['sure']}] {inside}: {words}")


def _note(holds: bool, name: str) -> None:
    from api.cli.texts import text

    if holds:
        typer.secho(text(name), fg="yellow", err=True)


def _summarize(found: dict[str, Any]) -> None:
    from api.cli.texts import text

    whole = sum(item["whole"] for item in found["files"])
    left_out = len(found["left_out"]) + found["not_looked_at"]
    line = (
        f"{found['tokens']:,} / {found['budget']:,} {text('code_tokens')}: {len(found['files'])} {text('code_packed')}"
    )
    typer.secho(f"{line} ({whole} {text('code_whole')}), {left_out} {text('code_left_out')}", err=True)
