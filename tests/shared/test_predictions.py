"""Files of predictions: written, read, and refused where they are none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigurationError, DataError
from shared.predictions import (
    data_marks,
    read_predictions,
    shorten_posterior,
    write_predictions,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "p.jsonl"
    predictions = [{"id": "a", "posterior": {"[Sit()]": 0.9}}, {"id": "b", "said": "好\u2028"}]
    write_predictions(path, {"system": "x"}, predictions)
    assert read_predictions(path) == ({"system": "x"}, {each["id"]: each for each in predictions})


def test_a_posterior_keeps_its_order_and_what_is_worth_it() -> None:
    shortened = shorten_posterior([("[Sit()]", 0.9991234567), ("[Bark()]", 0.0009)])
    assert list(shortened.items()) == [("[Sit()]", 0.999123)]


def test_data_are_marked_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("1\n")
    before = data_marks([path])
    path.write_text("2\n")
    assert set(before) == {"rows"}
    assert data_marks([path]) != before


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "does not begin"),
        ('{"id": "a", "said": ""}\n', "does not begin"),
        ('{"system": "x"}\n{"id": "a"}\n', "line 2: no prediction"),
        ('{"system": "x"}\n{"said": "a"}\n', "line 2: no prediction"),
        ('{"system": "x"}\n{"id": "a", "said": ""}\n{"id": "a", "said": ""}\n', "line 3: a was"),
        ('{"system": "x"}\n{"id"\n', "line 2: no JSON"),
    ],
)
def test_what_is_no_file_of_predictions_is_named(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=what):
        read_predictions(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_predictions(tmp_path, {}, [])


@pytest.mark.parametrize("end", [RuntimeError("no memory"), KeyboardInterrupt()])
def test_what_was_predicted_before_stays_where_predicting_fails(
    tmp_path: Path, end: BaseException
) -> None:
    path = tmp_path / "p.jsonl"
    write_predictions(path, {"system": "x"}, [{"id": "a", "said": "before"}])

    def predict() -> Iterator[dict[str, Any]]:
        yield {"id": "a", "said": "now"}
        raise end

    with pytest.raises(type(end)):
        write_predictions(path, {"system": "y"}, predict())
    assert read_predictions(path)[1]["a"]["said"] == "before"
    assert list(tmp_path.iterdir()) == [path], "nothing half written is left"
