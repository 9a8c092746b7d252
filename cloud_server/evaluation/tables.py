"""The tables of docs/evaluation.md, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from cloud_server.evaluation.answers import AnswerQuality
from cloud_server.evaluation.latency import FORMS, Latency
from cloud_server.evaluation.measures import LANGUAGES, Belief, Calibration, Counted
from cloud_server.evaluation.rows import TABLE_3, Sample
from cloud_server.evaluation.systems import ANSWERING, NAMES, POSTERIORS, System
from shared.skills import skill
from shared.tags import REMOTE, parse_tag


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def commands_table(counted: Mapping[str, Counted]) -> str:
    """Return how many commands get their skill, by test and language."""
    groups = [
        f"{test}{lang}" for test in ("test_normal", "test_extra") for lang in ("", " en", " zh")
    ]
    sizes = next(iter(counted.values())).commands
    heads = ["commands right", *(f"{each}, n {sizes[each].count}" for each in groups)]
    return table(
        heads, ([NAMES[k], *(str(c.commands[g]) for g in groups)] for k, c in counted.items())
    )


def mistakes_table(counted: Mapping[str, Counted]) -> str:
    """Return what a system does that it should not: acts out of scope, wrong skills, invented ones."""
    first = next(iter(counted.values()))
    heads = [
        "acts where it must not",
        *(f"{name}, n {share.count}" for name, share in first.acted_on.items()),
        f"of all {first.tier_3.count}, into tier 3",
        f"invented skill, n {first.invented.count}",
        f"another skill for a command, n {first.wrong_skill.count}",
        "command deferred or answered in words",
    ]
    return table(
        heads,
        (
            [
                NAMES[key],
                *map(str, each.acted_on.values()),
                f"{each.tier_3.hits}: {each.tier_3}",
                f"{each.invented.hits}: {each.invented}",
                str(each.wrong_skill),
                str(each.deferred),
            ]
            for key, each in counted.items()
        ),
    )


def languages_table(counted: Mapping[str, Counted]) -> str:
    """Return what is acted on out of scope, and what is right of all rows, by language."""
    first = next(iter(counted.values()))
    heads = [
        "by language",
        *(
            f"acts out of scope, {lang}, n {first.acted_by_language[lang].count}"
            for lang in LANGUAGES
        ),
        *(f"all rows right, {lang}, n {first.right_by_language[lang].count}" for lang in LANGUAGES),
    ]
    return table(
        heads,
        (
            [
                NAMES[key],
                *(str(each.acted_by_language[lang]) for lang in LANGUAGES),
                *(str(each.right_by_language[lang]) for lang in LANGUAGES),
            ]
            for key, each in counted.items()
        ),
    )


def overall_table(
    counted: Mapping[str, Counted], systems: Mapping[str, System], latency: Latency | None
) -> str:
    """Return every system's share right, trained numbers and mean milliseconds to a decision."""
    means = latency.means(systems["deployed"].decisions) if latency else {}
    first = next(iter(counted.values()))
    heads = [
        "system",
        f"all test rows right, n {first.right.count}",
        f"the paper's splits right, n {first.paper_split.count}",
        "AUROC of deferral",
        "trained numbers",
        "texts seen in training",
        "ms to a decision, mean",
    ]
    return table(
        heads,
        (
            [
                NAMES[key],
                str(each.right),
                str(each.paper_split),
                "–" if each.separation is None else f"{each.separation:.4f}",
                parameters_text(systems[key], systems),
                _texts_seen(systems[key], systems),
                f"{means[key]:.0f}" if key in means else "–",
            ]
            for key, each in counted.items()
        ),
    )


def parameters_text(system: System, systems: Mapping[str, System]) -> str:
    """Return how many numbers were trained; of a detached shadow only its own layers count."""
    counted = system.parameters or (systems["detached"].parameters if system.key == "edge" else {})
    if system.key in (*POSTERIORS, "edge"):
        counted = {name: count for name, count in counted.items() if name == "shadow_model"}
    return f"{sum(counted.values()) / 1e6:.1f} M" if counted else "–"


def _texts_seen(system: System, systems: Mapping[str, System]) -> str:
    known = systems["detached"] if system.key == "edge" else system
    seen = known.about.get("texts_seen")
    return f"{seen:,}" if seen else "–"


def latency_table(latency: Latency) -> str:
    """Return the benchmark's milliseconds side by side."""
    return table(
        ["to the end of the tag", "p50, ms", "p95, ms", "mean, ms"],
        (
            [name, *(f"{latency.decisions[key][each]:.1f}" for each in ("p50", "p95", "mean"))]
            for key, name in FORMS.items()
        ),
    )


def beliefs_table(beliefs: Sequence[Belief], chosen: float) -> str:
    """Return what each least belief comes to on the calibration rows; the server's is bold."""
    first = beliefs[0]
    heads = [
        "least belief",
        f"commands right, n {first.commands.count}",
        *(f"acts on {name}, n {share.count}" for name, share in first.acted_on.items()),
        f"of all {first.tier_3.count}, into tier 3",
    ]
    return table(
        heads,
        (
            [
                f"**{each.least:g}**" if each.least == chosen else f"{each.least:g}",
                str(each.commands),
                *map(str, each.acted_on.values()),
                str(each.tier_3.hits),
            ]
            for each in beliefs
        ),
    )


def calibration_table(measured: Mapping[str, Mapping[str, Calibration | None]]) -> str:
    """Return the expected calibration errors; by system key, on the calibration rows and the tests."""
    return table(
        ["expected calibration error, 15 bins", "calibration rows", "test rows"],
        (
            [
                NAMES[key],
                *(
                    f"{100 * each.error:.2f} % (n {each.rows})" if each else "–"
                    for each in by_rows.values()
                ),
            ]
            for key, by_rows in measured.items()
        ),
    )


def answers_table(qualities: Mapping[str, AnswerQuality]) -> str:
    """Return the quality of answers to held-out requests."""
    heads = [
        "answers to requests",
        "in the speaker's language",
        "without brackets",
        "without loops",
        "of sane length",
        "ended by themselves",
        "different answers",
        "median characters",
    ]
    return table(
        heads,
        (
            [
                NAMES[key],
                str(each.in_language),
                str(each.without_brackets),
                str(each.without_loops),
                str(each.of_sane_length),
                str(each.ended),
                f"{each.different.hits} of {each.different.count}",
                str(each.median_characters),
            ]
            for key, each in qualities.items()
        ),
    )


def paper_inputs_table(systems: Mapping[str, System], samples: Sequence[Sample]) -> str:
    """Return the ten inputs of the paper's table 3, with what each system says to them."""
    inputs = [each for each in samples if each.file == TABLE_3]
    shown = [key for key in ("edge", *ANSWERING[:3]) if key in systems]
    heads = ["input", "wanted", *(NAMES[key].split(":")[0] for key in shown)]
    return table(
        heads,
        (
            [
                _cell(each.row.text),
                each.row.label,
                *(_said(systems[key], each) for key in shown),
            ]
            for each in inputs
        ),
    )


def _said(system: System, sample: Sample) -> str:
    prediction = system.predictions.get(sample.row.id)
    if prediction is None:
        return "–"
    if "said" in prediction:
        return _cell(prediction["said"])
    label = prediction["label"]
    if label == "REMOTE":
        best = next(iter(prediction["posterior"]), REMOTE)
        doubt = (
            f" ({best} at {prediction['posterior'][best]:.2f})" if parse_tag(best) != label else ""
        )
        return f"[REMOTE]{doubt}"
    return _cell(f"[{label}()] {skill(label).say(sample.row.lang)}")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("[", "\\[")
