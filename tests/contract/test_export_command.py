"""`cloud-server export-edge` takes every precision that a bundle may have."""

from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from cloud_server.bundle_state import Precision
from cloud_server.cli import main
from shared.bundle import read_manifest


@pytest.mark.parametrize("precision", get_args(Precision))
def test_every_precision_can_be_asked_for(precision: str, adapter: Path, tmp_path: Path) -> None:
    wanted = ["--profile", "tiny", "--vocabulary", "whole", "--precision", precision]
    places = ["--adapter", str(adapter), "--out", str(tmp_path / "bundle")]
    result = CliRunner().invoke(main, ["export-edge", *wanted, *places])
    assert result.exit_code == 0, result.output
    assert read_manifest(tmp_path / "bundle").precision == precision
