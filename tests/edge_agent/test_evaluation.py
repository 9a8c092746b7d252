"""The evaluation: its input's errors and its report's figures."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_agent.evaluation import evaluate
from shared.errors import DataError
from shared.report import LabelledRow, percentile, read_rows, write_report


class Recognizer:
    manifest: Any = SimpleNamespace(name="fake", fingerprint="f" * 64)

    def decide(self, text: str) -> Any:
        tags = {"sit": "[Sit()]", "dance": "[Dance()]", "坐下": "[Sit()]"}
        return SimpleNamespace(tag=tags.get(text, "[REMOTE]"), probability=0.75)


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def ticks() -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += 0.002


def test_again_is_deferred_as_the_agent_defers_it() -> None:
    class Sure(Recognizer):
        def decide(self, text: str) -> Any:
            posterior = SimpleNamespace(ranked=[("[Dance()]", 0.9)])
            return SimpleNamespace(
                tag="[Dance()]", probability=0.9, posterior=posterior, joint=[("[Dance()]", 0.9)]
            )

    rows = [LabelledRow(text, "REMOTE", "en") for text in ("do it again", "再来一次", "dance")]
    items = evaluate(rows, Sure())["items"]
    assert [each["predicted"] for each in items] == ["REMOTE", "REMOTE", "Dance"]


def test_the_report_has_the_contracts_form(tmp_path: Path) -> None:
    data = write_lines(
        tmp_path / "data.jsonl",
        '\ufeff{"text": "sit", "label": "Sit", "lang": "en", "id": 7}',
        '{"text": "  Sit!  ", "label": "Sit"}',
        "",
        '{"text": "坐下", "label": "Sit"}',
        '{"text": "Stop!\\u2028", "label": "StopMove", "lang": null}',
        '{"text": "dance", "label": "REMOTE", "lang": "en"}',
        '{"text": "weather", "label": "REMOTE", "lang": "en"}',
        '{"text": "...", "label": "REMOTE"}',
    )
    rows = read_rows(data)
    clock = ticks()
    report = evaluate(rows, Recognizer(), clock=lambda: next(clock))
    assert set(report) == {
        "n",
        "accuracy",
        "by_lang",
        "by_label",
        "confusion",
        "false_execute_rate",
        "false_defer_rate",
        "ms",
        "bundle",
        "items",
    }
    assert (report["n"], report["accuracy"]) == (7, 5 / 7)
    assert report["by_lang"]["zh"] == {"n": 1, "accuracy": 1.0}
    assert report["by_lang"]["other"] == {"n": 1, "accuracy": 1.0}
    assert report["by_label"]["Sit"] == {"n": 3, "accuracy": 2 / 3}
    assert report["confusion"]["REMOTE"] == {"Dance": 1, "REMOTE": 2}
    assert report["false_execute_rate"] == 1 / 3
    assert report["false_defer_rate"] == 1 / 4
    assert report["ms"] == {"p50": pytest.approx(2.0), "p95": pytest.approx(2.0)}
    assert report["bundle"] == {"name": "fake", "fingerprint": "f" * 64}
    assert [item["text"] for item in report["items"]] == [row.text for row in rows]
    assert report["items"][1] == {
        "text": "  Sit!  ",
        "label": "Sit",
        "predicted": "REMOTE",
        "probability": 0.75,
        "acted": False,
    }
    assert report["items"][3]["predicted"] == "StopMove"


def test_rates_without_rows_are_null(tmp_path: Path) -> None:
    data = write_lines(tmp_path / "data.jsonl", '{"text": "sit", "label": "Sit"}')
    assert evaluate(read_rows(data), Recognizer())["false_execute_rate"] is None
    write_lines(data, '{"text": "why", "label": "REMOTE"}')
    assert evaluate(read_rows(data), Recognizer())["false_defer_rate"] is None


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "no JSON"),
        ("[1]", "not an object"),
        ('{"label": "Sit"}', "`text`"),
        ('{"text": 3, "label": "Sit"}', "`text`"),
        ('{"text": "sit"}', "`label`"),
        ('{"text": "sit", "label": "[Sit()]"}', "`label`"),
        ('{"text": "sit", "label": "Fly"}', "`label`"),
        ('{"text": "sit", "label": "Sit", "lang": 3}', "`lang`"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, what: str) -> None:
    data = write_lines(tmp_path / "data.jsonl", '{"text": "sit", "label": "Sit"}', line)
    with pytest.raises(DataError, match=f"line 2: .*{what}"):
        read_rows(data)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match="no rows"):
        read_rows(write_lines(tmp_path / "empty.jsonl", ""))
    (tmp_path / "latin.jsonl").write_bytes(b'{"text": "caf\xe9"}')
    with pytest.raises(DataError, match="UTF-8"):
        read_rows(tmp_path / "latin.jsonl")


def test_a_report_is_written_whole_and_verbatim(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.json"
    for text in ("坐下\u2028", "\ud83d"):
        write_report(path, {"text": text})
        assert json.loads(path.read_bytes()) == {"text": text}
    assert [each.name for each in path.parent.iterdir()] == ["report.json"]


def test_percentiles() -> None:
    assert percentile([], 50) is None
    assert percentile([3.0], 95) == 3.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.5
