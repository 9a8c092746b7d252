"""The page and its pictures from hand-made predictions, and the committed ones against the committed page."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cloud_server.cli import main
from cloud_server.evaluation.latency import FORMS, read_latency
from cloud_server.evaluation.page import evaluate_system, render
from cloud_server.evaluation.statistics import Share
from cloud_server.evaluation.systems import NAMES
from shared.errors import DataError
from shared.predictions import data_marks, write_predictions

ROOT = Path(__file__).resolve().parents[3]
THRESHOLDS = {"0": 0.5, "1": 0.8, "2": 0.9, "3": 0.99}

TESTS: dict[str, list[tuple[str, str, str, str | None]]] = {
    "test_normal": [("sit", "en", "Sit", None), ("坐下", "zh", "Sit", None)],
    "test_remote": [("how far is the moon", "en", "REMOTE", "request")],
    "test_remote_extra": [("你怕狗叫吗", "zh", "REMOTE", "near_miss")],
    "test_extra": [("flip", "en", "FrontFlip", None), ("fly", "en", "REMOTE", "motion")],
    "calibration": [("bark", "en", "Bark", None), ("why", "en", "REMOTE", "request")],
    "table3_inputs": [("Hey dog, play kungfu", "en", "PlayKungFu", None)],
}
SURE = {"test_normal-0": "Sit", "calibration-0": "Bark", "table3_inputs-0": "PlayKungFu"}
EDGE = {
    **{f"{file}-{n}": {"[REMOTE]": 1.0} for file, rows in TESTS.items() for n in range(len(rows))},
    **{name: {f"[{skill}()]": 0.95, "[REMOTE]": 0.05} for name, skill in SURE.items()},
    "test_normal-1": {"[REMOTE]": 0.4, "[Sit()]": 0.6},
    "test_remote_extra-0": {"[REMOTE]": 0.45, "[Bark()]": 0.55},
    "test_extra-0": {"[FrontFlip()]": 0.95, "[REMOTE]": 0.05},
}
SAID = {
    "test_normal-0": "[Sit()] Sitting.",
    "test_normal-1": "[Sit()] 坐下啦。",
    "test_remote-0": "It is so far, so far, so far, so far, so",
    "test_remote_extra-0": "[Bark()] 汪汪！",
    "test_extra-0": "[FrontFlip()] Flip!",
    "test_extra-1": "[FlyAway()] Up!",
    "table3_inputs-0": "[PlayKungFu()] Hi-ya | ha!",
    "calibration-0": "[Bark()] Woof!",
    "calibration-1": "[Sit()] Hm.",
}


def write_world(folder: Path) -> tuple[Path, Path]:
    """Write small datasets and predictions of every system; return their folders."""
    datasets, place = folder / "datasets", folder / "evaluation"
    datasets.mkdir()
    (place / "predictions").mkdir(parents=True)
    files = []
    for name, rows in TESTS.items():
        path = (place if name == "table3_inputs" else datasets) / f"{name}.jsonl"
        files.append(path)
        lines = []
        for number, (text, lang, label, kind) in enumerate(rows):
            row = {"id": f"{name}-{number}", "text": text, "lang": lang, "label": label}
            row |= {"source": "shadowdog/a", "license": "Apache-2.0"}
            row |= {"synthetic": True} | ({"kind": kind} if kind else {})
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        path.write_text("".join(lines), encoding="utf-8")
    about: dict[str, Any] = {"data": data_marks(files), "device": "none"}
    shadow = {"shadow_model": 2_000_000, "shadow_update_model": 500_000}

    def write(key: str, more: dict[str, Any], predictions: list[dict[str, Any]]) -> None:
        write_predictions(place / "predictions" / f"{key}.jsonl", {**about, **more}, predictions)

    edge = [{"id": n, "label": SURE.get(n, "REMOTE"), "posterior": p} for n, p in EDGE.items()]
    write("edge", {"thresholds": THRESHOLDS}, edge)
    for key in ("detached", "detached_uncalibrated"):
        predictions = [{"id": name, "posterior": posterior} for name, posterior in EDGE.items()]
        write(key, {"thresholds": THRESHOLDS, "trained_parameters": shadow}, predictions)
    for key in ("attached", "attached_no_update", "lora", "dora"):
        answers = [
            {"id": name, "said": said, "probability": 0.9, "cut": said.endswith("so")}
            for name, said in SAID.items()
        ]
        lora = {"learning_rates_tried": {"1e-4": "90.0 %"}, "answer_tokens": 16, "texts_seen": 1234}
        more = {"lora": lora, "dora": {"note": "of other rows"}}.get(key, {})
        write(key, {"trained_parameters": shadow, **more}, answers)
    milliseconds = {name: {"p50": 1.0, "p95": 2.0, "mean": 10.0} for name in FORMS}
    latency = {"machine": "a slide rule", "rows": 6, "decisions": milliseconds}
    (place / "latency.json").write_text(json.dumps(latency))
    return place, datasets


def test_what_is_counted_is_what_the_systems_do(tmp_path: Path) -> None:
    evaluation = evaluate_system(*write_world(tmp_path))
    edge, deployed, attached = (evaluation.counted[key] for key in ("edge", "deployed", "attached"))
    assert edge.commands["test_normal"] == Share(1, 2)
    assert deployed.commands["test_normal"] == Share(2, 2)
    assert deployed.commands["test_normal zh"] == Share(1, 1)
    assert deployed.commands["test_extra"] == Share(0, 1)  # a flip is not the cloud's to ask for
    assert (edge.deferred, deployed.deferred) == (Share(2, 3), Share(1, 3))
    assert attached.acted_on["near-misses"] == Share(1, 1)
    assert edge.acted_on["near-misses"] == Share(0, 1)
    assert deployed.acted_on["near-misses"] == Share(1, 1)  # the edge held it possible, at 0.55
    assert (attached.invented, deployed.invented) == (Share(1, 6), Share(0, 6))
    assert deployed.routes == {"reflex": 0, "edge": 1, "cloud": 2, "model": 0}
    assert deployed.right == Share(4, 6)
    assert deployed.paper_split == Share(3, 3)
    assert deployed.tier_3 == Share(0, 3)
    assert deployed.acted_by_language == {"en": Share(0, 2), "zh": Share(1, 1)}
    assert edge.separation == 1.0
    assert evaluation.counted["lora"].separation is None  # its tags' probabilities were not kept
    spoken, bare = (evaluation.qualities[key] for key in ("deployed", "attached"))
    assert spoken.in_language == bare.in_language == Share(1, 1)
    assert (spoken.without_loops, bare.without_loops) == (Share(1, 1), Share(0, 1))
    assert (spoken.ended, bare.ended) == (Share(1, 1), Share(0, 1))
    assert [each.acted_on["general requests"] for each in evaluation.beliefs[:2]] == [
        Share(1, 1),  # at 0: there is no rule
        Share(0, 1),
    ]
    assert {each.commands for each in evaluation.beliefs} == {Share(1, 1)}
    latency = evaluation.latency
    assert latency is not None
    means = latency.means(evaluation.systems["deployed"].decisions)
    assert (means["edge"], means["deployed"]) == (10.0, pytest.approx(10 + 10 * 5 / 6))


def test_predictions_of_other_inputs_of_the_papers_table_are_refused(tmp_path: Path) -> None:
    place, datasets = write_world(tmp_path)
    inputs = place / "table3_inputs.jsonl"
    inputs.write_text(inputs.read_text(encoding="utf-8").replace('"text": "', '"text": "so, ', 1))
    with pytest.raises(DataError, match=r"was made of another .*table3_inputs"):
        evaluate_system(place, datasets)


def test_the_page_holds_every_system_and_comes_out_the_same_again(tmp_path: Path) -> None:
    place, datasets = write_world(tmp_path)
    page = tmp_path / "evaluation.md"
    given = ["--folder", str(place), "--datasets", str(datasets), "--page", str(page)]
    result = CliRunner().invoke(main, ["evaluate-system", *given])
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    for name in NAMES.values():
        assert f"| {name} |" in text
    assert "2.0 M" in text
    assert "2.5 M" in text
    assert "a slide rule" in text
    assert "1e-4: 90.0 %" in text
    assert "**DoRA is of other rows.**" in text
    assert "| 1,234 |" in text
    answers = text.partition("## Answers")[2].partition("## The ten")[0]
    assert "| DoRA |" in answers
    assert "| LoRA |" not in answers  # 16 tokens are enough for a tag, not for an answer
    assert "\\[PlayKungFu()] Hi-ya \\| ha!" in text
    pictures = {path.name: path.read_bytes() for path in place.glob("*.svg")}
    assert set(pictures) == {"risk_coverage.svg", "reliability.svg", "accuracy_latency.svg"}
    assert all(f"](evaluation/{name})" in text for name in pictures)
    assert CliRunner().invoke(main, ["evaluate-system", *given]).exit_code == 0
    assert page.read_text(encoding="utf-8") == text
    assert {path.name: path.read_bytes() for path in place.glob("*.svg")} == pictures


def test_what_is_not_needed_may_be_missing_and_is_said_to_be(tmp_path: Path) -> None:
    place, datasets = write_world(tmp_path)
    for name in ("lora", "dora", "detached_uncalibrated", "attached_no_update"):
        (place / "predictions" / f"{name}.jsonl").unlink()
    (place / "latency.json").unlink()
    text = render(evaluate_system(place, datasets), "evaluation")
    assert "Not predicted yet: LoRA, DoRA" in text
    assert "not measured yet" in text
    assert "McNemar" in text


@pytest.mark.parametrize("name", ["edge", "detached", "attached"])
def test_what_is_needed_may_not(tmp_path: Path, name: str) -> None:
    place, datasets = write_world(tmp_path)
    (place / "predictions" / f"{name}.jsonl").unlink()
    with pytest.raises(DataError, match=f"{name}.jsonl is missing"):
        evaluate_system(place, datasets)


def test_predictions_of_other_rows_are_refused(tmp_path: Path) -> None:
    place, datasets = write_world(tmp_path)
    path = datasets / "test_normal.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"sit"', '"sit!"'), encoding="utf-8")
    with pytest.raises(DataError, match=r"was made of another .*test_normal"):
        evaluate_system(place, datasets)


def test_predictions_that_lack_rows_are_refused(tmp_path: Path) -> None:
    place, datasets = write_world(tmp_path)
    path = place / "predictions" / "lora.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "test_extra-1" not in line), encoding="utf-8")
    with pytest.raises(DataError, match=r"lora\.jsonl lacks 1 rows.*test_extra-1"):
        evaluate_system(place, datasets)


def tell(place: Path, key: str, **more: Any) -> None:
    """Put more into a file's first line."""
    path = place / "predictions" / f"{key}.jsonl"
    first, rest = path.read_text(encoding="utf-8").split("\n", 1)
    path.write_text(json.dumps({**json.loads(first), **more}) + "\n" + rest, encoding="utf-8")


def test_systems_that_are_not_of_one_shadow_are_said_to_be_so(tmp_path: Path) -> None:
    place, datasets = write_world(tmp_path)

    def page() -> str:
        return render(evaluate_system(place, datasets), "evaluation")

    untold = "Whether all of it is of one shadow is not told (edge alone: adapter not told, "
    assert untold in page()
    tell(place, "edge", adapter_sha256="a" * 64)
    tell(place, "detached", adapter_sha256="a" * 64)
    assert "Whether all of it is of one shadow is not told (edge alone: adapter aaaaaaaaaaaa, " in (
        page()
    )
    tell(place, "attached", adapter_sha256="b" * 64)
    assert (
        "**What is put together here is not of one shadow (edge alone: adapter aaaaaaaaaaaa, "
        "detached shadow alone, fp32: adapter aaaaaaaaaaaa, attached shadow alone: adapter "
        "bbbbbbbbbbbb).**"
    ) in page()
    tell(place, "attached", adapter_sha256="a" * 64)
    text = page()
    assert "of one shadow" not in text
    assert "- `attached.jsonl`, attached shadow alone: adapter aaaaaaaaaaaa, " in text
    assert "- `dora.jsonl`, DoRA: adapter not told, " in text


def test_latencies_of_another_form_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    assert read_latency(path) is None
    path.write_text('{"machine": "m", "rows": 1, "decisions": {"edge": {}}}')
    with pytest.raises(DataError, match="lacks"):
        read_latency(path)
    path.write_text("[]")
    with pytest.raises(DataError, match="no output"):
        read_latency(path)


def test_the_committed_page_is_what_the_committed_predictions_give() -> None:
    folder = ROOT / "docs" / "evaluation"
    if not (folder / "predictions").is_dir():
        pytest.skip("no predictions are committed yet")
    evaluation = evaluate_system(folder, ROOT / "datasets")
    committed = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert render(evaluation, "evaluation") == committed, "run `make evaluation`"
