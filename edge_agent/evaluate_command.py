"""What `edge-agent evaluate` does: prepare what is missing, measure, write the report."""

import sys
from pathlib import Path
from typing import Any

from edge_agent.evaluation import evaluate
from edge_agent.preparation import prepare_bundle
from edge_agent.settings import EdgeSettings
from shared.report import read_rows, write_report

PROGRESS_ROWS = 500


def evaluate_file(data: Path, report: Path, bundle: Path | None) -> dict[str, Any]:
    """Evaluate the rows of `data`, write the whole report and return its figures without the items."""
    settings = EdgeSettings.from_environment(bundle=bundle)
    rows = read_rows(data)
    prepare_bundle(settings.bundle)
    from edge_agent.recognizer import Recognizer

    recognizer = Recognizer.load(settings.bundle, settings.threads)

    def progress(done: int) -> None:
        if done % PROGRESS_ROWS == 0:
            print(f"{done} of {len(rows)} rows", file=sys.stderr, flush=True)

    result = evaluate(rows, recognizer, progress=progress)
    write_report(report, result)
    return {name: value for name, value in result.items() if name != "items"}
