"""How commands reach a service: a server by its address, or one started inside this process on the local data folder.

Both speak the same HTTP API, so every command is written once and passes the same policy.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import typer

from api.cli.options import Options
from api.cli.terminal import heard, one_line
from api.cli.texts import text, ui_language

_START_S = 60.0
_KEEP_ALIVE_S = 3600
_TIMEOUT = httpx.Timeout(30.0, read=600.0)


class CommandFailed(Exception):
    """A command ends with this message for its user and exit code 1."""


@contextmanager
def connect(options: Options) -> Iterator[httpx.Client]:
    """A client that is authenticated and speaks the user's language."""
    if options.server:
        with _client(options.server, options.key or "", None) as client:
            yield client
        return
    with _local_service(options) as (uds, token), _client("http://seogo", token, uds) as client:
        yield client


def _client(address: str, key: str, uds: str | None) -> httpx.Client:
    # No proxy or netrc from the environment: the address given is the address meant.
    return httpx.Client(
        base_url=address,
        headers={"Authorization": f"Bearer {key}", "Accept-Language": ui_language()},
        transport=httpx.HTTPTransport(uds=uds),
        timeout=_TIMEOUT,
        trust_env=False,
    )


@contextmanager
def _local_service(options: Options) -> Iterator[tuple[str, str]]:
    _require_free(options)
    import uvicorn

    from api.app import create_app
    from api.cli.services import local_services
    from rag.access.personal_data import logs

    logs.install()

    with tempfile.TemporaryDirectory(prefix="seogo-") as folder, local_services(options) as services:
        operator = services.rag.operator
        if operator is None:
            raise RuntimeError("a local service has an operator")
        uds = str(Path(folder) / "api.sock")
        config = uvicorn.Config(
            create_app(services, tools=False),
            uds=uds,
            log_level="warning",
            lifespan="on",
            access_log=False,
            # While a model loads, the server's clock stands still and then finds an idle connection just as it is used again.
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, name="local-service", daemon=True)
        thread.start()
        try:
            _wait_started(server, thread)
            yield uds, operator.token
        finally:
            server.should_exit = True
            thread.join()


def _require_free(options: Options) -> None:
    """Say that a server has the data folder before anything heavy is loaded, and before its schema is touched.

    Raises:
        StoreInUse: a process has it open.
    """
    from rag.index.folder_lock import require_free

    settings = options.settings().rag
    if settings.index.backend == "edge":
        require_free(settings.index_folder())


def _wait_started(server: Any, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise CommandFailed(text("unreachable"))
        time.sleep(0.01)


def checked(response: httpx.Response, *, verbatim: bool = False) -> Any:
    """The JSON of a good response, as `said` gives it.

    Raises:
        CommandFailed: with the service's own sentence.
    """
    if response.is_success:
        return said(response, verbatim=verbatim)
    try:
        body = heard(response.json())
        raise CommandFailed(one_line(f"{body['title']} ({body['code']})"))
    except (ValueError, KeyError, TypeError):
        raise CommandFailed(f"HTTP {response.status_code}") from None


def said(response: httpx.Response, *, verbatim: bool = False) -> Any:
    """The JSON of a response, good or not, its texts fit for a terminal.

    Args:
        verbatim: its texts as they are, for what is compared and not shown.

    Raises:
        CommandFailed: it is none; a proxy in front of a server that restarts answers so.
    """
    try:
        return response.json() if verbatim else heard(response.json())
    except ValueError:
        raise CommandFailed(f"HTTP {response.status_code}") from None


@contextmanager
def reporting_failures() -> Iterator[None]:
    """Turn the failures that a user can understand into a message on stderr and exit code 1."""
    from rag.domain.errors import SeogoError

    try:
        yield
    except BrokenPipeError:  # whoever read the output has gone, which is no failure: `seogo documents list x | head`
        raise
    except (CommandFailed, SeogoError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        typer.secho(failure_text(error), fg="red", err=True)
        raise typer.Exit(1) from None


def failure_text(error: Exception) -> str:
    """What to tell the user of a failure."""
    from rag.domain.errors import SeogoError, StoreUnavailable
    from rag.domain.messages import localized

    if isinstance(error, SeogoError):
        where = f": {error.params['path']}" if isinstance(error, StoreUnavailable) and "path" in error.params else ""
        return f"{localized(error, ui_language())} ({error.code}){where}"
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return text("address_unread")
    if isinstance(error, httpx.HTTPError):
        return f"{text('unreachable')}: {_asked(error)}{error}"
    if isinstance(error, OSError):
        return f"{text('system_refused')}: {': '.join(str(part) for part in (error.filename, error.strerror) if part) or error}"
    return str(error)


def _asked(error: httpx.HTTPError) -> str:
    """The address that was asked, where the error knows it."""
    try:
        url = error.request.url
    except RuntimeError:
        return ""
    return f"{url.scheme}://{url.netloc.decode()} "
