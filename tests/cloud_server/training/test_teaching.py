"""A shadow is taught one more skill from a folder: it keeps the old ones, or there is no bundle."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result

from cloud_server.adapter_files import SECOND_READER_NAME, SECOND_READING_NAME, read_taught
from cloud_server.cli import main
from cloud_server.making import RECIPES
from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.training.base import load_base_to_train, load_training_base
from cloud_server.training.data import Row, hard_target
from cloud_server.training.lesson import Lesson, prepare_lesson, read_utterances, split
from cloud_server.training.recipe import DataSection, load_recipe, write_recipe
from cloud_server.training.teaching import lay_out
from cloud_server.training.teaching_report import lost
from shared.bundle import read_manifest
from shared.errors import BundleError, DataError
from shared.skills import BUILT_IN, SKILL_NAMES, remove_taught_skills, skill
from shared.tags import REMOTE, TAGS
from shared.taught_skill import TaughtSkill, learn_skills
from tests.cloud_server.modeling.conftest import shake

pytestmark = pytest.mark.usefixtures("built_in_catalogue")

EXAMPLE = Path("examples/push-ups")
DEFAULT = {"Sit": "sit", "TurnLeft": "left", "REMOTE": "weather"}
QUICK = (
    "bf16=false",
    "stages.0.batch_rows=16",
    "stages.0.augmentation={}",
    'stages.0.data={commands=["rows.jsonl"], answers=[], remote=["remote.jsonl"], '
    'validation=["rows.jsonl", "remote.jsonl"], calibration=["rows.jsonl", "remote.jsonl"]}',
)


@pytest.fixture
def taught() -> list[TaughtSkill]:
    return learn_skills([EXAMPLE])


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    directory = tmp_path / "datasets"
    directory.mkdir()
    for name, labels in (("rows", ("Sit", "TurnLeft")), ("remote", ("REMOTE",))):
        rows = [line(f"{DEFAULT[label]} {n}", label) for label in labels for n in range(8)]
        if name == "remote":
            rows.append(line("do forty push-ups", "REMOTE"))
        (directory / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return directory


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    torch.manual_seed(9)
    loaded = load_training_base("tiny", torch.float32)
    model = ShadowModel.create(loaded.model, ShadowConfig(num_shadow_layers=1))
    shake(model.shadow_model)
    directory = tmp_path / "shipped"
    model.save_pretrained(directory)
    (directory / "thresholds.json").write_text(json.dumps(dict.fromkeys("0123", 0.0)))
    return directory


def line(text: str, label: str, lang: str = "en") -> str:
    row = {"id": f"{label} {text}", "text": text, "lang": lang, "label": label}
    return json.dumps({**row, "source": "test", "license": "none", "synthetic": True})


def row(text: str, label: str, lang: str = "en") -> Row:
    return Row.model_validate_json(line(text, label, lang))


def run(folder: Path, datasets: Path, adapter: Path, out: Path, *changes: str) -> Result:
    arguments = ["teach", str(folder), "--profile", "tiny", "--datasets", str(datasets)]
    places = ["--adapter", str(adapter), "--out", str(out / "bundle"), "--run", str(out / "run")]
    sets = [each for change in (*QUICK, *changes) for each in ("--set", change)]
    return CliRunner().invoke(main, [*arguments, *places, *sets, "--json"])


def test_one_command_makes_a_bundle_that_knows_the_skill(
    datasets: Path, adapter: Path, tmp_path: Path
) -> None:
    result = run(EXAMPLE, datasets, adapter, tmp_path)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "run" / "teaching.json").read_text())
    assert report["taught"] == ["PushUps"]
    assert report["rows"]["set_aside"] == ["do forty push-ups"] * 3, "learnt, validated, calibrated"
    assert report["rows"]["new"] + report["rows"]["held_out"] == 121
    assert report["before"]["new"]["commands"]["right"] == 0, "an unknown skill is never right"
    assert report["seconds"]["processor"] > 0
    table = (tmp_path / "run" / "teaching.md").read_text()
    assert "PushUps understood (held out)" in table
    assert report["after"]["certified"] is False, "eight requests bound nothing"
    assert "The thresholds are **not certified**: requests: " in table
    assert report["after"]["doubts"][0] in table
    assert report["after"]["doubts"][0] in result.stderr
    manifest = read_manifest(tmp_path / "bundle")
    assert manifest.name == "tiny-pushups"
    assert manifest.taught == {"PushUps": 1}
    assert [each.tag for each in manifest.tags] == [*TAGS]
    assert len(manifest.tags) == 36
    assert manifest.tags[-1].tag == REMOTE
    assert read_taught(tmp_path / "run" / "adapter").skills == {"PushUps": 1}
    remove_taught_skills()
    with pytest.raises(BundleError, match=r"\[PushUps\(\)\], which this process was not taught"):
        read_manifest(tmp_path / "bundle")
    assert len(SKILL_NAMES) == len(BUILT_IN) == 34


def test_nothing_of_another_lesson_is_exported(
    datasets: Path, adapter: Path, tmp_path: Path
) -> None:
    before = tmp_path / "run" / "adapter"
    before.mkdir(parents=True)
    write_recipe(load_recipe(RECIPES / "teach.toml"), tmp_path / "run")
    for name in (SECOND_READER_NAME, SECOND_READING_NAME):
        (before / name).write_text("another lesson's")
    result = run(EXAMPLE, datasets, adapter, tmp_path)
    assert result.exit_code == 0, result.output
    assert not (before / SECOND_READER_NAME).exists()


@pytest.mark.parametrize("holds", ["the shadow", "another run", "another adapter", "another log"])
def test_only_a_lesson_is_replaced(
    holds: str, datasets: Path, adapter: Path, tmp_path: Path
) -> None:
    place = tmp_path / "run"
    place.mkdir()
    if holds == "the shadow":
        adapter = adapter.rename(place / "adapter")
        write_recipe(load_recipe(RECIPES / "teach.toml"), place)
    elif holds == "another run":
        write_recipe(load_recipe(RECIPES / "gemma-270m-on.toml"), place)
    elif holds == "another adapter":
        (place / "adapter").mkdir()
        (place / "adapter" / "shadow_adapter.safetensors").write_text("hours of work")
    else:
        (place / "log.jsonl").write_text("hours of work")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = run(EXAMPLE, datasets, adapter, tmp_path)
    assert result.exit_code == 2
    assert "choose another --run" in result.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_place_for_the_bundle_that_is_taken_is_refused_at_once(
    datasets: Path, adapter: Path, tmp_path: Path
) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.txt").write_text("years of work")
    result = run(EXAMPLE, datasets, adapter, tmp_path)
    assert result.exit_code == 2
    assert "choose another --out" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("stages.0.calibrate=true", "stages.0.calibrate"),
        ('stages.0.teacher="teacher.npz"', "stages.0.teacher"),
        ('stages.0.attached={every=2, data={commands=[], answers=[], remote=[], validation=[]}}', "stages.0.attached"),
        ('stages.0.data.whole={"rows.jsonl"=2}', "stages.0.data.whole"),
        ("stages.0.data.answer_repeats=3", "stages.0.data.answer_repeats"),
        ('stages.0.mode="joint"', "stages.0.mode"),
        ("shadow.layers=3", "shadow"),
        ('goes_on_from="models"', "goes_on_from"),
    ],
)  # fmt: skip
def test_what_teaching_does_not_do_is_refused_by_name(
    change: str, named: str, datasets: Path, adapter: Path, tmp_path: Path
) -> None:
    result = run(EXAMPLE, datasets, adapter, tmp_path, change)
    assert result.exit_code == 2
    assert f"leaves {named} of the recipe without effect" in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_shadow_is_taught_on_a_gpu(datasets: Path, adapter: Path, tmp_path: Path) -> None:
    result = run(EXAMPLE, datasets, adapter, tmp_path)
    assert result.exit_code == 0, result.output


def test_what_is_read_before_is_on_the_device_that_is_trained_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    moved: list[object] = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *to, **_: moved.extend(to) or self)
    load_base_to_train("tiny")
    assert "cuda" in moved


def test_a_shadow_that_forgets_gives_no_bundle(
    datasets: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud_server.training.teaching_report.lost", lambda report: 0.011)
    result = run(EXAMPLE, datasets, adapter, tmp_path)
    assert result.exit_code == 2
    assert "old skills lost 1.1%" in result.output
    assert not (tmp_path / "bundle").exists()


def test_what_is_lost_is_the_fall_of_old_commands() -> None:
    report = {
        when: {"old": {"commands": {"n": 200, "right": right}}}
        for when, right in (("before", 0.93), ("after", 0.915))
    }
    assert lost(report) == 0.015


def test_a_taught_shadow_is_not_taught_again_and_not_exported_without_its_skill(
    datasets: Path, adapter: Path, tmp_path: Path
) -> None:
    (adapter / "taught.json").write_text('{"skills": {"Nod": 1}, "texts": ["nod"]}')
    assert "was taught already" in run(EXAMPLE, datasets, adapter, tmp_path).output
    from cloud_server.training.export import export_bundle
    from shared.errors import ModelError

    remove_taught_skills()
    with pytest.raises(ModelError, match="was taught Nod, CLOUD_SKILLS names no skill"):
        export_bundle("tiny", adapter, tmp_path / "bundle")


def test_new_rows_are_a_quarter_and_old_ones_keep_their_posterior(
    taught: list[TaughtSkill],
) -> None:
    new = [row("push-up", "PushUps"), row("no push-up", "REMOTE")]
    old = [row(f"sit {n}", "Sit") for n in range(8)]
    asked: list[str] = []

    def know(texts: Sequence[str]) -> torch.Tensor:
        asked.extend(texts)
        return torch.tensor([[1.0 / 35] * 34 + [0.0] + [1.0 / 35]] * len(texts))

    stage = load_recipe(Path("cloud_server/training/recipes/teach.toml")).stages[0]
    lesson = Lesson(new, [], old, [], [], [])
    examples = lay_out(lesson, know, stage, 1)
    assert sorted(asked) == sorted(each.text for each in examples if each.row in old)
    assert [each.text for each in examples] == [
        each.text for each in lay_out(lesson, know, stage, 1)
    ]
    assert len(examples) == 11
    assert sum(each.row in new for each in examples) == 3
    for each in examples:
        assert sum(each.target) == pytest.approx(1)
        if each.row in new:
            assert each.target == hard_target(each.row.label)
        else:
            assert each.target[TAGS.index("[PushUps()]")] == 0
            assert each.target[TAGS.index("[Sit()]")] == pytest.approx(1 / 35)


@pytest.mark.parametrize(("epochs", "seen"), [(0.5, 4), (1, 8), (2.25, 18)])
def test_old_rows_come_as_often_as_the_recipe_says(
    taught: list[TaughtSkill], epochs: float, seen: int
) -> None:
    new, old = [row("push-up", "PushUps")], [row(f"sit {n}", "Sit") for n in range(8)]
    path = Path("cloud_server/training/recipes/teach.toml")
    stage = load_recipe(path, (f"stages.0.epochs={epochs}",)).stages[0]
    examples = lay_out(
        Lesson(new, [], old, [], [], []),
        lambda texts: torch.full((len(texts), len(TAGS)), 1 / len(TAGS)),
        stage,
        1,
    )
    assert sum(each.row in old for each in examples) == seen


def test_a_taught_shadows_bundle_does_not_take_the_place_of_the_shipped_one(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHADOWDOG_CACHE", str(tmp_path / "cache"))
    (adapter / "taught.json").write_text('{"skills": {"PushUps": 2}, "texts": ["push-ups"]}')
    targets: list[Path] = []

    def is_current(target: Path, *rest: object) -> bool:
        targets.append(target)
        return True

    monkeypatch.setattr("cloud_server.making.is_current", is_current)
    assert CliRunner().invoke(main, ["export-edge", "--adapter", str(adapter)]).exit_code == 0
    assert targets == [tmp_path / "cache" / "bundles" / "gemma-270m-pushups"]


def test_every_label_and_language_is_held_out() -> None:
    import random

    rows = [row(f"{label} {lang} {n}", label, lang) for label in ("PushUps", "REMOTE") for lang in ("en", "zh") for n in range(10)]  # fmt: skip
    learnt, held_out = split(rows, 0.2, random.Random(3))
    assert len(learnt) == 32
    assert len(held_out) == 8
    assert len({(each.label, each.lang) for each in held_out}) == 4
    assert not {each.id for each in learnt} & {each.id for each in held_out}


def folder_of(directory: Path, rows: list[dict[str, Any]]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "skill.toml").write_text((EXAMPLE / "skill.toml").read_text())
    text = "".join(json.dumps(each) + "\n" for each in rows)
    (directory / "utterances.jsonl").write_text(text)
    return directory


def example_rows() -> list[dict[str, Any]]:
    return [json.loads(each) for each in (EXAMPLE / "utterances.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows[30:], "holds 6 utterances of PushUps in en; write at least 20"),
        (lambda rows: rows[:80], "holds 7 near-misses"),
        (lambda rows: [*rows, {**rows[0], "text": "DO SOME push-ups"}], "more than once"),
        (lambda rows: [{**rows[0], "label": "Sit"}, *rows[1:]], "write PushUps or REMOTE"),
        (lambda rows: [{**rows[0], "label": "Fly"}, *rows[1:]], "is no skill"),
    ],
)
def test_utterances_that_teach_badly_are_refused(
    change: Any, says: str, tmp_path: Path, taught: list[TaughtSkill]
) -> None:
    folder = folder_of(tmp_path, change(example_rows()))
    with pytest.raises(DataError, match=says):
        read_utterances(taught[0], folder)


def test_a_text_of_the_default_data_may_not_change_its_label(
    datasets: Path, tmp_path: Path, taught: list[TaughtSkill]
) -> None:
    rows = example_rows()
    folder = folder_of(tmp_path / "folder", [{**rows[0], "text": "Sit 3"}, *rows[1:]])
    data = DataSection(commands=["rows.jsonl"], answers=[], remote=["remote.jsonl"], validation=[])
    with pytest.raises(DataError, match="'Sit 3' is PushUps here and Sit in the default data"):
        prepare_lesson(taught, [folder], data, datasets, 0.2, 1)


def test_a_text_that_only_the_second_reader_knows_may_not_change_its_label_either(
    datasets: Path, tmp_path: Path, taught: list[TaughtSkill]
) -> None:
    (datasets / "plain.jsonl").write_text(line("go forward two meters", "REMOTE") + "\n")
    rows = example_rows()
    folder = folder_of(tmp_path / "f", [{**rows[0], "text": "Go forward two meters"}, *rows[1:]])
    data = DataSection(commands=["rows.jsonl"], answers=[], remote=["remote.jsonl"], validation=[])
    prepare_lesson(taught, [folder], data, datasets, 0.2, 1)
    told = "'Go forward two meters' is PushUps here and REMOTE in the default data"
    with pytest.raises(DataError, match=told):
        prepare_lesson(taught, [folder], data, datasets, 0.2, 1, ["rows.jsonl", "plain.jsonl"])


def test_the_example_is_no_default_skill_and_holds_its_own_test(taught: list[TaughtSkill]) -> None:
    assert taught[0].name not in {each.name for each in BUILT_IN}
    assert skill("PushUps").say("zh").startswith("俯卧撑")
    learnt = {each.text.lower() for each in read_utterances(taught[0], EXAMPLE)}
    test = [json.loads(each) for each in (EXAMPLE / "test.jsonl").read_text().splitlines()]
    assert not learnt & {each["text"].lower() for each in test}
    assert len(test) == 48
