"""The engine stepped by hand: what is kept and used again, who waits, what a fault ends, and bounds."""

import pytest
import torch

from cloud_server.engine import Done, NoObserver, Sampling, end_loops
from shared.errors import Busy, Conflict, NotFound, RequestError, ShadowdogError, TooLarge
from shared.tags import TAGS

SYSTEM = 100
"""At least so many tokens has the system prompt in the tests' byte tokenizer."""


class Watching(NoObserver):
    """Remembers what the engine told."""

    def __init__(self) -> None:
        self.reuse, self.bytes, self.drops, self.rows, self.queues = [], [], [], [], []

    def reused(self, cached_tokens, computed_tokens):
        self.reuse.append((cached_tokens, computed_tokens))

    def holding(self, cache_bytes):
        self.bytes.append(cache_bytes)

    def dropped(self, request, reason):
        self.drops.append((request.request_id, reason))

    def stepped(self, rows, tokens, seconds):
        self.rows.append((rows, tokens))

    def waiting(self, queued, active):
        self.queues.append((queued, active))


@pytest.fixture
def watching():
    return Watching()


def test_an_answer_that_goes_round_in_circles_ends(served, stepped, random_prompt):
    engine = stepped(served)
    prompt = random_prompt(9)
    circles, straight = (engine.submit(prompt, 80, ends_loops=each) for each in (False, True))
    engine.finish()
    assert circles.end.finish_reason == "length"
    assert straight.end.finish_reason == "stop"
    assert straight.end.completion_tokens < 80
    assert (straight.end.text, True) == end_loops(circles.end.text)


# --- what is kept --------------------------------------------------------------------------------


def test_the_system_prompt_is_computed_once_a_shadow(served, stepped, alone, base, watching):
    engine = stepped(served, watching)
    system = served.system_ids
    assert len(system) > SYSTEM
    prompts = [(*system, 1, 2, 3), (*system, 9)]
    ears = [engine.submit(prompt, 6) for prompt in prompts]
    bare = engine.submit(prompts[0], 6, model="bare")
    engine.finish()
    for ear, prompt in zip(ears, prompts, strict=True):
        assert ear.end.cached_tokens == len(system)
        assert ear.tokens == alone(served.model, prompt, 6)
    assert bare.tokens == alone(base, prompts[0], 6)
    assert watching.reuse == [(len(system), 3), (len(system), 1), (len(system), 3)]
    assert sum(tokens for _, tokens in watching.rows) == 3 + 1 + 3 + 3 * 5


def test_a_sessions_earlier_turns_are_used_again_exactly(served, stepped, alone, random_prompt):
    """Also where the two turns part behind the sliding window, and where the new one is shorter."""
    engine = stepped(served)
    first = random_prompt(40)
    answer = engine.submit(first, 12, session_id="s")
    engine.finish()
    said = answer.tokens
    for prompt, kept in (
        (first + tuple(said) + random_prompt(5), 51),  # all but the last token was computed
        (first + tuple(said[:6]) + (50,) * 3, 46),
        ((*first[:25], 1, 2, 3), 25),
        (first[:10], 9),  # the last token must be run
    ):
        ear = engine.submit(prompt, 10, session_id="s")
        engine.finish()
        assert ear.tokens == alone(served.model, prompt, 10)
        assert ear.end.cached_tokens >= kept
        ear = engine.submit(first, 12, session_id="s")  # the session as it was
        engine.finish()
        assert ear.tokens == said


@pytest.mark.parametrize(
    "change", [{"owner": "other"}, {"robot": "other"}, {"session_id": "t"}, {"model": "bare"}]
)
def test_a_session_is_nobody_elses(served, stepped, random_prompt, change):
    engine = stepped(served)
    mine = {"session_id": "s", "owner": "me"}
    engine.submit(random_prompt(40), 4, **mine)
    engine.finish()
    again = engine.submit(random_prompt(40), 4, **mine)
    theirs = engine.submit(random_prompt(40), 4, **{**mine, **change})
    engine.finish()
    assert (again.end.cached_tokens, theirs.end.cached_tokens) == (39, 0)


def test_a_session_is_kept_for_a_time(served, stepped, clock, random_prompt):
    engine = stepped(served, kept_s=10)
    before = engine.used_slots
    for seconds, cached in ((0, 0), (9, 39), (9, 39), (10, 0)):
        clock.now_s += seconds
        ear = engine.submit(random_prompt(40), 4, session_id="s")
        engine.finish()
        assert ear.end.cached_tokens == cached
    clock.now_s += 11
    engine.submit(random_prompt(3), 1)
    engine.finish()
    assert engine.used_slots == before


@pytest.mark.parametrize("limits", [{"kept_sessions": 2}, {"kept_tokens": 220}])
def test_sessions_used_longest_ago_make_room(served, stepped, random_prompt, limits):
    engine = stepped(served, **limits)

    def ask(session):
        ear = engine.submit(random_prompt(40), 4, session_id=session)
        engine.finish()
        return ear.end.cached_tokens

    assert [ask("a"), ask("b"), ask("a"), ask("c"), ask("a")] == [0, 0, 39, 0, 39]
    assert ask("b") == 0


def test_slots_are_all_given_back(served, stepped, random_prompt):
    engine = stepped(served, kept_sessions=0)
    before = engine.used_slots
    for number in range(6):
        engine.submit(random_prompt(10 + number), 4, session_id=str(number))
    engine.cancel(engine.submit(random_prompt(30), 50))
    engine.step()
    late = engine.submit(random_prompt(20), 50, deadline_s=5)
    engine.step()
    engine.clock.now_s += 6
    engine.finish()
    assert late.end.finish_reason == "deadline"
    assert engine.used_slots == before


def test_what_a_shadow_computed_goes_with_it(
    base, served, stepped, alone, shadow_of, random_prompt
):
    engine, prompt = stepped(served), random_prompt(40)
    before = engine.used_slots
    for seed in (2, 3):  # another shadow of the same name
        model = shadow_of(base, seed)
        engine.core.add_shadow("b", model)
        for _ in range(2):
            ear = engine.submit(prompt, 5, model="b", session_id="s")
            engine.finish()
            assert ear.tokens == alone(model, prompt, 5)
        engine.core.remove_shadow("b")
    assert engine.used_slots == before


# --- who waits -----------------------------------------------------------------------------------


def test_what_can_never_fit_is_refused_and_what_cannot_fit_now_waits(
    served, stepped, alone, random_prompt, watching
):
    room = 2 * len(served.system_ids) + 60
    engine = stepped(served, watching, cache_tokens=room)
    with pytest.raises(TooLarge):
        engine.submit(random_prompt(room - 10), 11)
    large = engine.submit(random_prompt(room - 40), 20)  # needs nearly all of it
    also = engine.submit(random_prompt(50), 10)
    small = engine.submit(random_prompt(3), 2)
    engine.step()
    assert watching.queues[-1] == (2, 1)  # the small one does not overtake
    engine.finish()
    for ear, prompt, count in (
        (large, random_prompt(room - 40), 20),
        (also, random_prompt(50), 10),
        (small, random_prompt(3), 2),
    ):
        assert ear.tokens == alone(served.model, prompt, count)
    again = engine.submit((*served.system_ids, 1), 2)  # its system prompt had to make room ...
    engine.finish()
    kept = engine.submit((*served.system_ids, 1), 2)  # ... and was kept again
    engine.finish()
    assert (again.end.cached_tokens, kept.end.cached_tokens) == (0, len(served.system_ids))
    assert again.tokens == kept.tokens


def test_what_has_to_wait_for_a_request_under_way_drops_nothing_that_is_kept(
    served, stepped, random_prompt
):
    engine = stepped(served, cache_tokens=2000, kept_tokens=1500)
    first = (*served.system_ids, *random_prompt(40))
    engine.submit(first, 4, session_id="s")
    engine.finish()
    engine.submit(first, 600)
    engine.step()
    kept = engine.used_slots
    large = engine.submit((1,) * 1200, 300)
    engine.step()
    assert engine.used_slots == kept
    next_turn = engine.submit((*first, 7, 8), 4, session_id="s")
    engine.cancel(large)
    while next_turn.end is None:
        engine.step()
    assert next_turn.end.cached_tokens == len(first)


def test_what_is_kept_makes_room_where_that_is_enough(served, stepped, random_prompt):
    engine = stepped(served, cache_tokens=2000, kept_tokens=1500)
    engine.submit(random_prompt(400), 4, session_id="s")
    engine.finish()
    engine.submit(random_prompt(5), 300)
    engine.step()
    large = engine.submit((1,) * 1200, 400)
    engine.step()
    engine.step()
    assert len(engine.schedule.active()) == 2
    engine.finish()
    assert large.end.completion_tokens == 400


def test_nobody_waits_behind_all_of_anothers_requests(served, stepped, random_prompt):
    engine = stepped(served, max_active=2)
    many = [engine.submit(random_prompt(4, n), 4, owner="busy") for n in range(6)]
    one = engine.submit(random_prompt(4), 4, owner="quiet")
    other = engine.submit(random_prompt(4), 4, owner="other")
    while one.end is None or other.end is None:
        engine.step()
    assert [ear.end is not None for ear in many] == [True, True, False, False, False, False]
    engine.finish()
    assert all(ear.end for ear in many)


def test_no_key_gains_by_inventing_robots(served, stepped, random_prompt):
    engine = stepped(served, max_active=1)
    many = [("many", str(number)) for number in range(6)]
    asked = [*many, ("many", "0"), ("one", "dog")]
    ears = [engine.submit(random_prompt(4), 1, owner=owner, robot=robot) for owner, robot in asked]
    order: list[int] = []
    while engine.schedule.everyone():
        engine.step()
        order += [n for n, ear in enumerate(ears) if ear.end and n not in order]
    assert [asked[n] for n in order] == [many[0], ("one", "dog"), *many[1:], many[0]]


def test_a_keys_robots_take_turns(served, stepped, random_prompt):
    engine = stepped(served, max_active=2)
    talkative = [engine.submit(random_prompt(4, n), 4, owner="key", robot="a") for n in range(6)]
    quiet = engine.submit(random_prompt(4), 4, owner="key", robot="b")
    while quiet.end is None:
        engine.step()
    assert [ear.end is not None for ear in talkative] == [True, *[False] * 5]


def test_a_full_queue_and_a_stopping_service_are_busy(served, stepped, random_prompt):
    engine = stepped(served, max_active=1, queue_size=1)
    first, second = (engine.submit(random_prompt(3), 2) for _ in range(2))
    with pytest.raises(Busy):
        engine.submit(random_prompt(3), 2)
    engine.cancel(second)
    engine.submit(random_prompt(3), 2)
    engine.schedule.stop_taking()
    with pytest.raises(Busy):
        engine.submit(random_prompt(3), 2)
    engine.finish()
    assert isinstance(first.end, Done)


def test_cancelled_requests_are_told_whether_they_waited_or_ran(
    served, stepped, random_prompt, watching
):
    engine = stepped(served, watching, max_active=1)
    ran = engine.submit(random_prompt(3), 50, request_id="ran")
    waited = engine.submit(random_prompt(3), 50, request_id="waited")
    engine.step()
    engine.cancel(waited)
    engine.cancel(ran)
    said = len(ran.events)
    engine.step()
    assert watching.drops == [("waited", "cancelled"), ("ran", "cancelled")]
    assert (len(ran.events), waited.events) == (said, [])
    assert engine.schedule.everyone() == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ()},
        {"max_tokens": 0},
        {"prompt": (1, 259)},
        {"prompt": (-1,)},
        {"forced_ids": (300,)},
        {"sampling": Sampling(temperature=-1)},
        {"sampling": Sampling(top_p=0)},
        {"sampling": Sampling(temperature=float("nan"))},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(served, stepped, wrong):
    with pytest.raises(RequestError):
        stepped(served).submit(**{"prompt": (1, 2), "max_tokens": 3, **wrong})


def test_a_prompt_longer_than_the_base_was_made_for_is_refused(base, served, stepped):
    base.config.max_position_embeddings = 64
    with pytest.raises(TooLarge, match="at most 64"):
        stepped(served).submit((1,) * 60, 5)
    with pytest.raises(TooLarge, match="at most 64"):
        stepped(served).submit((300,) * 60, 5)  # its tokens are not looked at any more


# --- what is served ------------------------------------------------------------------------------


def test_a_shadow_in_use_stays_until_it_is_not(base, served, stepped, shadow_of, random_prompt):
    engine = stepped(served, max_active=1)
    engine.core.add_shadow("b", shadow_of(base, 2))
    with pytest.raises(Conflict):
        engine.core.add_shadow("b", shadow_of(base, 3))
    runs = engine.submit(random_prompt(3), 3)
    waits = engine.submit(random_prompt(3), 3, model="b")
    engine.step()
    with pytest.raises(Conflict, match="1 requests use b"):
        engine.core.remove_shadow("b")
    engine.finish()
    engine.core.remove_shadow("b")
    with pytest.raises(NotFound):
        engine.submit(random_prompt(3), 3, model="b")
    for name, error in (("b", NotFound), ("bare", NotFound), ("a", Conflict)):
        with pytest.raises(error):
            engine.core.remove_shadow(name)
    assert runs.tokens
    assert waits.tokens


def test_a_shadow_that_cannot_run_is_not_offered(base, served, stepped, shadow_of, random_prompt):
    engine, broken = stepped(served), shadow_of(base, 2)
    broken.shadow_update_model.hidden_norm.weight = torch.nn.Parameter(torch.ones(3))
    before = engine.used_slots
    with pytest.raises(RuntimeError):
        engine.core.add_shadow("b", broken)
    with pytest.raises(NotFound):
        engine.submit(random_prompt(3), 3, model="b")
    assert engine.used_slots == before


def test_a_shadow_of_another_shape_brings_its_memory_and_takes_it_along(
    base, served, stepped, shadow_of
):
    engine = stepped(served)
    decoder = engine.core._decoder
    before = decoder.slot_bytes
    assert before == (4 + 1) * 2 * (2 * 8) * 4  # layers, keys and values, heads * size, bytes
    engine.core.add_shadow("same", shadow_of(base, 2))
    assert decoder.slot_bytes == before
    engine.core.add_shadow("other", shadow_of(base, 3, num_shadow_layers=2, shadow_head_dim=4))
    assert decoder.slot_bytes == before + 2 * 2 * (2 * 4) * 4
    engine.core.remove_shadow("other")
    assert decoder.slot_bytes == before


# --- faults --------------------------------------------------------------------------------------


def test_one_rows_fault_ends_that_request_and_no_other(
    served, stepped, alone, random_prompt, watching
):
    engine = stepped(served, watching)
    run = engine.core._decoder.run

    def stumble(batch):
        if any(row.new_ids == (1, 2, 3) for row in batch.rows):
            raise RuntimeError("a fault on purpose")
        return run(batch)

    engine.core._decoder.run = stumble
    prompts = [random_prompt(12, n) for n in range(4)]
    ears = [engine.submit(prompt, 6) for prompt in prompts]
    faulty = engine.submit((1, 2, 3), 6, request_id="faulty")
    engine.finish()
    assert isinstance(faulty.end, ShadowdogError)
    assert watching.drops == [("faulty", "failed")]
    assert [ear.tokens for ear in ears] == [alone(served.model, each, 6) for each in prompts]


def test_logits_that_are_no_numbers_end_that_request_alone(
    base, served, stepped, alone, shadow_of, random_prompt
):
    engine, broken = stepped(served), shadow_of(base, 2)
    engine.core.add_shadow("b", broken)
    with torch.no_grad():
        broken.shadow_injection_model.injection_ups.fill_(float("nan"))
    ears = [engine.submit(random_prompt(9), 5, model=name) for name in ("b", "a", "b", "a")]
    engine.finish()
    assert [isinstance(ear.end, Done) for ear in ears] == [False, True, False, True]
    assert ears[1].tokens == ears[3].tokens == alone(served.model, random_prompt(9), 5)


# --- how an answer begins and ends ---------------------------------------------------------------


def test_an_answer_under_the_tag_grammar_begins_with_a_tag(served, stepped, random_prompt):
    engine = stepped(served)
    ears = [engine.submit(random_prompt(9, n), 24, grammar="tag") for n in range(5)]
    engine.finish()
    for ear in ears:
        text = bytes_of(served, ear.tokens)
        assert any(text.startswith(tag.encode()) for tag in TAGS), text


def test_a_forced_beginning_of_a_tag_is_completed(served, stepped, random_prompt):
    forced = tuple(served.encoder.encode_plain("[Turn"))
    engine = stepped(served)
    ear = engine.submit(random_prompt(9), 24, grammar="tag", forced_ids=forced)
    engine.finish()
    begins = ("[TurnLeft()]", "[TurnRight()]", "[TurnAround()]")
    assert bytes_of(served, ear.tokens).startswith(tuple(each.encode() for each in begins))


def bytes_of(served, tokens) -> bytes:
    """Return the bytes that the tests' byte tokenizer means by `tokens`."""
    alphabet = {served.encoder.encode_plain(chr(code))[0]: code for code in range(128)}
    return bytes(alphabet.get(token, 0xFF) for token in tokens)


def test_a_stop_string_ends_an_answer_also_across_tokens(served, stepped, alone, random_prompt):
    prompt = random_prompt(14)
    said = alone(served.model, prompt, 12)
    text = "".join(f"{token} " for token in said)
    stop = text[len(text) // 2 - 3 : len(text) // 2 + 3]  # from inside one token into another
    engine = stepped(served)
    ear = engine.submit(prompt, 12, stop=(stop, "never said"))
    engine.finish()
    assert ear.end.finish_reason == "stop"
    assert ear.end.text == text[: text.index(stop)]
    assert "".join(event.text for event in ear.events[:-1]) == ear.end.text
    assert ear.end.completion_tokens < 12
