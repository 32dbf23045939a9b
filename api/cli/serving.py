"""`seogo serve` and `seogo worker`."""

from __future__ import annotations

import gc
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer
import uvicorn
from rich.console import Console

from api.app import create_app
from api.cli.auditing import note_by_operator
from api.cli.connection import CommandFailed, connect, reporting_failures
from api.cli.options import Options
from api.cli.samples import ingest_samples, store_is_empty
from api.cli.services import both_lanes, guarded_egress, upgrade_schema
from api.cli.texts import text
from api.hardening.protocol import guarded_protocol, make_room_for
from api.settings import Settings
from rag import bootstrap as rag_bootstrap
from rag.access.audit import open_trail
from rag.access.keys import Keys
from rag.access.personal_data import logs
from rag.bootstrap import Rag
from rag.domain.audit import AuditKind
from rag.domain.principal import Scope
from rag.store.tenant import DEFAULT_TENANT

_GRACE_S = 10
_COLLECTED_AFTER = 20_000
"""Objects made and not given up again between two looks at the youngest; Python's own 700 are of other times."""


def serve(options: Options, host: str | None, port: int | None, *, listen: bool, init: bool) -> None:
    """Serve until a signal; with `init`, prepare an empty store first."""
    logs.install()
    with reporting_failures():
        settings = options.settings()
        address = (host or settings.api.host, settings.api.port if port is None else port)
        require_free(*address)
        if init:
            _prepare(options, settings)
        typer.echo(text("loading"), err=True)
        with guarded_egress(settings), both_lanes(settings, listen=listen, local_operator=False) as services:
            make_room_for(settings.api.connections.total)
            config = uvicorn.Config(
                create_app(services),
                http=guarded_protocol(settings.api.connections),  # type: ignore[arg-type]  # any maker of protocols will do
                ws="none",
                host=address[0],
                port=address[1],
                lifespan="on",
                log_level="warning",
                server_header=False,
                forwarded_allow_ips=list(settings.api.connections.trusted_proxies),
                loop="asyncio",  # uvloop connects where the guard of this process does not hear it
                timeout_graceful_shutdown=_GRACE_S,
            )
            # In the background: health and everything that needs no model answer at once, a question waits for its model.
            threading.Thread(target=warm_up, args=(services.rag,), name="warm-up", daemon=True).start()
            typer.echo(f"{text('serving')}: http://{address[0]}:{address[1]}", err=True)
            _outlive_signals()
            uvicorn.Server(config).run()


def require_free(host: str, port: int) -> None:
    """Find out before models are loaded and samples ingested whether the address can be listened on.

    Raises:
        CommandFailed: somebody else listens there, or it is none of this machine's.
    """
    try:
        for kind, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
            with _probe(kind) as probe:
                if probe is not None:
                    probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandFailed(text("address_taken").format(host=host, port=port, reason=reason)) from error


@contextmanager
def _probe(kind: int) -> Iterator[socket.socket | None]:
    """A socket that binds as the server's do; None where this machine has no such family: the server passes it over, too."""
    try:
        probe = socket.socket(kind, socket.SOCK_STREAM)
    except OSError:
        yield None
        return
    with probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        yield probe


def warm_up(rag: Rag) -> None:
    """Load the models, and from then on spare the collector what is loaded."""
    rag.warm_up()
    spare_collector()


def spare_collector() -> None:
    """Have the collector of garbage pass over all that is there now, which stays to the end, and come more seldom.

    To look through it again and again took a tenth of the time of what makes many objects, such as indexing a code base, and
    every look holds up all requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER, 20, 20)


def _outlive_signals() -> None:
    """Uvicorn ends gracefully on a signal and then raises it again; the default would kill before the index is closed."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)


def _prepare(options: Options, settings: Settings) -> None:
    make_first_key(settings)
    _ingest_samples_once(options, settings)


def make_first_key(settings: Settings) -> None:
    """Bring the store to the present schema, and make a key of an administrator where there is none."""
    upgrade_schema(settings)
    database = rag_bootstrap.open_database(settings.rag)
    try:
        keys, trail = Keys(database), open_trail(settings.rag, database)
        if not keys.any_admin():
            secret, key = keys.create(DEFAULT_TENANT, "first admin", [Scope.ADMIN, Scope.OPERATOR])
            made: dict[str, object] = {"key": str(key.id), "prefix": key.prefix, "scope": "admin operator"}
            note_by_operator(trail, AuditKind.CREDENTIAL_CREATED, key.tenant_id, "seogo serve --init", made)
            typer.echo(f"{text('admin_key')}:\n  {secret}")
    finally:
        database.close()


def _ingest_samples_once(options: Options, settings: Settings) -> None:
    marker = settings.rag.data_dir / "samples-offered"
    if marker.exists():
        return
    console = Console(stderr=True)
    with connect(Options(options.config, options.data_dir)) as client:
        if store_is_empty(client):
            console.print(text("loading_samples"))
            ingest_samples(client, console)
    marker.touch()


def work(options: Options) -> None:
    """Work on the queue until a signal."""
    logs.install()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with reporting_failures():
        settings = options.settings()
        with guarded_egress(settings), both_lanes(settings, listen=True, local_operator=False):
            spare_collector()
            stop.wait()
