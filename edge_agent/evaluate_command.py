"""What `edge-agent evaluate` does: prepare what is missing, measure, write report and predictions."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_agent.evaluation import Judgement, evaluate
from edge_agent.preparation import prepare_bundle
from edge_agent.settings import EdgeSettings
from shared.errors import DataError
from shared.output_file import prepare_output, refuse_same_file
from shared.predictions import data_marks, write_predictions
from shared.report import read_rows, write_report

PROGRESS_ROWS = 500


def evaluate_files(
    files: Sequence[Path], report: Path, bundle: Path | None, predictions: Path | None = None
) -> dict[str, Any]:
    """Evaluate the rows of `files`, write the whole report and return its figures without the items.

    predictions: where each row's posterior and decision go, for `cloud-server evaluate-system`;
    DataError where a row has no id. ConfigurationError, before anything is done, where an output is
    one of `files` or cannot be written.
    """
    settings = EdgeSettings.from_environment(bundle=bundle)
    outputs = [report, *filter(None, [predictions])]
    refuse_same_file(files, outputs)
    rows = [row for path in files for row in read_rows(path)]
    if predictions and not all(row.id for row in rows):
        raise DataError("predictions go by the rows' ids, and a row has none")
    for output in outputs:
        prepare_output(output)
    prepare_bundle(settings.bundle)
    from edge_agent.mending.choice import choose_mender, try_twice
    from edge_agent.recognizer import Recognizer

    alone = Recognizer.load(settings.bundle, settings.threads)
    recognizer = try_twice(alone, choose_mender(settings), settings)  # decides as the agent does
    judgements: list[Judgement] = []

    def note(judgement: Judgement) -> None:
        judgements.append(judgement)
        if len(judgements) % PROGRESS_ROWS == 0:
            print(f"{len(judgements)} of {len(rows)} rows", file=sys.stderr, flush=True)

    result = evaluate(rows, recognizer, note=note)
    write_report(report, result)
    if predictions:
        manifest = recognizer.manifest
        about = {
            "system": "edge",
            "rows": len(rows),
            "data": data_marks(files),
            "bundle": manifest.name,
            "adapter_sha256": manifest.shadow_sha256,
            "fingerprint": manifest.fingerprint,
            "precision": manifest.precision,
            "thresholds": manifest.thresholds,
        }
        write_predictions(predictions, about, (each.as_prediction() for each in judgements))
    return {name: value for name, value in result.items() if name != "items"}
