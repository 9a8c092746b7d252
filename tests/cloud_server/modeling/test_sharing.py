"""One base, many users: threads, several shadows, the base itself, placed by accelerate or on a GPU."""

import concurrent.futures
import gc
import threading
import weakref
from typing import Any

import accelerate
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from cloud_server.modeling import ShadowModel
from tests.cloud_server.modeling.conftest import CONFIG, shake


@pytest.fixture
def base(base: Any) -> Any:
    """A base with weights so large that it does not say the same token for ever."""
    with torch.no_grad():
        for parameter in base.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return base


def make_shadow(base: Any, seed: int) -> ShadowModel:
    torch.manual_seed(seed)
    made = ShadowModel.create(base, CONFIG).eval()
    for part in made.adapter_modules().values():
        shake(part)
    return made


def generate_base(base: Any, prompt: Tensor) -> Tensor:
    ids: Tensor = base.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=10,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=None,
    )
    return ids


@pytest.fixture
def prompts() -> list[Tensor]:
    generator = torch.Generator().manual_seed(8)
    return [torch.randint(0, 97, (1, length), generator=generator) for length in (3, 19, 7, 12)]


def together(calls: list[Any]) -> list[Tensor]:
    """Run calls on threads of their own that all start at once."""
    gate = threading.Barrier(len(calls))

    def run(call: Any) -> Tensor:
        gate.wait()
        said: Tensor = call()
        return said

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_four_threads_on_one_model(base: Any, prompts: list[Tensor]) -> None:
    model = make_shadow(base, 1)
    modes: list[Any] = ["attached", "detached", "attached", "attached"]
    calls = [
        lambda prompt=prompt, mode=mode: model.generate(prompt, max_new_tokens=16, mode=mode)
        for prompt, mode in zip(prompts, modes, strict=True)
    ]
    alone = [call() for call in calls]
    assert len({tuple(ids[0, -8:].tolist()) for ids in alone}) == len(alone)
    for _ in range(3):
        assert all(map(torch.equal, together(calls), alone))


def test_threads_on_two_shadows_and_their_base(base: Any, prompts: list[Tensor]) -> None:
    first, second = make_shadow(base, 1), make_shadow(base, 2)
    calls = [
        lambda: first.generate(prompts[0], max_new_tokens=16),
        lambda: second.generate(prompts[1], max_new_tokens=16),
        lambda: generate_base(base, prompts[2]),
        lambda: first.generate(prompts[3], max_new_tokens=16),
    ]
    alone = [call() for call in calls]
    for _ in range(3):
        assert all(map(torch.equal, together(calls), alone))


def logits_of(model: ShadowModel, prompt: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(prompt).logits
    return logits


def hooks_of(base: Any) -> list[Any]:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        hook for part in base.modules() for kind in kinds for hook in getattr(part, kind).values()
    ]


def test_attaching_and_detaching_leave_the_base(base: Any, prompts: list[Tensor]) -> None:
    """Only `requires_grad` differs afterwards: a base with a shadow is frozen, and stays so."""
    before = {name: each.clone() for name, each in base.state_dict().items()}
    modules = [(name, id(part), set(vars(part))) for name, part in base.named_modules()]
    said = generate_base(base, prompts[0])
    shadows = [make_shadow(base, seed) for seed in (1, 2, 3)]
    apart = [logits_of(shadow, prompts[1]) for shadow in shadows]
    assert (apart[0] - apart[1]).abs().max() > 1e-2
    assert torch.equal(generate_base(base, prompts[0]), said)
    gone = [weakref.ref(shadow) for shadow in shadows[:2]]
    kept = shadows.pop()
    shadows.clear()
    gc.collect()
    assert [each() for each in gone] == [None, None], "nothing of the base holds a shadow"
    assert torch.equal(logits_of(kept, prompts[1]), apart[2])
    del kept
    gc.collect()
    assert torch.equal(generate_base(base, prompts[0]), said)
    assert hooks_of(base) == []
    assert [(name, id(part), set(vars(part))) for name, part in base.named_modules()] == modules
    after = base.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(each, before[name]) for name, each in after.items())
    assert not any(parameter.requires_grad for parameter in base.parameters())


@pytest.mark.parametrize(
    "places", [{"": "cpu"}, {"model": "cpu", "lm_head": "cpu"}], ids=["whole", "parts"]
)
def test_a_base_dispatched_by_accelerate(base: Any, prompts: list[Tensor], places: Any) -> None:
    wanted = make_shadow(base, 1).generate(prompts[1], max_new_tokens=10)
    placed = accelerate.dispatch_model(base, places, main_device="cpu", force_hooks=True)
    model = make_shadow(placed, 1)
    assert torch.equal(model.generate(prompts[1], max_new_tokens=10), wanted)


def test_a_base_loaded_with_a_device_map(base: Any, prompts: list[Tensor], tmp_path: Any) -> None:
    wanted = make_shadow(base, 1).generate(prompts[1], max_new_tokens=10)
    base.save_pretrained(tmp_path)
    placed: Any = AutoModelForCausalLM.from_pretrained(tmp_path, device_map={"": "cpu"}).eval()
    assert torch.equal(make_shadow(placed, 1).generate(prompts[1], max_new_tokens=10), wanted)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("places", [{"": 0}, "auto"])
def test_a_base_on_one_gpu(base: Any, prompts: list[Tensor], tmp_path: Any, places: Any) -> None:
    here = make_shadow(base, 1)
    with torch.no_grad():
        wanted = here(prompts[1]).logits
    base.save_pretrained(tmp_path / "base")
    here.save_pretrained(tmp_path / "shadow")
    placed: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "base", device_map=places).eval()
    there = ShadowModel.from_pretrained(placed, tmp_path / "shadow")
    assert {each.device.type for each in there.parameters()} == {"cuda"}
    prompt = prompts[1].to("cuda")
    with torch.no_grad():
        got = there(prompt).logits
    torch.testing.assert_close(got.cpu(), wanted, atol=1e-3, rtol=0)
    alone = there.generate(prompt, max_new_tokens=10)
    calls = [lambda: there.generate(prompt, max_new_tokens=10)] * 4
    assert all(torch.equal(each, alone) for each in together(calls))
