"""What is read for a report; its figures are tested with the evaluations."""

from pathlib import Path

import pytest

from shared.errors import DataError
from shared.report import read_json_lines


def test_a_line_that_is_nested_too_deeply_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "sit"}\n{"text": ' + "[" * 200_000 + "\n")
    with pytest.raises(DataError, match=r"line 2: .*nested too deeply"):
        list(read_json_lines(path))
