"""What a lesson gave: the shares right and wrong before and after, as a report and as a table."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cloud_server.training.data import Row
from cloud_server.training.judge import Judge
from cloud_server.training.lesson import Lesson
from cloud_server.training.posterior import Posteriors
from cloud_server.training.thresholds import CONFIDENCE, decide, validation_figures
from shared.tags import TAGS, print_tag

REPORT_NAME = "teaching.json"


def measure(read: Posteriors, lesson: Lesson, judge: Judge) -> dict[str, Any]:
    """Return shares after thresholds: `old` of the default validation rows, `new` of the held-out.

    Of thresholds that were chosen also whether they are certified, and what they lack for it (`doubts`).
    """
    shares: dict[str, Any] = {}
    if judge.choice:
        shares = {"certified": judge.choice.certified, "doubts": judge.choice.doubts}
    for name, rows in (("old", lesson.validation), ("new", lesson.held_out)):
        posteriors = read([row.text for row in rows])
        sure = judge.judge(rows, posteriors)
        figures = validation_figures(sure, rows, judge.thresholds)
        figures["best_tag_right"] = _best_tag_right(posteriors, rows)
        shares[name] = figures
        if name == "new":
            figures["split"] = "held out"
            figures["items"] = [
                {
                    "text": row.text,
                    "label": row.label,
                    "predicted": decide(each, judge.thresholds)[0],
                }
                for row, each in zip(rows, sure, strict=True)
            ]
    return shares


def _best_tag_right(posteriors: Tensor, rows: Sequence[Row]) -> float:
    """Return the share of commands whose best tag is right, whatever the thresholds."""
    right = [
        TAGS[index] == print_tag(row.label)
        for row, index in zip(rows, posteriors.argmax(dim=1).tolist(), strict=True)
        if row.label != "REMOTE"
    ]
    return float(round(sum(right) / max(1, len(right)), 4))


def count(lesson: Lesson, seen: int) -> dict[str, Any]:
    """Return how many rows were there for what, how many texts were seen, and what was set aside."""
    return {
        "new": len(lesson.new),
        "held_out": len(lesson.held_out),
        "replayed": len(lesson.replayed),
        "seen": seen,
        "set_aside": [row.text for row in lesson.set_aside],
    }


def lost(report: dict[str, Any]) -> float:
    """Return the share of old commands that were right before and are not any more, net."""
    before, after = (report[when]["old"]["commands"]["right"] for when in ("before", "after"))
    return float(round(before - after, 6))


def render(report: dict[str, Any]) -> str:
    """Return the report's figures before and after as a Markdown table, and whether thresholds are certified."""
    names = ", ".join(report["taught"])
    lines = [
        "| after thresholds | rows | before | after |",
        "|---|---|---|---|",
    ]
    for label, where, part, key in (
        ("old commands right (validation)", "old", "commands", "right"),
        ("requests wrongly acted on (validation)", "old", "remote", "acted_on"),
        ("of them near-misses", "old", "near_misses", "acted_on"),
        (f"{names} understood (held out)", "new", "commands", "right"),
        (f"near-misses of {names} wrongly acted on (held out)", "new", "remote", "acted_on"),
    ):
        before, after = (report[when][where][part] for when in ("before", "after"))
        lines.append(f"| {label} | {after['n']} | {before[key]:.1%} | {after[key]:.1%} |")
    after = report["after"]
    doubts = "; ".join(after["doubts"])
    said = "are certified" if after["certified"] else f"are **not certified**: {doubts}"
    return "\n".join([*lines, "", f"The thresholds {said} (with {CONFIDENCE:.0%} confidence)."])
