"""The commands `edge-agent speech pull | list`."""

import json

import click

from edge_agent.speech.model_files import MODELS, SpeechModel, find_model
from shared.errors import SpeechUnavailable

MEGABYTE = 1_000_000


@click.group()
def speech() -> None:
    """The models that recordings are understood with."""


@speech.command()
@click.argument("name", type=click.Choice(sorted(MODELS)))
def pull(name: str) -> None:
    """Fetch the model NAME from a hub (HF_ENDPOINT, else huggingface.co) into the cache."""
    from edge_agent.speech.fetching import Hub, fetch_model

    told = -1

    def progress(file: str, here: int, wanted: int | None) -> None:
        nonlocal told
        if here // (5 * MEGABYTE) != told or here == wanted:
            told = here // (5 * MEGABYTE)
            of = f" of {wanted / MEGABYTE:.1f}" if wanted else ""
            click.echo(f"{file}: {here / MEGABYTE:.1f}{of} MB", err=True)

    hub = Hub()
    try:
        click.echo(fetch_model(hub, MODELS[name], progress))
    finally:
        hub.close()


@speech.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_models(as_json: bool) -> None:
    """Print each model, its licence, and where it is or what is missing."""
    entries = [_describe(model) for model in MODELS.values()]
    if as_json:
        click.echo(json.dumps(entries, indent=1))
        return
    for each in entries:
        place = each["directory"] or f"not here ({each['missing']})"
        click.echo(f"{each['name']:18} {each['licence']:24} {place}")


def _describe(model: SpeechModel) -> dict[str, str | None]:
    directory = missing = None
    try:
        directory = str(find_model(model))
    except SpeechUnavailable as error:
        missing = error.message
    return {
        "name": model.name,
        "licence": model.licence,
        "directory": directory,
        "missing": missing,
    }
