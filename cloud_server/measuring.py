"""The commands that measure a shadow: evaluate, predict, evaluate-system."""

import json
from pathlib import Path
from typing import Any

import click

from cloud_server.command_options import DATASETS, FILE, FOLDER, PLACE, PROFILE
from cloud_server.profiles import model_places, shipped_adapter


@click.command()
@click.option("--data", type=FILE, required=True, help="JSON Lines with text, label, lang?.")
@click.option("--report", type=FILE, required=True, help="Where the report is written (JSON).")
@click.option("--mode", type=click.Choice(["attached", "detached"]), required=True)
@click.option("--base", type=PLACE, help="Base: folder or hub id; default: the profile's own.")
@click.option("--adapter", type=PLACE, help="Shadow: folder or hub id; default: the profile's own.")
@click.option("--shadow", type=PLACE, help="Model that an explicit shadow is made from.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@PROFILE
def evaluate(
    data: Path,
    report: Path,
    mode: Any,
    base: Path | None,
    adapter: Path | None,
    shadow: Path | None,
    as_json: bool,
    profile: str,
) -> None:
    """Measure the attached or the detached model on labelled utterances.

    A hub id is owner/name, with @REVISION and #SHA256 where they are to be sure.
    """
    from shared.output_file import prepare_output, refuse_same_file
    from shared.report import read_rows, write_report

    refuse_same_file([data], [report])
    rows = read_rows(data)
    prepare_output(report)
    from cloud_server.training.evaluate import evaluate as run  # torch, once all is well

    def progress(done: int) -> None:
        if done % 100 == 0:
            click.echo(f"{done} of {len(rows)} rows", err=True)

    places = model_places(profile, base, adapter, shadow)
    result = run(rows, places, profile, mode, progress)
    write_report(report, result)
    figures = {name: value for name, value in result.items() if name != "items"}
    if as_json:
        click.echo(json.dumps(figures, ensure_ascii=False))
        return
    for name in ("n", "accuracy", "by_lang", "false_execute_rate", "false_defer_rate", "ms"):
        click.echo(f"{name:20} {figures[name]}")


@click.command("evaluate-system")
@click.option("--folder", type=FOLDER, default=Path("docs/evaluation"), show_default=True)
@DATASETS
@click.option("--page", type=FILE, default=Path("docs/evaluation.md"), show_default=True)
def evaluate_system(folder: Path, datasets: Path, page: Path) -> None:
    """Write docs/evaluation.md, tables and pictures, from the predictions in FOLDER.

    FOLDER holds predictions/, table3_inputs.jsonl and latency.json; see `predict`.
    """
    from cloud_server.evaluation.page import evaluate_system as run
    from cloud_server.evaluation.page import write_page

    write_page(run(folder, datasets), page, folder)
    click.echo(f"evaluation at {page}")


@click.command()
@click.argument("system", type=click.Choice(["detached", "attached", "low_rank"]))
@click.option("--adapter", type=FOLDER, help="Its folder; default: the profile's own shadow.")
@click.option("--data", type=FILE, multiple=True, required=True, help="Rows of datasets/; again.")
@click.option("--answer-tokens", type=click.IntRange(min=1), default=48, show_default=True)
@click.option("--uncalibrated", is_flag=True, help="Detached, without its calibration.")
@click.option(
    "--about",
    "notes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Kept with the predictions, as TOML: texts_seen=7946, learning_rate=3e-4; again.",
)
@click.option("--out", type=FILE, required=True, help="JSON Lines that evaluate-system reads.")
@PROFILE
def predict(
    system: Any,
    adapter: Path | None,
    data: tuple[Path, ...],
    answer_tokens: int,
    uncalibrated: bool,
    notes: tuple[str, ...],
    out: Path,
    profile: str,
) -> None:
    """Write what a trained SYSTEM makes of labelled rows, for evaluate-system."""
    from cloud_server.training.predictions import predict_files
    from cloud_server.training.recipe import set_value

    about: dict[str, Any] = {}
    for note in notes:
        set_value(about, note)
    place = adapter or shipped_adapter(profile)
    count = predict_files(
        system,
        profile,
        place,
        data,
        out,
        answer_tokens=answer_tokens,
        uncalibrated=uncalibrated,
        notes=about,
    )
    click.echo(f"{count:,} predictions at {out}")
