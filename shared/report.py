"""The report of an evaluation, in CONTRACT.md's form: rows in, counts and rates out."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError, DataError
from shared.output_file import written_whole
from shared.skills import SKILL_NAMES
from shared.text import guess_language


@dataclass(frozen=True)
class LabelledRow:
    """One labelled utterance; `text` is as in the file, `id` where it has one."""

    text: str
    label: str
    lang: str
    id: str | None = None


@dataclass(frozen=True)
class Item:
    """What was decided about a row; `predicted` is after thresholds."""

    text: str
    label: str
    predicted: str
    probability: float
    acted: bool


def read_rows(path: Path) -> list[LabelledRow]:
    """Return the rows of a JSON Lines file; DataError names the line that is wrong."""
    rows = [_parse_row(where, value) for where, value in read_json_lines(path)]
    if not rows:
        raise DataError(f"{path} holds no rows")
    return rows


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object of a JSON Lines file with where it stands; empty lines are skipped."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason} at byte {error.start})") from error
    for number, line in enumerate(content.split("\n"), 1):  # U+2028 may stand inside a string
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(f"{where}: no JSON ({error})") from None
        except RecursionError:
            raise DataError(f"{where}: its JSON is nested too deeply to be read") from None
        if not isinstance(value, dict):
            raise DataError(f"{where}: not an object with keys")
        yield where, value


def _parse_row(where: str, value: dict[str, Any]) -> LabelledRow:
    text, label, lang = value.get("text"), value.get("label"), value.get("lang")
    if not isinstance(text, str):
        raise DataError(f"{where}: `text` is missing or no string")
    if not isinstance(label, str) or label not in (*SKILL_NAMES, "REMOTE"):
        raise DataError(f"{where}: `label` must be REMOTE or a skill's name, not {label!r}")
    if lang is not None and not isinstance(lang, str):
        raise DataError(f"{where}: `lang` must be a string")
    name = value.get("id")
    return LabelledRow(
        text, label, lang or guess_language(text), None if name is None else str(name)
    )


def summarise(rows: Sequence[LabelledRow], items: Sequence[Item]) -> dict[str, Any]:
    """Return the report's counts and rates; a rate without any row to count is None."""
    by_lang: dict[str, list[bool]] = defaultdict(list)
    by_label: dict[str, list[bool]] = defaultdict(list)
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    for row, item in zip(rows, items, strict=True):
        right = item.predicted == item.label
        by_lang[row.lang].append(right)
        by_label[item.label].append(right)
        confusion[item.label][item.predicted] += 1
    return {
        "n": len(items),
        "accuracy": _share([item.predicted == item.label for item in items]),
        "by_lang": {name: _group(right) for name, right in sorted(by_lang.items())},
        "by_label": {name: _group(right) for name, right in sorted(by_label.items())},
        "confusion": {label: dict(counts) for label, counts in sorted(confusion.items())},
        "false_execute_rate": _share([item.acted for item in items if item.label == "REMOTE"]),
        "false_defer_rate": _share([not item.acted for item in items if item.label != "REMOTE"]),
    }


def _group(right: Sequence[bool]) -> dict[str, Any]:
    return {"n": len(right), "accuracy": _share(right)}


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the percentile by linear interpolation, rounded to microseconds; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return round(ordered[low] + (ordered[high] - ordered[low]) * (position - low), 3)


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a report as one JSON object, whole or not at all; ConfigurationError where impossible."""
    text = json.dumps(report, ensure_ascii=False, indent=1)
    try:
        content = text.encode()
    except UnicodeEncodeError:  # a lone surrogate in a text; escaped, it comes back verbatim
        content = json.dumps(report, indent=1).encode()
    try:
        with written_whole(path) as stream:
            stream.write(content + b"\n")
    except OSError as error:
        raise ConfigurationError(
            f"the report {path} cannot be written ({error.strerror or error})"
        ) from error
