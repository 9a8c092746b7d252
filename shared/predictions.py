"""A file of predictions: what a trained system makes of labelled rows, kept so that figures can be made again.

JSON Lines: first an object about the system (`data`: the hash of each file of rows; `adapter_sha256`: that of the adapter,
the edge's bundle's `shadow_sha256`), then one object a row, with the row's `id` and one of

- a detached shadow: `posterior`, its tags' probabilities above `LEAST_PROBABILITY`;
- the edge: the same, with `label` as decided by reflex and thresholds, `reflex` where it was that, else
  `joint`: how sure shadow and second reader together are of the tags;
- an answering model: `said`, the whole answer as it came, the `probability` of its first token, and `tag_probability`, that
  it begins a tag.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from shared.bundle import file_sha256
from shared.errors import ConfigurationError, DataError
from shared.output_file import written_whole
from shared.report import read_json_lines

LEAST_PROBABILITY = 1e-3


def data_marks(files: Sequence[Path]) -> dict[str, str]:
    """Return the hash of each file of rows by its name: predictions of other rows are not mixed up."""
    return {path.stem: file_sha256(path) for path in files}


def shorten_posterior(posterior: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the tags worth keeping, in the order given."""
    return {tag: round(value, 6) for tag, value in posterior if value >= LEAST_PROBABILITY}


def write_predictions(
    path: Path, about: dict[str, Any], predictions: Iterable[dict[str, Any]]
) -> None:
    """Write what is known about the system and then its predictions; ConfigurationError where impossible.

    Predictions may take minutes to come. Where they do not all come, what was written before stays.
    """
    try:
        with written_whole(path) as stream:
            for entry in chain([about], predictions):
                stream.write((json.dumps(entry, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        raise ConfigurationError(
            f"the predictions {path} cannot be written ({error.strerror or error})"
        ) from error


def read_predictions(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return what a file says about its system, and its predictions by row id; else DataError."""
    lines = list(read_json_lines(path))
    if not lines or "id" in lines[0][1]:
        raise DataError(f"{path} does not begin with a line about its system; predict again")
    found: dict[str, dict[str, Any]] = {}
    for where, entry in lines[1:]:
        name = entry.get("id")
        if not isinstance(name, str) or not {"posterior", "said"} & set(entry):
            raise DataError(f"{where}: no prediction (an id and a posterior or what was said)")
        if name in found:
            raise DataError(f"{where}: {name} was predicted before")
        found[name] = entry
    return lines[0][1], found
