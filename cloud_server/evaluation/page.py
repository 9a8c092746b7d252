"""docs/evaluation.md, written anew from the committed predictions."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_server.api.answering import LEAST_BELIEF
from cloud_server.engine import end_loops
from cloud_server.evaluation import prose
from cloud_server.evaluation.answers import AnswerQuality, measure_answers
from cloud_server.evaluation.findings import (
    ablation_verdicts,
    adapter_text,
    one_shadow,
    ranking,
    targets_table,
    texts_seen,
    verdicts,
)
from cloud_server.evaluation.latency import Latency, read_latency
from cloud_server.evaluation.measures import (
    Belief,
    Calibration,
    Counted,
    count,
    measure_calibration,
    try_beliefs,
)
from cloud_server.evaluation.pictures import (
    draw_accuracy_latency,
    draw_reliability,
    draw_risk_coverage,
)
from cloud_server.evaluation.rows import TESTS, Sample, read_samples
from cloud_server.evaluation.systems import ANSWERING, NAMES, POSTERIORS, System, read_systems
from cloud_server.evaluation.tables import (
    answers_table,
    beliefs_table,
    calibration_table,
    commands_table,
    languages_table,
    latency_table,
    mistakes_table,
    overall_table,
    paper_inputs_table,
)
from cloud_server.training.data import Row
from cloud_server.training.predictions import ANSWER_TOKENS
from shared.errors import ConfigurationError

_MADE_ON = ("device", "torch", "bundle", "precision")
BELIEFS = (0.0, 0.05, 0.1, 0.2, 0.3, LEAST_BELIEF, 0.7)
"""What is tried as the cloud's least belief in a skill."""


@dataclass(frozen=True)
class Evaluation:
    """Everything that the page is about. calibrations: by system key, then by what rows."""

    samples: list[Sample]
    systems: dict[str, System]
    counted: dict[str, Counted]
    calibrations: dict[str, dict[str, Calibration | None]]
    qualities: dict[str, AnswerQuality]
    latency: Latency | None
    beliefs: list[Belief]

    @property
    def tests(self) -> list[Sample]:
        return [each for each in self.samples if each.file in TESTS]


def evaluate_system(folder: Path, datasets: Path) -> Evaluation:
    """Return the evaluation of the predictions in `folder`, which also holds table 3 and latencies."""
    table_3 = folder / "table3_inputs.jsonl"
    samples = read_samples(datasets, table_3)
    tests = [each for each in samples if each.file in TESTS]
    systems = read_systems(folder / "predictions", datasets, table_3, samples)
    requests = [each.row for each in tests if each.row.kind == "request"]
    return Evaluation(
        samples,
        systems,
        {key: count(system, tests) for key, system in systems.items()},
        {
            key: {
                rows: measure_calibration(systems[key], samples, on_tests=rows == "tests")
                for rows in ("calibration", "tests")
            }
            for key in (*POSTERIORS, "edge")
            if key in systems
        },
        {
            "deployed": measure_answers(*_spoken(systems, tests)),
            **{
                key: measure_answers(
                    requests, [systems[key].predictions[row.id] for row in requests]
                )
                for key in ANSWERING
                if key in systems and _answers_whole(systems[key])
            },
        },
        read_latency(folder / "latency.json"),
        try_beliefs(systems["edge"], systems["attached"], samples, BELIEFS),
    )


def _spoken(
    systems: Mapping[str, System], tests: Sequence[Sample]
) -> tuple[list[Row], list[dict[str, Any]]]:
    """Return the requests that the edge hands over, and what the cloud has the dog say to each."""
    pairs = [
        (each.row, decision)
        for each, decision in zip(tests, systems["deployed"].decisions, strict=True)
        if each.row.kind == "request" and decision.by == "cloud"
    ]
    spoken = []
    for row, decision in pairs:
        answer = systems["attached"].predictions[row.id]
        cut = answer.get("cut") and not end_loops(answer["said"])[1]
        spoken.append({"said": decision.said, "cut": cut})
    return [row for row, _ in pairs], spoken


def _answers_whole(system: System) -> bool:
    """Return whether a system was given the tokens that an answer needs, not just those of a tag."""
    return int(system.about.get("answer_tokens", ANSWER_TOKENS)) >= ANSWER_TOKENS


def write_page(evaluation: Evaluation, page: Path, folder: Path) -> None:
    """Write the page and its pictures, which go to `folder`; ConfigurationError where impossible."""
    try:
        draw_pictures(evaluation, folder)
        page.write_text(render(evaluation, os.path.relpath(folder, page.parent)), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{page} cannot be written ({error.strerror or error})") from error


def draw_pictures(evaluation: Evaluation, folder: Path) -> None:
    """Draw the page's pictures."""
    systems, tests = evaluation.systems, evaluation.tests
    shown = [systems[key] for key in ("edge", *POSTERIORS[:2]) if key in systems]
    draw_risk_coverage(folder / "risk_coverage.svg", shown, tests)
    on_tests = {key: each["tests"] for key, each in evaluation.calibrations.items()}
    draw_reliability(
        folder / "reliability.svg", {key: each for key, each in on_tests.items() if each}
    )
    if evaluation.latency:
        means = evaluation.latency.means(systems["deployed"].decisions)
        draw_accuracy_latency(folder / "accuracy_latency.svg", evaluation.counted, means)


def render(evaluation: Evaluation, pictures: str) -> str:
    """Return the page; `pictures` is where they lie, seen from it."""
    counted, systems = evaluation.counted, evaluation.systems
    main = {key: counted[key] for key in list(NAMES)[:6] if key in counted}
    parts = [
        prose.INTRODUCTION,
        _rows_text(evaluation),
        "## In short",
        ranking(counted),
        verdicts(systems, evaluation.tests),
        *filter(None, [texts_seen(systems)]),
        "## Targets",
        targets_table(counted, systems, evaluation.tests, evaluation.qualities),
        "## The systems side by side",
        overall_table(main, systems, evaluation.latency),
        prose.ROUTES.format(**_routes(counted["deployed"])) + _notes(systems),
        *filter(None, [one_shadow(systems)]),
        *_latency_parts(evaluation.latency, pictures),
        "## Commands",
        commands_table(main),
        "## What must not be done",
        prose.MISTAKES,
        mistakes_table(main),
        languages_table(main),
        *(
            [prose.BELIEFS, beliefs_table(evaluation.beliefs, LEAST_BELIEF)]
            if evaluation.beliefs
            else []
        ),
        "## Deferral and calibration",
        prose.CALIBRATION,
        calibration_table(evaluation.calibrations),
        f"![Risk over coverage]({pictures}/risk_coverage.svg)",
        f"![Reliability]({pictures}/reliability.svg)",
        "## What matters: ablations",
        *_ablation_parts(evaluation),
        "## Answers",
        prose.ANSWERS.format(n=_requests(evaluation)),
        answers_table(evaluation.qualities),
        "## The ten inputs of the paper's table 3",
        paper_inputs_table(systems, evaluation.samples),
        "## How it was made",
        prose.MADE,
        _sources(systems),
    ]
    return "\n\n".join(parts) + "\n"


def _rows_text(evaluation: Evaluation) -> str:
    tests = evaluation.tests
    commands = sum(each.row.label != "REMOTE" for each in tests)
    return (
        f"{len(tests):,} test rows: {commands:,} commands and "
        f"{len(tests) - commands:,} rows out of scope, of `test_normal`, `test_remote`, "
        f"`test_remote_extra` and `test_extra` (datasets/README.md). {prose.SEEN} Most were written by language "
        "models, none was spoken by a person: what follows compares systems, and says little of how "
        "a crowd in a noisy room would fare. Intervals are Wilson's at 95 %."
    )


def _routes(deployed: Counted) -> dict[str, int]:
    edge = deployed.routes["edge"] + deployed.routes["reflex"]
    return {"edge": edge, "cloud": deployed.routes["cloud"], "all": edge + deployed.routes["cloud"]}


def _notes(systems: Mapping[str, System]) -> str:
    """Return what the files say of themselves that a reader must know before comparing them."""
    return "".join(
        f" **{NAMES[key]} is {each.about['note']}.**"
        for key, each in systems.items()
        if key != "deployed" and "note" in each.about
    )


def _latency_parts(latency: Latency | None, pictures: str) -> list[str]:
    if latency is None:
        return ["Latencies were not measured yet (`benchmarks/system_latency.py`)."]
    return [
        f"![Accuracy over latency]({pictures}/accuracy_latency.svg)",
        prose.LATENCY.format(machine=latency.machine, rows=latency.rows),
        latency_table(latency),
    ]


def _ablation_parts(evaluation: Evaluation) -> list[str]:
    counted, systems = evaluation.counted, evaluation.systems
    keys = ("detached", *POSTERIORS[1:], "attached", "attached_no_update")
    chosen = {key: counted[key] for key in keys if key in counted}
    missing = [NAMES[key] for key in NAMES if key not in systems]
    left_out = [f"Not predicted yet: {', '.join(missing)}."] if missing else []
    return [
        prose.ABLATIONS,
        ablation_verdicts(systems, evaluation.tests),
        overall_table(chosen, systems, None),
        commands_table(chosen),
        mistakes_table(chosen),
        *left_out,
    ]


def _requests(evaluation: Evaluation) -> int:
    return sum(each.row.kind == "request" for each in evaluation.tests)


def _sources(systems: Mapping[str, System]) -> str:
    lines = []
    for system in systems.values():
        if system.key == "deployed":
            continue
        about = system.about
        shown = {
            name: about[name]
            for name in ("recipe", "learning_rate", "answer_tokens", "note", *_MADE_ON)
            if name in about
        }
        text = ", ".join(
            [adapter_text(system), *(f"{name} {each}" for name, each in shown.items())]
        )
        lines.append(f"- `{system.key}.jsonl`, {NAMES[system.key]}: {text}.")
        if tried := about.get("learning_rates_tried"):
            rates = "; ".join(f"{rate}: {result}" for rate, result in tried.items())
            lines.append(f"  Learning rates tried: {rates}.")
    return "\n".join(lines)
