"""One token at a time: equal to whole passes, and taken only where it was tried."""

import copy
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from transformers import LlamaConfig, LlamaForCausalLM

from cloud_server.modeling import ShadowModel
from cloud_server.modeling.token_step import TokenStep
from tests.cloud_server.modeling.conftest import CONFIG, WINDOW, shake


def step_by_step(model: ShadowModel, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    cache, pieces = model.new_cache(), []
    with torch.no_grad():
        for position in range(ids.shape[1]):
            pieces.append(model(ids[:, position : position + 1], cache=cache))
    assert cache.length == ids.shape[1]
    return (
        torch.cat([piece.logits for piece in pieces], 1),
        torch.cat([piece.shadow_logits for piece in pieces], 1),
    )


@pytest.fixture
def steps_taken(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every call of a TokenStep."""
    taken: list[Any] = []
    whole = TokenStep.__call__

    def count(self: TokenStep, *arguments: Any, **named: Any) -> torch.Tensor:
        taken.append(self)
        return whole(self, *arguments, **named)

    monkeypatch.setattr(TokenStep, "__call__", count)
    return taken


@pytest.mark.parametrize(
    ("implementation", "tolerance"),
    [("sdpa", 1e-10), ("eager", 1e-6)],  # eager attention takes its softmax in fp32
)
def test_steps_equal_one_whole_pass(
    model_fp64: ShadowModel, ids: Any, implementation: str, tolerance: float, steps_taken: Any
) -> None:
    assert ids.shape[1] > 2 * WINDOW
    model_fp64.base.set_attn_implementation(implementation)
    model_fp64.shadow_model.set_attn_implementation(implementation)
    with torch.no_grad():
        wanted = model_fp64(ids)
    assert not steps_taken
    logits, shadow_logits = step_by_step(model_fp64, ids)
    assert len(steps_taken) == 2 * ids.shape[1]  # shadow and base
    torch.testing.assert_close(logits, wanted.logits, atol=tolerance, rtol=0)
    torch.testing.assert_close(shadow_logits, wanted.shadow_logits, atol=tolerance, rtol=0)


def test_given_positions_are_taken(model_fp64: ShadowModel, ids: torch.Tensor) -> None:
    cache, token = model_fp64.new_cache(), ids[:, :1]
    elsewhere = torch.full((2, 1), 5)
    with torch.no_grad():
        model_fp64(ids[:, 1:7], cache=cache)
        again = copy.deepcopy(cache)
        at_five = model_fp64(token, cache=cache, position_ids=elsewhere).logits
        by_the_cache = model_fp64(token, cache=again).logits
    assert (at_five - by_the_cache).abs().max() > 1e-6


def test_padded_rows_take_the_whole_pass(
    model: ShadowModel, ids: torch.Tensor, steps_taken: list[Any]
) -> None:
    with torch.no_grad():
        model(ids[:, :1], torch.ones(2, 1, dtype=torch.long), model.new_cache())
    assert not steps_taken


def test_a_mask_that_masks_nothing_costs_nothing(
    model: ShadowModel, ids: torch.Tensor, steps_taken: list[Any]
) -> None:
    wanted = model.generate(ids, max_new_tokens=5)
    taken = len(steps_taken)
    assert taken == 2 * 4
    got = model.generate(ids, max_new_tokens=5, attention_mask=torch.ones_like(ids))
    assert torch.equal(got, wanted)
    assert len(steps_taken) == 2 * taken


def test_an_untried_family_takes_the_whole_pass(ids: torch.Tensor, steps_taken: list[Any]) -> None:
    torch.manual_seed(2)
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=97,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    ).eval()
    model = ShadowModel.create(llama, CONFIG).eval().double()
    for part in model.adapter_modules().values():
        shake(part)
    with torch.no_grad():
        wanted = model(ids).logits
    torch.testing.assert_close(step_by_step(model, ids)[0], wanted, atol=1e-10, rtol=0)
    assert not steps_taken


def test_packed_heads_say_the_same(model: ShadowModel, ids: torch.Tensor) -> None:
    names, one = list(model.state_dict()), ids[:1]
    said = [model.generate(ids, max_new_tokens=6), model.generate(one, max_new_tokens=6)]
    wanted = model(one[:, :1])
    torch._dynamo.reset()
    counters.clear()
    model.pack_heads()
    with torch.inference_mode():
        got = model(one[:, :1])
    torch.testing.assert_close(got.logits, wanted.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.shadow_logits, wanted.shadow_logits, atol=1e-5, rtol=0)
    assert torch.equal(model.generate(ids, max_new_tokens=6), said[0])
    assert torch.equal(model.generate(one, max_new_tokens=6), said[1])
    model(ids, labels=ids).loss.backward()
    assert model.shadow_injection_model.injection_ups.grad is not None
    assert list(model.state_dict()) == names
    assert counters["stats"]["unique_graphs"] == 1, "both heads are the base's, compiled once"


def test_packed_heads_are_taken(model: ShadowModel, ids: torch.Tensor) -> None:
    model.pack_heads()
    taken: list[tuple[int, ...]] = []

    def packed(state: torch.Tensor) -> torch.Tensor:
        taken.append(tuple(state.shape))
        return state.new_zeros(1, 97)

    model._packed_heads = {"lm_head": packed, "shadow_lm_head": packed}
    model.generate(ids[:1], max_new_tokens=3)
    assert taken == [(1, 32)] * 3


def test_the_head_reads_copied_rows(model: ShadowModel, ids: torch.Tensor) -> None:
    """A slice of a longer sequence is a stride away from its next row, which bf16 kernels pay for."""
    seen: list[torch.Tensor] = []
    model.base.get_output_embeddings().register_forward_pre_hook(
        lambda _, given: seen.append(given[0])
    )
    with torch.no_grad():
        kept = model(ids, logits_to_keep=2)
        whole = model(ids)
    assert [each.stride() for each in seen[:2]] == [(64, 32, 1)] * 2
    torch.testing.assert_close(kept.logits, whole.logits[:, -2:], atol=1e-5, rtol=0)
