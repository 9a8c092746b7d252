"""The choice of a token: greedy, or drawn from the nucleus by a chance of the request's own."""

import math
from collections import Counter

import pytest
import torch

from cloud_server.engine import Sampling
from cloud_server.engine.sampler import FIRST_CANDIDATES, Sampler
from shared.errors import ModelError

PROBABILITIES = torch.tensor([0.1, 0.5, 0.05, 0.35])


def draw(sampling, count=4000, logits=None, allowed=None):
    sampler = Sampler(sampling)
    logits = PROBABILITIES.log() if logits is None else logits
    return Counter(sampler.choose(logits, allowed) for _ in range(count))


def test_greedy_takes_the_most_probable_token_that_is_allowed():
    assert draw(Sampling(), 5) == {1: 5}
    assert draw(Sampling(seed=4), 5, allowed=(0, 2)) == {0: 5}


def test_frequencies_are_the_probabilities():
    counts = draw(Sampling(1.0, seed=1))
    for token, probability in enumerate(PROBABILITIES.tolist()):
        spread = math.sqrt(4000 * probability * (1 - probability))
        assert abs(counts[token] - 4000 * probability) < 5 * spread


@pytest.mark.parametrize(
    ("top_p", "tokens"), [(0.3, {1}), (0.5, {1}), (0.6, {1, 3}), (0.85, {1, 3}), (0.9, {0, 1, 3})]
)
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(top_p, tokens):
    assert set(draw(Sampling(1.0, top_p, 1))) == tokens


def test_a_nucleus_may_be_larger_than_the_first_candidates():
    counts = draw(Sampling(1.0, 0.999, 1), logits=torch.zeros(10 * FIRST_CANDIDATES))
    assert len(counts) > 5 * FIRST_CANDIDATES


def test_a_low_temperature_is_nearly_greedy_and_a_high_one_nearly_even():
    assert draw(Sampling(0.01, seed=1), 200) == {1: 200}
    assert max(draw(Sampling(100.0, seed=1)).values()) < 1150


def test_only_allowed_tokens_are_drawn():
    assert set(draw(Sampling(1.0, seed=1), allowed=(0, 2))) == {0, 2}


def test_a_seed_repeats_itself_and_no_seed_does_not():
    def text(seed):
        sampler = Sampler(Sampling(1.0, 1.0, seed))
        return [sampler.choose(torch.zeros(1000)) for _ in range(20)]

    assert text(5) == text(5) != text(6)
    assert text(-(10**30)) == text(-(10**30)) != text(10**30)
    assert text(None) != text(None)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0, 0.9, 1)])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_an_error(sampling, bad):
    with pytest.raises(ModelError):
        Sampler(sampling).choose(torch.tensor([0.0, bad, 1.0]))
