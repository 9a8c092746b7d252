"""Fitting the second reader, weighing it, and choosing how sure both must be."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cloud_server.making import RECIPES
from cloud_server.training.data import Row
from cloud_server.training.second_reader import (
    NEAR_MISSES,
    Reader,
    ReaderRecipe,
    Readings,
    choose_weights,
    fit,
    load_reader_recipe,
)
from shared.errors import ConfigurationError, DataError
from shared.skills import SKILL_NAMES
from shared.tags import TAGS, print_tag
from tests.cloud_server.training.test_thresholds import REMOTE, posteriors_of, remote_rows, row

TEXTS = [*(f"please {name.lower()} now" for name in SKILL_NAMES), "what is the weather"]
SIT = TAGS.index(print_tag("Sit"))


def recipe(**changes: object) -> ReaderRecipe:
    given = {"least_rows": 1, "most_keys": 5000, "penalty": 1e-5, "epochs": 5, **changes}
    files = {"commands": [], "remote": [], "validation": [], "calibration": []}
    return ReaderRecipe.model_validate({"name": "test", **files, **given})


def readings(rows: list[Row], posteriors: torch.Tensor, scores: np.ndarray) -> Readings:
    return Readings(rows, posteriors, scores)


def test_the_shipped_recipe_is_whole() -> None:
    shipped = load_reader_recipe(RECIPES / "second-reader.toml")
    assert {"train_normal_late.jsonl", "train_remote_late.jsonl"} <= {
        *shipped.commands,
        *shipped.remote,
    }


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text((RECIPES / "second-reader.toml").read_text() + "\n[other]\nx = 1\n")
    with pytest.raises(ConfigurationError, match="other"):
        load_reader_recipe(path)


def test_a_tag_without_texts_is_named() -> None:
    with pytest.raises(DataError, match=r"\[Sit\(\)\]"):
        fit(recipe(), ["a", "b"], [REMOTE, 0])


def test_rare_keys_are_left_out_and_the_weightiest_kept() -> None:
    whole = fit(recipe(), TEXTS, range(len(TAGS)))
    often = fit(recipe(least_rows=3), TEXTS, range(len(TAGS)))
    few = fit(recipe(most_keys=50), TEXTS, range(len(TAGS)))
    assert len(few.keys) == 50
    assert set(few.keys) < set(whole.keys)
    assert len(often.keys) < len(whole.keys)
    assert sorted(few.keys) == few.keys.tolist()


def test_the_same_seed_gives_the_same_reader() -> None:
    one, two = (fit(recipe(seed=3), TEXTS, range(len(TAGS))) for _ in range(2))
    assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in vars(one))


def test_it_is_kept_and_read(tmp_path: Path) -> None:
    reader = fit(recipe(), TEXTS, range(len(TAGS)))
    reader.save(tmp_path)
    with np.load(tmp_path / "second_reader.npz", allow_pickle=False) as found:
        again = Reader(**{name: found[name] for name in found.files})
    assert np.array_equal(again.scores(TEXTS), reader.scores(TEXTS))


def scores_of(liked: list[int]) -> np.ndarray:
    scores = np.full((len(liked), len(TAGS)), -4.0)
    scores[np.arange(len(liked)), liked] = 4.0
    return scores


def test_the_reader_that_is_right_gets_the_weight() -> None:
    rows = [
        row(0, "Sit"),
        row(1, "REMOTE", "near_miss"),
        row(2, "Sit"),
        row(3, "REMOTE", "request"),
    ]
    right = [SIT, REMOTE, SIT, REMOTE]
    vague = torch.full((4, len(TAGS)), 1 / len(TAGS))
    shadow_weight, reader_weight = choose_weights(readings(rows, vague, scores_of(right)))
    assert reader_weight == 1.0
    sharp = posteriors_of(rows, [("Sit", 0.99)])
    sharp[2] = sharp[0]
    confused = np.random.default_rng(1).normal(size=(4, len(TAGS)))
    shadow_weight, reader_weight = choose_weights(readings(rows, sharp, confused))
    assert shadow_weight == 1.0
    assert reader_weight < 0.3


def test_what_the_shadow_holds_unlikely_is_not_sure() -> None:
    rows = [row(0, "Sit"), row(1, "FrontFlip")]
    posteriors = posteriors_of(rows, [("Sit", 0.6), ("FrontFlip", 0.9)])
    flip = TAGS.index(print_tag("FrontFlip"))
    sure, _ = readings(rows, posteriors, scores_of([SIT, flip])).best(0.5, 1.0)
    assert sure[0] > 0.9
    assert sure[1] == 0.0, "tier 3 asks for 0.95 of the shadow itself"


def test_near_misses_are_bounded_by_the_confidence_of_both() -> None:
    rows = remote_rows(1200, 1000)
    posteriors = posteriors_of(rows, [])
    near = [index for index, each in enumerate(rows) if each.kind == "near_miss"]
    for index in near[:60]:  # six in a hundred: too many for the shadow alone
        posteriors[index] = posteriors_of([row(0, "REMOTE")], [("Sit", 0.97)])[0]
    doubting = readings(rows, posteriors, scores_of([REMOTE] * len(rows)))
    agreeing = scores_of([REMOTE] * len(rows))
    agreeing[near[:60]] = scores_of([SIT] * 60)
    choice = doubting.choose(0.5, 1.0)
    assert choice.certified
    assert choice.counts["near misses"]["acted_on"] == 0
    assert choice.counts["near misses"]["most"] == NEAR_MISSES
    assert not readings(rows, posteriors, agreeing * 8).choose(0.5, 1.0).certified
