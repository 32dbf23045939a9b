"""`seogo models`: what is known of models, how they are launched, and whether the configured ones are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from urllib.parse import SplitResult

    from api.cli.options import Options
    from rag.generation.catalogue import Catalogue, Resolved
    from rag.generation.catalogue_entry import Entry
    from rag.generation.catalogue_plan import Launch, LaunchOptions, ServingEngine
    from rag.settings import GenerationSettings, ServedModel

models_app = typer.Typer(help="Models: list, show, launch, check.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NameArgument = Annotated[str, typer.Argument(help="Name or alias of a model.")]
KindOption = Annotated[
    Literal["generator", "embedder", "reranker"] | None, typer.Option(help="Only models of this kind.")
]
QuantisationOption = Annotated[
    str | None, typer.Option("--quantisation", help="BF16, FP8, AWQ, GPTQ, MXFP4, GGUF-Q4, GGUF-Q6, GGUF-Q8, ….")
]
LoraOption = Annotated[list[str] | None, typer.Option("--lora", help="Adapter as name=path; may be repeated.")]
ExceptionOption = Annotated[
    str, typer.Option(help="Why a licence that forbids commercial use is no hindrance, in words that go on record.")
]


@models_app.command("list")
def models_list(context: typer.Context, kind: KindOption = None, as_json: JsonOption = False) -> None:
    """Show every model of the catalogue: size, context, licence, and whether it is configured."""
    from api.cli.commands import print_json
    from api.cli.model_view import listed, print_list
    from rag.generation.catalogue import load_catalogue

    with _reporting():
        settings, catalogue = _generation(context.obj), load_catalogue()
        rows = [listed(entry, catalogue, settings) for entry in catalogue if kind is None or entry.kind == kind]
    if as_json:
        print_json({"models": rows})
    else:
        print_list(rows)


@models_app.command("show")
def models_show(context: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show all that is known of a model, each fact with its source."""
    from api.cli.commands import print_json
    from api.cli.model_view import print_entry, shown
    from rag.generation.catalogue import load_catalogue

    with _reporting():
        settings, catalogue = _generation(context.obj), load_catalogue()
        found = _resolved(name, catalogue, settings)
    if as_json:
        print_json(shown(found, catalogue, settings))
    else:
        print_entry(found, catalogue, settings)


@models_app.command("launch")
def models_launch(
    context: typer.Context,
    name: NameArgument,
    engine: Annotated[
        Literal["vllm", "llamacpp", "sglang", "ollama"] | None,
        typer.Option(help="What serves it; as in the settings, else vllm."),
    ] = None,
    quantisation: QuantisationOption = None,
    gpus: Annotated[int, typer.Option(min=1, max=64, help="GPUs that it is spread over.")] = 1,
    context_tokens: Annotated[
        int | None, typer.Option("--context", min=512, help="Tokens; as in the settings, else the native context.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port to listen on.")] = None,
    lora: LoraOption = None,
    yarn: Annotated[bool, typer.Option("--yarn", help="Allow a context above the native one.")] = False,
    model_folder: Annotated[
        Path | None, typer.Option(help="Folder of the weights, or a GGUF file; /models/… when left out.")
    ] = None,
    served_name: Annotated[
        str, typer.Option(help="What requests call it; as in the settings, else its own name.")
    ] = "",
    licence_exception: ExceptionOption = "",
    run: Annotated[bool, typer.Option("--run", help="Run the command in the place of this one.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the exact command that serves a model, or run it."""
    from api.cli.texts import ui_language
    from rag.generation.catalogue import load_catalogue
    from rag.generation.catalogue_commands import render
    from rag.generation.catalogue_plan import LaunchOptions

    with _reporting():
        settings, catalogue = _generation(context.obj), load_catalogue()
        found = _resolved(name, catalogue, settings)
        refused = _refused_cuda(found.entry)
        served = _served(name, settings)
        options = LaunchOptions(
            engine=engine or _engine_of(served),
            quantisation=_quantisation(quantisation),
            gpus=gpus,
            context=context_tokens or (served.context_tokens if served is not None else None),
            context_of=served.name if served is not None and context_tokens is None else "",
            host=host,
            port=port or _port_of(served),
            lora=_adapters(lora or []),
            yarn=yarn,
            model_folder=model_folder,
            served_name=served_name or ((served.served_as or served.name) if served is not None else ""),
            licence_exception=licence_exception or (served.licence_exception if served is not None else ""),
            bf16_cache=bool(refused),
            language=ui_language(),
        )
        launch = render(found.entry, options)
        also = [
            *_left_out(served, options),
            *_asked_elsewhere(served, options),
            *_other_names(found, served, catalogue, settings, options),
        ]
        _print_launch(found, launch, options, refused, also, as_json)
        if run:
            _run(found.entry, launch, refused)


@models_app.command("check")
def models_check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Ask every configured engine what it serves; the exit code is 1 when one would not answer as configured."""
    from dataclasses import asdict

    from api.cli.commands import print_json
    from api.cli.model_texts import text
    from api.cli.model_view import print_checks
    from rag.generation.catalogue import load_catalogue
    from rag.generation.catalogue_check import check_engines

    with _reporting():
        settings = _generation(context.obj)
        found = check_engines(settings, load_catalogue())
    if as_json:
        print_json({"engines": [{**asdict(item), "trouble": item.trouble} for item in found]})
    elif found:
        print_checks(found)
    else:
        typer.echo(text("none_configured"))
    if any(item.trouble for item in found):
        raise typer.Exit(1)


def _reporting() -> Any:
    from api.cli.connection import reporting_failures

    return reporting_failures()


def _generation(options: Options) -> GenerationSettings:
    return options.settings().rag.generation


def _resolved(name: str, catalogue: Catalogue, settings: GenerationSettings) -> Resolved:
    """The entry for a name of the catalogue, of the settings, or an alias of either.

    Raises:
        CommandFailed: there is none.
    """
    from api.cli.connection import CommandFailed
    from api.cli.model_texts import text
    from rag.generation.catalogue import Resolved, followed

    found = catalogue.find(name, settings.aliases)
    if found is not None:
        return found
    target = followed(name, settings.aliases)
    for served in settings.models:
        if served.name == target and (entry := catalogue.find(served.catalogue or served.name)) is not None:
            return Resolved(entry.entry, name)
    raise CommandFailed(text("moving" if target in catalogue.moving else "unknown", name=target))


def _served(name: str, settings: GenerationSettings) -> ServedModel | None:
    """The model of the settings that goes by this name, or by an alias of it: what its engine is asked for stands there."""
    from rag.generation.catalogue import followed

    target = followed(name, settings.aliases)
    return next((one for one in settings.models if one.name == target), None)


def _engine_of(served: ServedModel | None) -> ServingEngine:
    return "vllm" if served is None or served.engine == "openai" else served.engine


def _port_of(served: ServedModel | None) -> int | None:
    """The port at which the settings ask this machine for the model; None where they name several, or others."""
    from rag.access.federation_provider import is_loopback

    places = _places(served)
    if len(places) != 1 or places[0].scheme != "http" or not is_loopback(places[0].hostname):
        return None
    return places[0].port


def _asked_elsewhere(served: ServedModel | None, options: LaunchOptions) -> Iterator[str]:
    """Where the settings ask for it, unless that may be the port that it listens on."""
    from api.cli.model_texts import text
    from rag.generation.catalogue_plan import PORTS

    port = options.port or PORTS[options.engine]
    if served is not None and port not in [place.port for place in _places(served)]:
        yield text("asked_elsewhere", name=served.name, urls=", ".join(served.urls), port=port)


def _places(served: ServedModel | None) -> list[SplitResult]:
    """The addresses of its replicas.

    Raises:
        ConfigurationError: one is none.
    """
    from urllib.parse import urlsplit

    from rag.transport.server import checked_url

    if served is None:
        return []
    return [urlsplit(checked_url(served.name, url)) for url in served.urls]


def _left_out(served: ServedModel | None, options: LaunchOptions) -> Iterator[str]:
    """What the settings ask of the engine and the command does not give: nobody else knows where adapters lie."""
    from api.cli.model_texts import text

    for adapter in served.adapters if served is not None and options.engine in ("vllm", "sglang") else ():
        if adapter not in options.lora:
            yield text("adapter_left_out", adapter=adapter)


def _other_names(
    found: Resolved,
    served: ServedModel | None,
    catalogue: Catalogue,
    settings: GenerationSettings,
    options: LaunchOptions,
) -> Iterator[str]:
    """That the settings call it otherwise, where it is launched under its name in the catalogue."""
    from api.cli.model_texts import text
    from api.cli.model_view import configured_as

    names = configured_as(found.entry, catalogue, settings) if served is None else ()
    wanted = {one.name: one.served_as or one.name for one in settings.models if one.name in names}
    if (options.served_name or found.entry.name) not in wanted.values():
        for name in wanted:
            yield text("configured_as", name=name, entry=found.entry.name)


def _quantisation(given: str | None) -> Any:
    """One of the catalogue's number formats, whatever its capitals.

    Raises:
        CommandFailed: it is none.
    """
    from typing import get_args

    from api.cli.connection import CommandFailed
    from rag.generation.catalogue_entry import Quantisation

    known = {name.casefold(): name for name in get_args(Quantisation)}
    if given is None or given.casefold() in known:
        return known[given.casefold()] if given else None
    raise CommandFailed(f"--quantisation {given}: {', '.join(known.values())}")


def _adapters(given: list[str]) -> dict[str, Path]:
    """Adapters by name.

    Raises:
        CommandFailed: one is not of the form name=path.
    """
    from api.cli.connection import CommandFailed
    from api.cli.model_texts import text

    found: dict[str, Path] = {}
    for one in given:
        name, mark, path = one.partition("=")
        if not (mark and name and path):
            raise CommandFailed(text("lora_form", given=one))
        found[name] = Path(path)
    return found


def _refused_cuda(entry: Entry) -> str:
    """The CUDA of this machine on which the model is known to fail; empty where there is none."""
    from api.cli.cuda import installed_cuda

    if entry.failure("refuse_cuda") is None:
        return ""
    return ", ".join(str(cuda) for cuda in installed_cuda() if cuda.refused)


def _print_launch(
    found: Resolved, launch: Launch, options: LaunchOptions, refused: str, also: list[str], as_json: bool
) -> None:
    from api.cli.commands import print_json
    from api.cli.model_texts import text

    notes = [*launch.notes, *also]
    if refused and launch.engine == "llamacpp":
        notes.append(text("cuda_noted", found=refused))
    elif refused:
        notes.append(text("cuda", found=refused, name=found.entry.name))
    if found.alias:
        notes.insert(0, text("is", alias=found.alias, name=found.entry.name))
    if as_json:
        made = {
            "model": found.entry.name,
            "alias": found.alias,
            "engine": launch.engine,
            "environment": dict(launch.environment),
            "command": list(launch.command),
            "weights": str(launch.model),
            "licence_exception": options.licence_exception,
            "notes": notes,
        }
        print_json(made)
        return
    for note in notes:
        typer.secho(f"# {note}", fg="yellow", err=True)
    typer.echo(launch.shell())


def _run(entry: Entry, launch: Launch, refused: str) -> None:
    """Become the engine.

    Raises:
        CommandFailed: the weights or the program are not here, or the CUDA is one on which the model fails.
    """
    import os
    import shutil
    import sys

    from api.cli.connection import CommandFailed
    from api.cli.model_texts import text

    if refused and launch.engine != "llamacpp":
        raise CommandFailed(text("cuda", found=refused, name=entry.name))
    if not launch.model.exists():
        raise CommandFailed(text("missing_weights", path=launch.model))
    if shutil.which(launch.command[0]) is None:
        raise CommandFailed(text("missing_program", name=launch.command[0]))
    sys.stdout.flush()
    os.execvpe(launch.command[0], list(launch.command), {**os.environ, **launch.environment})  # noqa: S606  # no shell
