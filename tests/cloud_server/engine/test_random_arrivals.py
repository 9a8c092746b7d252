"""Requests, cancellations, deadlines and shadows in a random order, against the naive reference."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_server.engine import Done
from shared.errors import Busy, Conflict, NotFound, TooLarge

SHADOWS = ("b", "c")
LIMITS = {
    "max_active": 3,
    "queue_size": 4,
    "cache_tokens": 420,
    "prefill_tokens": 12,
    "kept_sessions": 3,
    "kept_tokens": 300,
    "kept_s": 200,
}

ASK = st.builds(
    lambda *parts: ("ask", *parts),
    st.sampled_from(["a", "b", "a", "b", "c", "bare"]),
    st.integers(1, 60),  # prompt's length
    st.integers(1, 10),  # max_tokens
    st.sampled_from([None, "s", "s", "t"]),  # session
    st.sampled_from(["one", "one", "two"]),  # owner
    st.sampled_from([1e9, 1e9, 4.0]),  # deadline in seconds, a step is one
)
HAPPENING = st.one_of(
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("load"), st.sampled_from(SHADOWS)),
    st.tuples(st.just("unload"), st.sampled_from(SHADOWS)),
)
ROUNDS = st.lists(
    st.tuples(
        st.lists(ASK, min_size=1, max_size=3),
        st.lists(HAPPENING, max_size=2),
        st.tuples(st.just("step"), st.integers(1, 16)),
    ),
    min_size=3,
    max_size=8,
)
"""Requests arrive, something may happen, and the engine makes some steps, again and again."""


@dataclass
class Asked:
    """A request that was taken, and what it must come to."""

    ear: object
    model: str
    prompt: tuple[int, ...]
    max_tokens: int


class Play:
    """Plays actions on a stepped engine and keeps account of what was asked."""

    def __init__(self, engine, models) -> None:
        self.engine = engine
        self.models = models
        self.asked: list[Asked] = []
        self.loaded: set[str] = set()

    def play(self, actions: Sequence[tuple]) -> None:
        for kind, *parts in actions:
            getattr(self, kind)(*parts)

    def ask(self, model, length, max_tokens, session, owner, deadline_s) -> None:
        # A conversation's prompts begin alike, as real ones do; single ones each differ.
        seed = length if session is None else f"{session} {length % 2}"
        prompt = tuple(random.Random(str(seed)).choices(range(256), k=length))
        options = {"session_id": session, "owner": owner, "deadline_s": deadline_s}
        try:
            ear = self.engine.submit(prompt, max_tokens, model=model, **options)
        except Busy:
            assert len(self.engine.schedule.everyone()) == 7
        except NotFound:
            assert model in SHADOWS
            assert model not in self.loaded
        else:
            self.asked.append(Asked(ear, model, prompt, max_tokens))

    def step(self, count) -> None:
        for _ in range(count):
            self.engine.step()
            self.engine.clock.now_s += 1

    def cancel(self, number) -> None:
        if number < len(self.asked):
            self.engine.cancel(self.asked[number].ear)

    def load(self, name) -> None:
        if name in self.loaded:
            with pytest.raises(Conflict):
                self.engine.core.add_shadow(name, self.models[name])
            return
        self.engine.core.add_shadow(name, self.models[name])
        self.loaded.add(name)

    def unload(self, name) -> None:
        in_use = any(each.model == name for each in self.engine.schedule.everyone())
        try:
            self.engine.core.remove_shadow(name)
        except NotFound:
            assert name not in self.loaded
        except Conflict:
            assert in_use
        else:
            assert not in_use
            self.loaded.remove(name)


@pytest.fixture
def world(base, served, shadow_of):
    """Return what is served at first, and all models by name."""
    shadows = {"b": shadow_of(base, 2), "c": shadow_of(base, 3, num_shadow_layers=2)}
    return served, {"a": served.model, "bare": base, **shadows}


ROUNDING = 1e-5
"""Sums in another order differ by 3e-7."""


@torch.no_grad()
def missed(model, prompt: tuple[int, ...], answer: list[int]) -> float:
    """By how much the naive reference, in one pass over the whole sequence, likes other tokens more."""
    if not answer:
        return 0.0
    logits = model(torch.tensor([[*prompt, *answer[:-1]]])).logits[0, len(prompt) - 1 :]
    said = logits.gather(-1, torch.tensor(answer)[:, None])[:, 0]
    return float((logits.amax(-1) - said).max())


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rounds=ROUNDS)
def test_whatever_happens_beside_it_each_request_gets_its_own_answer(world, stepped, rounds):
    served, models = world
    engine = stepped(served, **LIMITS)
    play = Play(engine, models)
    play.play([("load", name) for name in SHADOWS])
    for asks, happenings, steps in rounds:
        play.play([*asks, *happenings, steps])
    engine.finish()
    engine.step()  # tells of those that were given up last
    for each in play.asked:
        if each.ear.cancelled and each.ear.end is None:
            continue
        assert isinstance(each.ear.end, Done), each.ear.end
        assert missed(models[each.model], each.prompt, each.ear.tokens) <= ROUNDING
        if each.ear.end.finish_reason != "deadline":
            assert len(each.ear.tokens) == each.max_tokens
    nothing_is_leaked(engine)


def nothing_is_leaked(engine) -> None:
    """All slots are free once nothing is kept any more."""
    kept = engine.core._kept
    assert engine.schedule.everyone() == ()
    assert kept.make_room(LIMITS["cache_tokens"])
    assert engine.used_slots == 0


def test_no_request_that_is_taken_needs_more_than_all(served, stepped):
    engine = stepped(served, **LIMITS)
    engine.submit((1,) * 400, 20)
    with pytest.raises(TooLarge):
        engine.submit((1,) * 400, 21)
    engine.finish()
