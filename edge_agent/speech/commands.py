"""The commands `edge-agent speech pull | list`."""

import sys

import click

from edge_agent.speech.model_files import MODELS, find_model
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
def list_models() -> None:
    """Print each model, its licence, and where it is or what is missing."""
    for model in MODELS.values():
        try:
            place = str(find_model(model))
        except SpeechUnavailable as error:
            place = f"not here ({error.message})"
        click.echo(f"{model.name:18} {model.licence:24} {place}", file=sys.stdout)
