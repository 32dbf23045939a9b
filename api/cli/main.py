"""The command `seogo`. Heavy imports wait inside the commands: `seogo --help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from api.cli import code_changes, code_search, repositories, space_commands
from api.cli.access import access_app
from api.cli.auditing import audit_app
from api.cli.coding import code_app
from api.cli.collection_commands import collections_app
from api.cli.compliance import compliance_app
from api.cli.directories import ldap_app
from api.cli.document_commands import documents_app
from api.cli.evaluating import eval_app
from api.cli.feedback import feedback_app
from api.cli.glossaries import glossary_app
from api.cli.ingestion_commands import ingestion_app
from api.cli.key_commands import keys_app
from api.cli.keys_at_rest import keys_at_rest_app
from api.cli.models import models_app
from api.cli.options import Options
from api.cli.people_commands import accounts_app, grants_app, groups_app
from api.cli.sizing import sizing
from api.cli.speaking import SpokenGroup, asks_for_help
from api.cli.texts import text

app = typer.Typer(
    name="seogo",
    cls=SpokenGroup,
    help="서고 Seogo: on-premise RAG. Upload documents and code, ask, check the citations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
index_app = typer.Typer(
    help="The search index: rebuild, optimize, verify; migrate, rollback, spaces, drop.", no_args_is_help=True
)
db_app = typer.Typer(help="The database: upgrade, current.", no_args_is_help=True)
for name, group in (
    ("access", access_app),
    ("code", code_app),
    ("collections", collections_app),
    ("documents", documents_app),
    ("glossary", glossary_app),
    ("ldap", ldap_app),
    ("ingestion", ingestion_app),
    ("keys", keys_app),
    ("accounts", accounts_app),
    ("groups", groups_app),
    ("grants", grants_app),
    ("keys-at-rest", keys_at_rest_app),
    ("index", index_app),
    ("db", db_app),
    ("eval", eval_app),
    ("models", models_app),
    ("feedback", feedback_app),
    ("audit", audit_app),
    ("compliance", compliance_app),
):
    app.add_typer(group, name=name)
app.command()(sizing)

space_commands.add_to(index_app)
code_search.add_to(code_app)
code_changes.add_to(code_app)
repositories.add_to(code_app)

_LOCAL_ONLY = (
    *("serve", "worker", "db", "doctor", "rebuild", "optimize", "verify", "eval", "models"),
    *("keys", "keys-at-rest", "accounts", "groups", "grants", "export", "report", "compliance"),
)
"""Commands that work on the store itself, wherever a server runs."""

CollectionsOption = Annotated[
    list[str] | None, typer.Option("--collection", "-c", help="Name or id; may be repeated. All when left out.")
]
KindOption = Annotated[
    Literal["documents", "code"] | None, typer.Option(help="Kind of a new collection; documents when left out.")
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", help="Ask the versions of then: a date (its end, local time) or an instant (ISO 8601)."),
]
FilterOption = Annotated[
    str | None, typer.Option("--filter", help='Filter as JSON, such as {"attributes": {"dept": "인사"}}.')
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"seogo {version('seogo')}")
        except PackageNotFoundError:
            typer.echo("seogo 0")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(envvar="SEOGO_CONFIG", help="Configuration file (YAML).")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(envvar="SEOGO_DATA_DIR", help="Data folder of the embedded shape.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(envvar="SEOGO_SERVER", help="Use a running server at this address.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="SEOGO_API_KEY", help="API key for --server. Others see it in the list of processes."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(envvar="SEOGO_API_KEY_FILE", help="File that holds the API key for --server.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of every command."""
    if key is None or (_typed(context, "key_file") and not _typed(context, "key")):
        key = _key_in(key_file)
    context.obj = Options(config, data_dir, server, key)
    _refuse_server(context)
    if server and not key and context.invoked_subcommand and not asks_for_help(context):
        typer.secho(text("server_needs_key"), fg="red", err=True)
        raise typer.Exit(2)


def _typed(context: typer.Context, option: str) -> bool:
    """Whether an option stands on the command line, which goes before the environment."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _key_in(file: Path | None) -> str | None:
    if file is None:
        return None
    from api.cli.connection import reporting_failures
    from rag.transport.secret_files import read_secret

    with reporting_failures():
        return read_secret(file)


@index_app.callback()
def index_common(context: typer.Context) -> None:
    """Options of every command of the index."""
    _refuse_server(context)


@audit_app.callback()
def audit_common(context: typer.Context) -> None:
    """Options of every command of the audit trail."""
    _refuse_server(context)


def _refuse_server(context: typer.Context) -> None:
    """End when a command that works on the store itself is given a server."""
    if context.obj.server and context.invoked_subcommand in _LOCAL_ONLY and not asks_for_help(context):
        name = context.command_path.split()[1:]
        command = " ".join([*name, str(context.invoked_subcommand)])
        typer.secho(text("store_itself").format(command=command), fg="red", err=True)
        raise typer.Exit(2)


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    ingest: Annotated[bool, typer.Option("--ingest/--no-ingest", help="Whether this process ingests too.")] = True,
    init: Annotated[
        bool, typer.Option("--init", help="First start: migrate, make an admin key, ingest the samples if empty.")
    ] = False,
) -> None:
    """Serve the API, and ingest in the same process."""
    from api.cli.serving import serve as run_server

    run_server(context.obj, host, port, listen=ingest, init=init)


@app.command()
def worker(context: typer.Context) -> None:
    """Work on the ingestion queue without serving."""
    from api.cli.serving import work

    work(context.obj)


@app.command()
def ingest(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files or folders.", exists=False)],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Collection, made when it does not exist.")],
    kind: KindOption = None,
    priority: Annotated[
        str | None, typer.Option(help="interactive or bulk; by default interactive for a few small files.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest files and folders; the exit code is 1 when any file failed."""
    from api.cli.commands import ingest as run_ingest

    run_ingest(context.obj, paths, collection, kind, as_json, priority)


@app.command()
def sync(
    context: typer.Context,
    location: Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix (AWS_* in the environment).")],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Collection, made when it does not exist.")],
    kind: KindOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, looking again and again.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 10.0,
    delete_missing: Annotated[
        bool, typer.Option("--delete-missing", help="Delete documents whose file is gone.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Delete even when more than half of the files are gone.")
    ] = False,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="Pattern on a name or path to leave out; may be repeated.")
    ] = None,
    access: Annotated[
        str | None,
        typer.Option(
            help='Rule of new files, as JSON: {"allow": ["group:…"], "label": "S"}. A .seogoaccess file wins.'
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a collection in step with a folder or bucket; the exit code is 1 when anything could not be taken.

    A file `.seogoaccess` in a folder says who may read what lies in it: a JSON object with allow, deny and label.
    """
    from api.cli.syncing import SyncOptions, rule_of
    from api.cli.syncing import sync as run_sync

    wanted = SyncOptions(
        collection=collection,
        kind=kind,
        ignore=ignore or (),
        delete_missing=delete_missing,
        dry_run=dry_run,
        force=force,
        watch=watch,
        interval_s=interval,
        access=rule_of(access),
    )
    run_sync(context.obj, location, wanted, as_json)


@app.command()
def search(
    context: typer.Context,
    question: str,
    collections: CollectionsOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 5,
    as_of: AsOfOption = None,
    filter_json: FilterOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say how the result came about.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the passages for a question."""
    from api.cli.commands import search as run_search

    run_search(context.obj, question, collections, limit, as_json, as_of, filter_json, explain)


@app.command()
def ask(
    context: typer.Context,
    question: str,
    collections: CollectionsOption = None,
    as_of: AsOfOption = None,
    filter_json: FilterOption = None,
    steps: Annotated[
        bool, typer.Option("--steps", help="Search again for what the first passages leave open. Needs a model.")
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Write a report with its sources. Needs a model.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Answer a question with citations."""
    from api.cli.commands import ask as run_ask

    mode = "deep" if deep else "steps" if steps else "answer"
    run_ask(context.obj, question, collections, as_json, as_of, filter_json, mode)


@app.command()
def demo(context: typer.Context) -> None:
    """Ingest the samples and ask three questions."""
    from api.cli.samples import demo as run_demo

    run_demo(context.obj)


@app.command()
def doctor(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check store, index, models, parsers and egress switches, and say what to do."""
    from api.cli.doctor import doctor as run_doctor

    run_doctor(context.obj, as_json)


@index_app.command("rebuild")
def index_rebuild(context: typer.Context) -> None:
    """Fill the index again from the database and the blobs."""
    from api.cli.administration import rebuild_index

    rebuild_index(context.obj)


@index_app.command("optimize")
def index_optimize(context: typer.Context) -> None:
    """Put the segments of the embedded index together and drop deleted points; run it while nothing serves."""
    from api.cli.administration import optimize_index

    optimize_index(context.obj)


@index_app.command("verify")
def index_verify(context: typer.Context, as_json: JsonOption = False) -> None:
    """Compare record, index and originals; the exit code is 1 when they differ.

    Unfinished versions, open jobs and dead leases are listed, but are no difference: while something is ingested they are
    normal. With --json, `healthy` says that nothing differs (exit code 0), `settled` that nothing is left to be done either.
    """
    from api.cli.administration import verify_index

    verify_index(context.obj, as_json)


@db_app.command("upgrade")
def db_upgrade(context: typer.Context) -> None:
    """Bring the schema to this version."""
    from api.cli.administration import upgrade_database

    upgrade_database(context.obj)


@db_app.command("current")
def db_current(context: typer.Context) -> None:
    """Show the revision of the database and the one needed."""
    from api.cli.administration import show_revision

    show_revision(context.obj)


def run() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    run()
