"""Many requests at once, token for token what each gives alone in fp32."""

import pytest
import torch

from cloud_server.engine import Sampling


def test_requests_of_several_shadows_and_the_bare_base_in_one_batch(
    base, served, stepped, alone, shadow_of, random_prompt
):
    models = {"a": served.model, "b": shadow_of(base, 2), "c": shadow_of(base, 3), "bare": base}
    engine = stepped(served, prefill_tokens=16, max_active=8)
    for name in ("b", "c"):
        engine.core.add_shadow(name, models[name])
    asked = []
    for number, length in enumerate((3, 17, 40, 1, 90, 9, 8, 25, 64, 2)):
        name = ("a", "b", "bare", "c")[number % 4]
        prompt = random_prompt(length, number)
        asked.append((name, prompt, 5 + number, engine.submit(prompt, 5 + number, model=name)))
        engine.step()  # later ones join a batch that is under way
    engine.finish()
    answers = set()
    for name, prompt, count, ear in asked:
        assert ear.tokens == alone(models[name], prompt, count), (name, len(prompt))
        answers.add(tuple(ear.tokens[:5]))
    assert len(answers) > 5


def test_models_differ_so_that_a_mix_up_would_show(base, served, alone, shadow_of, random_prompt):
    prompt = random_prompt(20)
    answers = [alone(each, prompt, 8) for each in (base, served.model, shadow_of(base, 2))]
    assert len({tuple(answer) for answer in answers}) == 3


@pytest.mark.parametrize(
    "sizes",
    [
        {"num_shadow_layers": 2},
        {"shadow_num_key_value_heads": 1},
        {"injection_hidden_size": 3},
        {"gate_hidden_size": 5},
        {"alpha": 0.7},
        {"update": False},
    ],
)
def test_shadows_of_other_sizes_beside_each_other(
    base, served, stepped, alone, shadow_of, random_prompt, sizes
):
    other = shadow_of(base, 5, **sizes)
    engine = stepped(served)
    engine.core.add_shadow("other", other)
    ears = {name: engine.submit(random_prompt(30), 9, model=name) for name in ("a", "other")}
    engine.finish()
    assert ears["a"].tokens == alone(served.model, random_prompt(30), 9)
    assert ears["other"].tokens == alone(other, random_prompt(30), 9)


@pytest.mark.parametrize("default", ["plain", "headed"])
def test_each_model_answers_with_its_own_head(
    untied_base, stepped, alone, shadow_of, serve_as, random_prompt, default
):
    """A shadow that trained `lm_head` beside one that did not, and the bare base."""
    base = untied_base
    models = {"plain": shadow_of(base, 1), "headed": with_a_head_of_its_own(shadow_of, base)}
    engine = stepped(serve_as(default, models[default]), prefill_tokens=16)
    for name in set(models) - {default}:
        engine.core.add_shadow(name, models[name])
    models["bare"] = base
    asked = []
    for number, length in enumerate((3, 17, 40, 1, 25, 9)):
        name, prompt = ("headed", "bare", "plain")[number % 3], random_prompt(length, number)
        asked.append((name, prompt, engine.submit(prompt, 6, model=name)))
        engine.step()
    engine.finish()
    for name, prompt, ear in asked:
        assert ear.tokens == alone(models[name], prompt, 6), (name, len(prompt))


def with_a_head_of_its_own(shadow_of, base):
    """Return a shadow whose trained `lm_head` has become another than the base's."""
    model = shadow_of(base, 2, modules_to_save=("lm_head",))
    with torch.no_grad():
        model.saved_heads["lm_head"].weight.normal_(
            0, 0.02, generator=torch.Generator().manual_seed(9)
        )
    return model


def test_a_long_prompt_is_computed_in_pieces_while_others_go_on(
    served, stepped, alone, random_prompt
):
    engine = stepped(served, prefill_tokens=8)
    short = engine.submit(random_prompt(3), 20)
    engine.step()
    long = engine.submit(random_prompt(100), 4)
    before = len(short.events)
    for _ in range(10):
        engine.step()
    assert long.events == []
    assert len(short.events) == before + 10  # a token in each step
    engine.finish()
    assert short.tokens == alone(served.model, random_prompt(3), 20)
    assert long.tokens == alone(served.model, random_prompt(100), 4)


def test_a_short_prompt_does_not_wait_behind_a_long_one(served, stepped, random_prompt):
    engine = stepped(served, prefill_tokens=8)
    long = engine.submit(random_prompt(200), 4)
    short = engine.submit(random_prompt(4), 4)
    engine.step()
    assert (len(long.events), len(short.events)) == (0, 1)


@pytest.mark.parametrize("length", [4, 30])
def test_forced_beginnings_are_the_answers_own(served, stepped, alone, random_prompt, length):
    prompt, forced = random_prompt(length), (7, 8, 9)
    engine = stepped(served)
    ear = engine.submit(prompt, 8, forced_ids=forced)
    whole = engine.submit(prompt, 2, forced_ids=forced)
    engine.finish()
    assert ear.tokens == [*forced, *alone(served.model, prompt + forced, 5)]
    assert ear.end.completion_tokens == 8
    assert whole.tokens == [7, 8]


def test_the_same_seed_draws_the_same_text_alone_and_in_company(served, stepped, random_prompt):
    def draw(company: int, seed: int) -> list[int]:
        engine = stepped(served)
        for number in range(company):
            sampling = Sampling(temperature=1.5, seed=number)
            engine.submit(random_prompt(5 + number, number), 20, sampling=sampling)
        ear = engine.submit(random_prompt(12), 20, sampling=Sampling(0.8, 0.9, seed))
        engine.finish()
        return ear.tokens

    assert draw(0, 3) == draw(7, 3)
    assert draw(0, 3) != draw(0, 4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_gpu_a_batch_gives_what_each_request_gives_alone(
    served, stepped, alone, random_prompt, dtype
):
    import dataclasses

    model = served.model.to(device="cuda", dtype=dtype)
    on_gpu = dataclasses.replace(served, model=model, device=torch.device("cuda"))
    together, apart = stepped(on_gpu, prefill_tokens=16), []
    ears = [together.submit(random_prompt(n, n), 12) for n in (3, 17, 40, 90)]
    together.finish()
    for n in (3, 17, 40, 90):
        engine = stepped(on_gpu, prefill_tokens=16)
        apart.append(engine.submit(random_prompt(n, n), 12))
        engine.finish()
    assert all(len(ear.tokens) == 12 for ear in ears)
    if dtype == torch.float32:  # bf16 may round a near tie one way or the other
        assert [ear.tokens for ear in ears] == [ear.tokens for ear in apart]
