"""The command that teaches a shadow one more skill: `cloud-server teach`."""

import json
import warnings
from pathlib import Path

import click

from cloud_server.bundle_state import bundle_name
from cloud_server.command_options import DATASETS, FOLDER, PROFILE
from cloud_server.making import RECIPES
from cloud_server.profiles import find_profile, shipped_adapter
from shared.errors import ModelError
from shared.settings import cache_directory
from shared.skills import remove_taught_skills
from shared.taught_skill import learn_skills


@click.command()
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("--out", type=FOLDER, help="Bundle's folder; default: in the cache, by its name.")
@click.option("--run", "run_directory", type=FOLDER, help="Run's folder; default runs/teach-NAME.")
@DATASETS
@click.option("--adapter", type=FOLDER, help="Shadow to go on from; default: the profile's own.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Over the recipe's value; again."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@PROFILE
def teach(
    folders: tuple[Path, ...],
    out: Path | None,
    run_directory: Path | None,
    datasets: Path,
    adapter: Path | None,
    changes: tuple[str, ...],
    as_json: bool,
    profile: str,
) -> None:
    """Teach the shadow the skills of FOLDERS and write a bundle that knows them and the old ones.

    A folder holds skill.toml and utterances.jsonl (docs/teach-a-skill.md). Exit code 2 and no bundle
    where old skills lost more than a point on the validation split.
    """
    remove_taught_skills()  # CLOUD_SKILLS may name them, too
    taught = learn_skills(folders)
    warnings.simplefilter("ignore")  # the exporter's own deprecations
    from cloud_server.training.bundle_folder import refuse_folder
    from cloud_server.training.export import export_bundle
    from cloud_server.training.recipe import load_recipe
    from cloud_server.training.second_reader import load_reader_recipe
    from cloud_server.training.teaching import MOST_LOST
    from cloud_server.training.teaching import teach as run
    from cloud_server.training.teaching_report import REPORT_NAME, lost, render

    name = bundle_name(profile, [each.name for each in taught])
    run_directory = run_directory or Path("runs") / f"teach-{name}"
    target = out or cache_directory() / "bundles" / name
    refuse_folder(target, run_directory / "adapter")  # before minutes of teaching
    recipe = load_recipe(RECIPES / "teach.toml", (f'profile="{profile}"', *changes))
    reader_recipe = load_reader_recipe(RECIPES / "second-reader.toml")
    place = adapter or shipped_adapter(profile)
    report = run(taught, folders, recipe, reader_recipe, datasets, place, run_directory)
    (run_directory / "teaching.md").write_text(render(report) + "\n", encoding="utf-8")
    click.echo(json.dumps(report, ensure_ascii=False) if as_json else render(report))
    if (points := lost(report)) > MOST_LOST:
        raise ModelError(
            f"old skills lost {points:.1%} on the validation split, at most {MOST_LOST:.0%} may be "
            f"lost: no bundle is written. See {run_directory / REPORT_NAME}; a lower "
            "stages.0.learning_rate or more stages.0.data.command_rows keep more (--set)"
        )
    coverage = "whole" if profile == "tiny" else find_profile(profile).coverage
    manifest = export_bundle(profile, run_directory / "adapter", target, "int8", coverage)
    click.echo(f"bundle ready at {target}, fingerprint {manifest.fingerprint[:16]}", err=as_json)
