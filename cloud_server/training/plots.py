"""The loss plot of a run, from its JSON Lines log."""

import json
from pathlib import Path


def plot_log(log: Path, picture: Path) -> None:
    """Draw every loss part of `log` over the steps of all stages in a row, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    offset, last, stage, starts = 0, 0, None, []
    curves: dict[str, list[tuple[int, float]]] = {}
    for entry in entries:
        if entry["stage"] != stage:
            offset, stage = offset + last, entry["stage"]
            starts.append((offset, stage))
        last = entry["step"]
        for name, value in entry.items():
            if name.startswith("loss_"):
                curves.setdefault(name.removeprefix("loss_"), []).append((offset + last, value))
    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), label=name, linewidth=1)
    for start, name in starts:
        axes.axvline(start, color="grey", linewidth=0.5)
        axes.annotate(name, (start, 1), xycoords=("data", "axes fraction"), fontsize=8)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.legend()
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
