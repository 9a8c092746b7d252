"""The second reader learns a taught skill too, keeps the old ones, and is weighed as before."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cloud_server.adapter_files import read_thresholds
from cloud_server.training.data import Row
from cloud_server.training.judge import Judge
from cloud_server.training.lesson import prepare_lesson
from cloud_server.training.recipe import DataSection
from cloud_server.training.second_reader import Reader, ReaderRecipe, fit
from cloud_server.training.thresholds import choose_thresholds
from shared.errors import DataError, ModelError
from shared.skills import BUILT_IN
from shared.tags import REMOTE, TAGS
from shared.taught_skill import TaughtSkill, learn_skills
from tests.cloud_server.training.test_thresholds import posteriors_of, remote_rows
from tests.cloud_server.training.test_thresholds import row as labelled

pytestmark = pytest.mark.usefixtures("built_in_catalogue")

EXAMPLE = Path("examples/push-ups")
OLD_TAGS = (*(f"[{skill.name}()]" for skill in BUILT_IN), REMOTE)
THRESHOLDS = {"0": 0.4, "1": 0.5, "2": 0.6, "3": 0.97}
ALONE = {"0": 0.5, "1": 0.6, "2": 0.7, "3": 0.98}
WEIGHTS = (0.4, 0.8)
RECIPE = ReaderRecipe(
    name="test",
    commands=["rows.jsonl"],
    remote=["remote.jsonl"],
    validation=["rows.jsonl"],
    calibration=["rows.jsonl"],
    least_rows=1,
    most_keys=20000,
    penalty=1e-4,
    epochs=10,
)
DATA = DataSection(
    commands=RECIPE.commands,
    answers=[],
    remote=RECIPE.remote,
    validation=RECIPE.validation,
    calibration=RECIPE.calibration,
)


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    def line(text: str, label: str) -> str:
        row = {"id": text, "text": text, "lang": "en", "label": label, "source": "test"}
        return json.dumps({**row, "license": "none", "synthetic": True})

    rows = [line(f"{skill.name} now {n}", skill.name) for skill in BUILT_IN for n in range(3)]
    remote = [line(f"what will the weather be {n}", "REMOTE") for n in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "remote.jsonl").write_text("\n".join([*remote, line("do push-ups", "REMOTE")]))
    return tmp_path


@pytest.fixture
def adapter(datasets: Path) -> Path:
    """A folder with a second reader of the built-in skills."""
    rows = [Row.model_validate_json(each) for each in (datasets / "rows.jsonl").open()]
    texts = [*(row.text for row in rows), "what will the weather be", "is it far"]
    labels = [*(OLD_TAGS.index(f"[{row.label}()]") for row in rows), 34, 34]
    Judge(THRESHOLDS, WEIGHTS, fit(RECIPE, texts, labels), Judge(ALONE)).save(datasets)
    return datasets


@pytest.fixture
def taught(adapter: Path) -> list[TaughtSkill]:
    return learn_skills([EXAMPLE])


def row(text: str, label: str = "REMOTE") -> Row:
    fields = {"id": text, "text": text, "lang": "en", "label": label, "source": "test"}
    return Row.model_validate({**fields, "license": "none", "synthetic": True})


def test_a_reader_from_before_is_never_for_a_skill_that_it_does_not_know(
    adapter: Path, taught: list[TaughtSkill]
) -> None:
    old = Reader.load(adapter)
    reader = Judge.of(adapter, OLD_TAGS).reader
    assert reader is not None
    new = TAGS.index("[PushUps()]")
    scores = reader.scores(["Sit now", "do ten push-ups"])
    assert scores.shape == (2, 36)
    assert (scores[:, new] < -100).all()
    known = [TAGS.index(tag) for tag in OLD_TAGS]
    np.testing.assert_allclose(scores[:, known], old.scores(["Sit now", "do ten push-ups"]))


def test_the_reader_learns_the_skill_and_keeps_the_old_ones(
    adapter: Path, datasets: Path, taught: list[TaughtSkill], tmp_path: Path
) -> None:
    lesson = prepare_lesson(taught, [EXAMPLE], DATA, datasets, 0.2, 1)
    judge = Judge.of(adapter, OLD_TAGS).taught(RECIPE, taught, lesson, datasets)
    rows = [row(each.text, each.label) for each in lesson.held_out if each.label == "PushUps"]
    old = [row(f"{skill.name} now", skill.name) for skill in BUILT_IN]

    def sure(rows: list[Row], tag: str) -> list[float]:
        """How sure the two are of `tag` where the shadow is."""
        posteriors = torch.full((len(rows), len(TAGS)), 0.04 / 35)
        posteriors[:, TAGS.index(tag)] = 0.96
        return judge.judge(rows, posteriors)[:, TAGS.index(tag)].tolist()

    assert np.median(sure(rows, "[PushUps()]")) > 0.7
    assert min(sure([each], f"[{each.label}()]")[0] for each in old) > 0.4
    assert max(sure([row("what will the weather be 3")], "[PushUps()]")) < 0.3

    made = tmp_path / "made"
    made.mkdir()
    replace(judge, thresholds={**THRESHOLDS, "1": 0.55}).save(made)
    read = Judge.of(made, TAGS)
    assert read.thresholds == {**THRESHOLDS, "1": 0.55}
    assert read.weights == WEIGHTS
    texts = [each.text for each in rows]
    assert judge.reader is not None
    assert read.reader is not None
    np.testing.assert_allclose(read.reader.scores(texts), judge.reader.scores(texts), rtol=1e-6)


def test_a_reader_is_not_fitted_to_one_text_with_two_labels(
    adapter: Path, datasets: Path, taught: list[TaughtSkill]
) -> None:
    lesson = prepare_lesson(taught, [EXAMPLE], DATA, datasets, 0.2, 1)
    wrong = replace(lesson, new=[*lesson.new, row("Sit now 1", "PushUps")])
    with pytest.raises(DataError, match="'Sit now 1' is PushUps here and Sit in the default data"):
        Judge.of(adapter, OLD_TAGS).taught(RECIPE, taught, wrong, datasets)


def test_thresholds_are_settled_by_the_shipped_rule_and_tier_3_is_not_loosened() -> None:
    rows = [*remote_rows(1900, 1000), *(labelled(i, "Sit") for i in range(3))]
    posteriors = posteriors_of(rows, [("Sit", 0.9), ("Sit", 0.8), ("FrontFlip", 0.999)])
    judge = Judge(THRESHOLDS)
    wrong = judge.count_wrong(rows, posteriors)
    assert wrong == {"requests": 3, "near misses": 0, "into tier 3": 1}
    settled = judge.settled(rows, posteriors, {})
    assert settled.thresholds["1"] == choose_thresholds(posteriors, rows).thresholds["1"]
    assert settled.thresholds["3"] == 0.97
    assert settled.choice == choose_thresholds(posteriors, rows, least={"3": 0.97})
    assert (
        Judge({**THRESHOLDS, "3": 0.9999}).settled(rows, posteriors, {}).thresholds["3"] == 0.9999
    )


def test_beside_a_second_reader_the_shadow_alone_has_thresholds_of_its_own(adapter: Path) -> None:
    rows = [*remote_rows(1900, 1000), *(labelled(i, "Sit") for i in range(3))]
    posteriors = posteriors_of(rows, [("Sit", 0.905)] * 10)
    judge = Judge.of(adapter, OLD_TAGS)
    assert judge.alone == Judge(ALONE)
    judge.settled(rows, posteriors, {}).save(adapter)
    assert read_thresholds(adapter) == Judge(ALONE).settled(rows, posteriors, {}).thresholds
    assert read_thresholds(adapter)["1"] == 0.91


def test_what_a_judge_in_use_acts_on_is_allowed() -> None:
    rows = remote_rows(100, 100)  # too few to bound anything
    posteriors = posteriors_of(rows, [("Sit", 0.705)])
    assert Judge(THRESHOLDS).settled(rows, posteriors, {}).thresholds["1"] == 0.99
    allowed = {"requests": 0, "near misses": 0, "into tier 3": 0}
    strict = Judge(THRESHOLDS).settled(rows, posteriors, allowed)
    assert strict.thresholds["1"] == 0.71
    allowed["requests"] = 1
    assert Judge(THRESHOLDS).settled(rows, posteriors, allowed).thresholds["1"] == 0.4


def test_a_shadow_alone_is_judged_by_its_own_thresholds(tmp_path: Path) -> None:
    thresholds = {"0": 0.4, "1": 0.5, "2": 0.6, "3": 0.9}
    Judge(thresholds).save(tmp_path)
    judge = Judge.of(tmp_path, OLD_TAGS)
    assert judge == Judge(thresholds)
    posteriors = torch.rand(2, 35)
    assert torch.equal(judge.judge([row("a"), row("b")], posteriors), posteriors)


def test_a_damaged_reader_says_what_to_do(adapter: Path) -> None:
    (adapter / "second_reader.npz").write_bytes(b"no zip")
    with pytest.raises(ModelError, match="train the reader again"):
        Judge.of(adapter, OLD_TAGS)
