"""Rows of `datasets/`: what a file may hold, and what is said where it does not."""

import json
from pathlib import Path

import pytest

from cloud_server.training.data import read_rows
from shared.errors import DataError

ROW = {"id": "r", "text": "sit", "lang": "en", "label": "Sit"} | {
    "source": "s",
    "license": "MIT",
    "synthetic": False,
}


def test_lines_are_those_of_json_lines(tmp_path: Path) -> None:
    said = "sit\u2028down"  # a line's end to str.splitlines
    history = [{"role": "user", "text": "sit"}]
    lines = [json.dumps({**ROW, "text": said, "history": history}, ensure_ascii=False), "", "  "]
    path = tmp_path / "rows.jsonl"
    path.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    (row,) = read_rows(path)
    assert (row.text, row.history[0].text) == (said, "sit")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("坐下".encode("gbk"), "rows.jsonl is not UTF-8"),
        (b"{", "line 1: no JSON"),
        (json.dumps({**ROW, "label": "Fly"}).encode(), "line 1: the label 'Fly' is no skill"),
        (json.dumps({**ROW, "colour": "red"}).encode(), "line 1: no row of a dataset"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_rows(path)
