"""The pictures of docs/evaluation.md: SVG that comes out the same byte for byte from the same figures."""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloud_server.evaluation.decisions import held
from cloud_server.evaluation.measures import Calibration, Counted, is_right
from cloud_server.evaluation.rows import Sample
from cloud_server.evaluation.statistics import risk_coverage
from cloud_server.evaluation.systems import System

SHORT = {
    "deployed": "edge + cloud",
    "edge": "edge",
    "detached": "detached",
    "attached": "attached",
    "lora": "LoRA",
    "dora": "DoRA",
    "detached_uncalibrated": "not calibrated",
    "attached_no_update": "no update",
}


@contextmanager
def drawing(path: Path, width: float, height: float) -> Any:
    """Yield axes and save what is drawn on them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style: Any = {"svg.hashsalt": "shadowdog", "svg.fonttype": "none", "font.family": "sans-serif"}
    with matplotlib.rc_context(style):
        figure, axes = pyplot.subplots(figsize=(width, height))
        yield axes
        axes.grid(color="#dddddd", linewidth=0.5)
        axes.set_axisbelow(True)
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)


def draw_risk_coverage(path: Path, systems: Sequence[System], tests: Sequence[Sample]) -> None:
    """Draw the share of acts that are wrong over the share of rows acted on, surest first.

    A dot is where the system's own thresholds put it.
    """
    with drawing(path, 7, 4) as axes:
        for system in systems:
            pairs = list(zip(tests, system.decisions, strict=True))
            guesses = [_best_skill(system, sample) for sample in tests]
            coverage, risk = risk_coverage(
                [probability for _, probability in guesses],
                [name != each.row.label for (name, _), each in zip(guesses, tests, strict=True)],
            )
            (line,) = axes.plot(coverage, [100 * each for each in risk], label=SHORT[system.key])
            acted = [pair for pair in pairs if pair[1].acts]
            wrong = sum(not is_right(pair) for pair in acted)
            axes.plot(
                [len(acted) / len(pairs)],
                [100 * wrong / max(1, len(acted))],
                "o",
                color=line.get_color(),
            )
        share = sum(each.row.label != "REMOTE" for each in tests) / len(tests)
        axes.axvline(share, color="grey", linewidth=0.7, linestyle=":")
        axes.annotate("all commands", (share, 0.97), xycoords=("data", "axes fraction"), fontsize=8)
        axes.set_xlabel("share of the test rows acted on, surest first")
        axes.set_ylabel("of these wrong, %")
        axes.set_xlim(0, min(1, 2 * share))
        axes.set_ylim(0, 20)
        axes.legend()


def _best_skill(system: System, sample: Sample) -> tuple[str, float]:
    prediction = system.predictions[sample.row.id]
    if prediction.get("reflex"):
        return prediction["label"], 1.0
    skills = {tag: value for tag, value in held(prediction).items() if tag.endswith("()]")}
    best = max(skills, key=skills.__getitem__, default="")
    return best[1:-3], skills.get(best, 0.0)


def draw_reliability(path: Path, calibrations: Mapping[str, Calibration]) -> None:
    """Draw how often the best tag is right over how probable it is held, by system key."""
    with drawing(path, 5, 4.4) as axes:
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.7, linestyle=":")
        for key, calibration in calibrations.items():
            axes.plot(
                [each.confidence for each in calibration.bins],
                [each.accuracy for each in calibration.bins],
                marker="o",
                markersize=3,
                label=f"{SHORT[key]}: ECE {100 * calibration.error:.2f} %",
            )
        axes.set_xlabel("probability of the best tag")
        axes.set_ylabel("share right")
        axes.legend()


def draw_accuracy_latency(
    path: Path, counted: Mapping[str, Counted], latency_ms: Mapping[str, float]
) -> None:
    """Draw each system's share right, with its interval, over its milliseconds to a decision."""
    with drawing(path, 7, 4) as axes:
        for key, milliseconds in latency_ms.items():
            if key not in counted:
                continue
            share = counted[key].right
            low, high = share.interval
            middle = 100 * share.rate
            bars = [[middle - 100 * low], [100 * high - middle]]
            axes.errorbar([milliseconds], [middle], yerr=bars, fmt="o", capsize=3)
            axes.annotate(
                SHORT[key],
                (milliseconds, middle),
                textcoords="offset points",
                xytext=(6, 4),
                fontsize=9,
            )
        axes.set_xscale("log")
        for axis_part in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis_part(lambda value, _: f"{value:g}")
        axes.set_xlabel("milliseconds to the decision, mean (network not counted)")
        axes.set_ylabel("test rows decided rightly, %")
