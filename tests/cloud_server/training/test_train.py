"""A recipe runs from nothing to an adapter, learns, and goes on where it was interrupted."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cloud_server.training import train as train_module
from cloud_server.training import trainer
from cloud_server.training.data import Row, draw
from cloud_server.training.recipe import (
    DataSection,
    Recipe,
    load_recipe,
    read_recipe,
    write_recipe,
)
from cloud_server.training.soft_targets import write_soft_targets
from cloud_server.training.train import stage_rows, train
from shared.errors import ConfigurationError, DataError
from shared.tags import TAGS

WORDS = {"Sit": "sit", "TurnLeft": "left", "REMOTE": "weather"}
SHIPPED = Path("cloud_server/training/recipes/gemma-270m.toml")


def write_data(directory: Path) -> None:
    rows = [
        {
            "id": f"{label}-{number}",
            "text": f"{word} {number}",
            "lang": "en",
            "label": label,
            "source": "test",
            "license": "none",
            "synthetic": True,
            **({"answer": "No idea."} if label == "REMOTE" and number % 2 else {}),
        }
        for label, word in WORDS.items()
        for number in range(8)
    ]
    lines = "".join(json.dumps(each) + "\n" for each in rows)
    (directory / "rows.jsonl").write_text(lines)


def recipe(**changes: Any) -> Recipe:
    data = {"commands": ["rows.jsonl"], "answers": [], "remote": [], "validation": ["rows.jsonl"]}
    stage = {"mode": "detached", "batch_rows": 8, "learning_rate": 0.02, "data": data}
    stages = [
        {**stage, "name": "tags", "epochs": 24},
        {**stage, "name": "joint", "mode": "joint", "epochs": 1},
    ]
    shadow = {"layers": 1, "start": "random"}
    return Recipe.model_validate(
        {
            "name": "t",
            "profile": "tiny",
            "bf16": False,
            "shadow": shadow,
            "stages": stages,
            **changes,
        }
    )


def test_a_recipe_learns_and_is_finished_once(tmp_path: Path) -> None:
    write_data(tmp_path)
    run = tmp_path / "run"
    adapter = train(recipe(), tmp_path, run)
    figures = json.loads((adapter / "figures.json").read_text())
    assert figures["commands"]["n"] == 16
    assert figures["remote"] == {"n": 8, "acted_on": 0.0}
    losses = [
        entry["loss_tag"]
        for entry in map(json.loads, (run / "log.jsonl").read_text().splitlines())
        if "loss_tag" in entry
    ]
    assert min(losses) < 0.85 * losses[0], "a tiny random model learns at least the labels' shares"
    tensors = load_file(adapter / "shadow_adapter.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    stages = [json.loads(line)["stage"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert set(stages) == {"tags", "joint"}
    assert (adapter / "loss.png").stat().st_size > 1000
    again = train(recipe(), tmp_path, run)
    same = load_file(again / "shadow_adapter.safetensors")
    assert all(torch.equal(tensor, same[name]) for name, tensor in tensors.items())
    assert len((run / "log.jsonl").read_text().splitlines()) == len(stages)


def test_a_run_is_gone_on_with_only_by_its_recipe(tmp_path: Path) -> None:
    write_data(tmp_path)
    run = tmp_path / "run"
    train(recipe(threads=1), tmp_path, run)
    before = (run / "recipe.json").read_text()
    stages = [stage.model_copy(update={"epochs": 2.0}) for stage in recipe().stages]
    other = recipe(seed=1).model_copy(update={"stages": stages})
    with pytest.raises(
        ConfigurationError,
        match=r"\(seed, stages\.0\.epochs, stages\.1\.epochs differ\); choose another --out, or remove",
    ):
        train(other, tmp_path, run)
    assert (run / "recipe.json").read_text() == before
    train(recipe(threads=2), tmp_path, run)
    torch.set_num_threads(1)
    (run / "recipe.json").write_text('{"name"')
    with pytest.raises(ConfigurationError, match=r"recipe\.json is no recipe that can be read"):
        train(recipe(), tmp_path, run)


def test_a_run_is_gone_on_with_only_by_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(tmp_path)
    start = train(recipe(seed=3), tmp_path, tmp_path / "start")
    made = recipe(goes_on_from=start)
    first, joint = made.stages
    posteriors = torch.full((1, len(TAGS)), 1 / len(TAGS))
    write_soft_targets(tmp_path / "soft.npz", ["Sit-0"], posteriors)
    first = first.model_copy(update={"teacher": "soft.npz"})
    made = made.model_copy(update={"stages": [first, joint]})
    run = tmp_path / "run"
    train(made, tmp_path, run)
    files = {"rows.jsonl", "soft.npz"}
    assert json.loads((run / "inputs.json").read_text())["files"].keys() == files

    monkeypatch.setattr(train_module, "load_base_to_train", lambda _: pytest.fail("went on"))
    for path in (tmp_path / "rows.jsonl", tmp_path / "soft.npz", start / "shadow_config.json"):
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        name = start if path.parent == start else path.name
        with pytest.raises(ConfigurationError, match=rf"\(changed since: {re.escape(str(name))}\)"):
            train(made, tmp_path, run)
        path.write_bytes(before)
    (tmp_path / "soft.npz").unlink()
    with pytest.raises(DataError, match=r"soft\.npz cannot be read"):
        train(made, tmp_path, run)
    assert "cannot be checked" not in capsys.readouterr().out


def test_a_run_of_before_hashes_were_noted_goes_on_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(tmp_path)
    run = tmp_path / "run"
    train(recipe(), tmp_path, run)
    (run / "inputs.json").unlink()
    train(recipe(), tmp_path, run)
    assert "are still the same cannot be checked" in capsys.readouterr().out
    assert not (run / "inputs.json").exists(), "what it was begun with is not known now either"


def low_rank_recipe() -> Recipe:
    made = recipe(save_steps=15, low_rank={"method": "dora", "rank": 2, "dropout": 0.0})
    return made.model_copy(
        update={"stages": [each.model_copy(update={"mode": "joint"}) for each in made.stages]}
    )


def thin_recipe() -> Recipe:
    made = recipe(save_steps=15)
    first, joint = made.stages
    return made.model_copy(update={"stages": [first.model_copy(update={"change_rank": 2}), joint]})


@pytest.mark.parametrize(
    ("made", "weights"),
    [
        (recipe(save_steps=15), "shadow_adapter.safetensors"),
        (thin_recipe(), "shadow_adapter.safetensors"),
        (low_rank_recipe(), "adapter_model.safetensors"),
    ],
    ids=["shadow", "thin", "low-rank"],
)
def test_an_interrupted_stage_resumes(
    made: Recipe, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_data(tmp_path)
    whole = train(made, tmp_path, tmp_path / "whole")

    def interrupt(self: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 24:
            raise KeyboardInterrupt

    steps: list[int] = []

    def note(self: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        steps.append(state.global_step)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.JsonLinesLog, "on_step_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(made, tmp_path, tmp_path / "broken")
    (tmp_path / "broken" / "tags" / "checkpoint-30").mkdir()  # one that was being written
    with monkeypatch.context() as patch:
        patch.setattr(trainer.JsonLinesLog, "on_step_end", note)
        resumed = train(made, tmp_path, tmp_path / "broken")
    assert steps[0] == 16, (
        "the checkpoint is of step 15; step 20 was logged before and is logged anew"
    )
    logged = [
        [(each["stage"], each["step"]) for each in map(json.loads, (run / "log.jsonl").open())]
        for run in (tmp_path / "whole", tmp_path / "broken")
    ]
    assert logged[0] == logged[1]
    one, two = (load_file(each / weights) for each in (whole, resumed))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name].float(), tensor.float(), atol=2e-2, rtol=2e-2)
    again = load_file(train(made, tmp_path, tmp_path / "broken") / weights)
    assert all(torch.equal(again[name], two[name]) for name in two), "nothing is trained twice"


@pytest.mark.parametrize(
    "name",
    [
        "gemma-270m",
        "gemma-270m-on",
        "gemma-270m-attached",
        "gemma-270m-teacher",
        "gemma-270m-lora",
        "teach",
    ],
)
def test_the_shipped_recipes_are_valid(name: str) -> None:
    assert load_recipe(SHIPPED.with_stem(name)).profile == "gemma-270m"


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("gemma-270m-on", ["shadow.update=true"], "goes_on_from leaves shadow.update without"),
        ("gemma-270m-on", ["shadow.layers=4", "shadow.rank=8"], "shadow.layers, shadow.rank"),
        (
            "gemma-270m-on",
            ["stages.0.shadow_rate_multiplier=0.0"],
            "change_rank learns at the whole",
        ),
        ("gemma-270m-lora", ['goes_on_from="models"'], "low_rank leaves goes_on_from without"),
        ("gemma-270m-lora", ["shadow.layers=4"], "low_rank leaves shadow.layers without"),
        (
            "gemma-270m-lora",
            ["stages.0.change_rank=8"],
            "low_rank leaves stages.0.change_rank without",
        ),
        ("gemma-270m-lora", ['stages.0.teacher="t.npz"'], "stages.0.teacher"),
        ("gemma-270m-lora", ["stages.0.calibrate=true"], "stages.0.calibrate"),
        ("gemma-270m-lora", ["stages.0.shadow_rate_multiplier=1.0"], "shadow_rate_multiplier"),
    ],
)
def test_what_would_have_no_effect_is_refused_by_name(
    name: str, changes: list[str], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        load_recipe(SHIPPED.with_stem(name), changes)


@pytest.mark.parametrize("name", ["gemma-270m-on", "gemma-270m-lora"])
def test_a_resolved_recipe_is_read_again(name: str, tmp_path: Path) -> None:
    made = load_recipe(SHIPPED.with_stem(name))
    write_recipe(made, tmp_path)
    assert read_recipe(Recipe, tmp_path) == made


def test_a_recipe_is_changed_from_the_command_line() -> None:
    dora = load_recipe(SHIPPED.with_stem("gemma-270m-lora"), ['low_rank.method="dora"'])
    assert dora.low_rank is not None
    assert dora.low_rank.method == "dora"
    changed = load_recipe(SHIPPED, ["shadow.layers=6", "stages.0.epochs=1", 'name="six"'])
    assert (changed.shadow.layers, changed.stages[0].epochs, changed.name) == (6, 1, "six")
    for wrong in ("shadow.layer=6", "stages.9.epochs=1", "name=six", "seed"):
        with pytest.raises(ConfigurationError):
            load_recipe(SHIPPED, [wrong])


def test_wrong_recipes_and_rows_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    with pytest.raises(ConfigurationError, match=r"calibrate = true needs data\.calibration"):
        load_recipe(SHIPPED, ["stages.0.calibrate=true", "stages.0.data.calibration=[]"])
    path.write_text(SHIPPED.read_text().replace("epochs", "epoks"))
    with pytest.raises(ConfigurationError, match="epoks"):
        load_recipe(path)
    path.write_text("= nonsense")
    with pytest.raises(ConfigurationError, match="wrong"):
        load_recipe(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")
    write_data(tmp_path)
    with (tmp_path / "rows.jsonl").open("a") as stream:
        stream.write('{"id": "x"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl, line 25"):
        train(recipe(), tmp_path, tmp_path / "run")


def test_no_cap_falls_on_whole_files(tmp_path: Path) -> None:
    write_data(tmp_path)
    data = DataSection(
        commands=["rows.jsonl"],
        command_rows=2,
        answers=[],
        remote=[],
        validation=[],
        whole={"rows.jsonl": 3},
    )
    counts = Counter(row.id for row in stage_rows(data, tmp_path, seed=1))
    assert len(counts) == 24
    assert sorted(counts.values()) == [3] * 22 + [4] * 2


def test_drawn_rows_are_of_every_file_and_kind_about_in_their_share() -> None:
    kinds = ("request", "near_miss", "motion")
    common = {"text": "t", "lang": "en", "label": "REMOTE", "license": "none"}
    rows = [
        Row(
            id=f"{file}-{number}",
            source=file,
            kind=kinds[number % 3],
            synthetic=number % 2 == 0,
            **common,
        )
        for file, count in (("first", 300), ("second", 600), ("third", 900))
        for number in range(count)
    ]
    drawn = draw(rows, 600, seed=1)
    assert len({row.id for row in drawn}) == 600
    for shares in (lambda row: row.source, lambda row: row.kind, lambda row: row.synthetic):
        there, found = (Counter(map(shares, each)) for each in (rows, drawn))
        assert all(0.75 < 3 * found[each] / there[each] < 1.25 for each in there)
    assert draw(rows, 600, seed=1) == drawn
    assert draw(rows, 600, seed=2) != drawn
    assert draw(rows, None, seed=1) == draw(rows, 1800, seed=1) == rows


@pytest.mark.parametrize("has_it", [True, False])
def test_bf16_is_used_where_the_machine_has_it(
    has_it: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "computes_bf16", lambda: has_it)
    arguments = trainer._arguments(recipe().stages[0], recipe(bf16=True), tmp_path, 10)
    assert arguments.bf16 is has_it
    assert not trainer._arguments(recipe().stages[0], recipe(), tmp_path, 10).bf16
