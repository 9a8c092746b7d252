"""Fitting the second reader."""

from pathlib import Path

import numpy as np
import pytest

from cloud_server.making import RECIPES
from cloud_server.training.second_reader import (
    Reader,
    ReaderRecipe,
    fit,
    load_reader_recipe,
)
from shared.errors import ConfigurationError, DataError
from shared.skills import SKILL_NAMES
from shared.tags import TAGS
from tests.cloud_server.training.test_thresholds import REMOTE

TEXTS = [*(f"please {name.lower()} now" for name in SKILL_NAMES), "what is the weather"]


def recipe(**changes: object) -> ReaderRecipe:
    given = {"least_rows": 1, "most_keys": 5000, "penalty": 1e-5, "epochs": 5, **changes}
    files = {"commands": [], "remote": [], "validation": [], "calibration": []}
    return ReaderRecipe.model_validate({"name": "test", **files, **given})


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
