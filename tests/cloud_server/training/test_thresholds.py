"""Thresholds bound their risks with confidence; calibration changes how sure, not what."""

import math

import pytest
import torch

from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.training.base import load_training_base
from cloud_server.training.calibration import (
    calibration_error,
    fit_temperature,
    fold_temperature,
)
from cloud_server.training.data import Row
from cloud_server.training.posterior import branch_states, tag_head, tag_posteriors
from cloud_server.training.thresholds import (
    CONFIDENCE,
    best_skills,
    binomial_tail,
    choose_thresholds,
    count_risks,
    decide,
    least_rows,
    thresholds_at,
)
from shared.tags import TAGS

REMOTE = len(TAGS) - 1


def row(number: int, label: str, kind: str | None = None) -> Row:
    return Row.model_validate(
        {
            "id": str(number),
            "text": "t",
            "lang": "en",
            "label": label,
            "source": "t",
            "license": "t",
            "synthetic": True,
            "kind": kind,
        }
    )


def remote_rows(requests: int, near_misses: int) -> list[Row]:
    rows = [row(i, "REMOTE", "request") for i in range(requests)]
    return rows + [row(i, "REMOTE", "near_miss") for i in range(near_misses)]


def posteriors_of(rows: list[Row], wrong: list[tuple[str, float]]) -> torch.Tensor:
    """All rows are surely remote, except the first ones of `wrong`."""
    posteriors = torch.zeros(len(rows), len(TAGS))
    posteriors[:, REMOTE] = 1.0
    for index, (name, probability) in enumerate(wrong):
        posteriors[index, REMOTE] = 1 - probability
        posteriors[index, TAGS.index(f"[{name}()]")] = probability
    return posteriors


def test_the_binomial_tail() -> None:
    assert binomial_tail(0, 10, 0.5) == pytest.approx(0.5**10)
    assert binomial_tail(10, 10, 0.5) == pytest.approx(1.0)
    assert binomial_tail(4, 1888, 0.005) < 0.05 < binomial_tail(5, 1888, 0.005)
    assert binomial_tail(500, 1000, 0.5) == pytest.approx(0.5 + math.comb(1000, 500) / 2**1001)
    assert binomial_tail(196, 2863, 0.0025) == pytest.approx(1.0)


def test_clean_rows_give_the_loosest_thresholds_and_dangerous_ones_stay_strict() -> None:
    rows = remote_rows(1900, 1000)
    choice = choose_thresholds(posteriors_of(rows, []), rows)
    assert choice.certified
    assert choice.thresholds == thresholds_at(0.4)
    assert choice.thresholds["3"] > choice.thresholds["2"] > choice.thresholds["1"]


def test_wrong_actions_raise_the_thresholds_until_every_risk_is_bounded() -> None:
    rows = remote_rows(1900, 1000)
    posteriors = posteriors_of(rows, [("Sit", 0.8)] * 10 + [("Dance", 0.95)] * 10)
    choice = choose_thresholds(posteriors, rows)
    assert choice.certified
    assert choice.thresholds["1"] > 0.8
    assert choice.thresholds["2"] > 0.95
    acted = [decide(each, choice.thresholds)[0] for each in posteriors]
    assert acted.count("REMOTE") == len(rows)
    assert all(count["p_value"] <= 1 - CONFIDENCE for count in choice.counts.values())


def test_a_stop_is_asked_for_less_and_never_for_nothing() -> None:
    assert thresholds_at(0.9) == {"0": 0.8, "1": 0.9, "2": 0.925, "3": 0.99}
    assert thresholds_at(0.4)["0"] == 0.4


def test_too_few_rows_certify_nothing() -> None:
    rows = remote_rows(100, 50)
    choice = choose_thresholds(posteriors_of(rows, []), rows)
    assert not choice.certified
    assert choice.thresholds == thresholds_at(0.99), "the strictest are taken"


def test_what_certifies_nothing_is_told_with_the_rows_that_it_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert [least_rows(each) for each in (0.005, 0.0025, 0.04)] == [598, 1197, 74]
    rows = remote_rows(597, 800)
    assert not choose_thresholds(posteriors_of(rows, []), rows).certified
    told = "requests: 0 of 597 rows acted on, it takes 598 for at most 0.5 %"
    assert capsys.readouterr().err == f"thresholds are not certified: {told}\n"
    rows = remote_rows(598, 800)
    assert choose_thresholds(posteriors_of(rows, []), rows).doubts == []
    assert capsys.readouterr().err == ""
    wrong = posteriors_of(rows, [("Sit", 1.0)])
    assert choose_thresholds(wrong, rows).doubts == [
        "requests: 1 of 598 rows acted on, too many for at most 0.5 %"
    ]


def test_what_was_acted_on_before_may_be_acted_on_again_but_no_more() -> None:
    rows = remote_rows(1900, 1000)
    wrong = [("Sit", 0.955)] * 9 + [("Sit", 0.705)] * 3
    posteriors = posteriors_of(rows, wrong)
    before = count_risks(*best_skills(posteriors), rows, dict.fromkeys("0123", 0.9))
    assert before["requests"]["acted_on"] == 9
    assert choose_thresholds(posteriors, rows).thresholds["1"] == 0.96
    choice = choose_thresholds(posteriors, rows, {"requests": 9})
    assert choice.thresholds["1"] == 0.71
    assert not choice.certified
    assert choice.counts["requests"]["acted_on"] == 9
    too_few = choose_thresholds(posteriors, rows, {"requests": 8})
    assert too_few.thresholds["1"] == 0.96
    assert too_few.certified


def test_a_temperature_lies_in_the_norm_and_leaves_the_order() -> None:
    loaded = load_training_base("tiny", torch.float32)
    torch.manual_seed(1)
    model = ShadowModel.create(loaded.model, ShadowConfig(num_shadow_layers=1)).eval()
    texts = ["sit down", "turn left", "bark", "weather"]
    states = branch_states(model, loaded.encoder, texts)
    head = tag_head(model, loaded.encoder)
    before = tag_posteriors(model, loaded.encoder, texts)
    fold_temperature(model, 2.0)
    after = tag_posteriors(model, loaded.encoder, texts)
    torch.testing.assert_close(after, head.log_posterior(states / 2.0).exp(), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(before, after)


def test_the_temperature_found_is_the_one_that_was_put_in() -> None:
    loaded = load_training_base("tiny", torch.float32)
    torch.manual_seed(1)
    model = ShadowModel.create(loaded.model, ShadowConfig(num_shadow_layers=1)).eval()
    head = tag_head(model, loaded.encoder)
    generator = torch.Generator().manual_seed(3)
    branches = len(head.tree.branches)
    states = 4 * torch.randn(3000 * branches, head.weight.shape[1], generator=generator)
    posteriors = head.log_posterior(states).exp()
    drawn = torch.multinomial(posteriors, 1, generator=generator)[:, 0].tolist()
    labels = [TAGS[index].strip("[]()") for index in drawn]
    assert fit_temperature(states, head, labels) == pytest.approx(1.0, abs=0.08)
    assert fit_temperature(2 * states, head, labels) == pytest.approx(2.0, abs=0.15)
    sure = head.log_posterior(2 * states).exp()
    assert calibration_error(posteriors, labels) < calibration_error(sure, labels)
