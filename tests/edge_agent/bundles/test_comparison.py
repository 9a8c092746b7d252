"""What makes two bundles different: what they do, not when, where or how small they were written."""

from pathlib import Path
from typing import Any

import pytest

from edge_agent.bundles.comparison import differing_parts
from shared.bundle import BundleManifest, fingerprint, read_manifest
from tests.shared.test_bundle import HASH, write_bundle

OTHER = "1" * 64
THRESHOLDS = {"0": 0.5, "1": 0.5, "2": 0.5, "3": 0.9}
READING = {"shadow_weight": 1.0, "reader_weight": 0.5, "thresholds": THRESHOLDS}


def made(folder: Path, **changes: Any) -> BundleManifest:
    folder.mkdir()
    write_bundle(folder, **{"second_reading": READING, **changes})
    return read_manifest(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"thresholds": {**THRESHOLDS, "3": 0.5}}, ["thresholds"]),
        ({"second_reading": None}, ["weights or thresholds of the second reading"]),
        (
            {"second_reading": {**READING, "thresholds": {**THRESHOLDS, "2": 0.6}}},
            ["weights or thresholds of the second reading"],
        ),
        (
            {"second_reading": {**READING, "reader_weight": 0.4}},
            ["weights or thresholds of the second reading"],
        ),
        ({"second_reader_sha256": OTHER}, ["second reader"]),
        ({"line_head_sha256": OTHER}, ["line head"]),
        (
            {"shadow_sha256": OTHER, "fingerprint": fingerprint(OTHER, HASH, HASH)},
            ["fingerprint"],
        ),
        (
            {"second_reader_sha256": OTHER, "thresholds": {**THRESHOLDS, "3": 0.5}},
            ["thresholds", "second reader"],
        ),
    ],
)
def test_what_decides_is_told(tmp_path: Path, changes: dict[str, Any], told: list[str]) -> None:
    assert differing_parts(made(tmp_path / "a"), made(tmp_path / "b", **changes)) == told


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"created": "2026-02-02T00:00:00+00:00"},
        {"precision": "fp16"},
        {"checks": [{"text": "sit", "tag": "[Sit()]", "probability": 0.9}]},
        {"files": {}},
    ],
    ids=["same", "created", "precision", "checks", "files"],
)
def test_what_every_export_writes_anew_is_no_difference(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert differing_parts(made(tmp_path / "a"), made(tmp_path / "b", **changes)) == []
