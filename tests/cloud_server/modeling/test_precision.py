"""Half precision: finite, close to fp32, and as close when cached."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from cloud_server.modeling import ShadowModel, load_causal_lm
from cloud_server.modeling.shadow_backbone import decoder_within
from cloud_server.training.train import save_as_shipped
from tests.cloud_server.modeling.test_forms import FORMS

FORMATS = [torch.bfloat16, torch.float16]
CLOSE = {torch.bfloat16: 5e-2, torch.float16: 6e-3}
"""Shares of the largest logit; a bf16 number has 8 significant bits, an fp16 number 11."""


def share_of_largest(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got.float() - wanted).abs().max() / wanted.abs().max())


@pytest.mark.parametrize("number_format", FORMATS, ids=["bf16", "fp16"])
def test_forward_is_finite_and_close(
    model: ShadowModel, ids: torch.Tensor, number_format: torch.dtype
) -> None:
    small = copy.deepcopy(model).to(number_format)
    with torch.no_grad():
        wanted, got = model(ids), small(ids)
    for ours, exact in ((got.logits, wanted.logits), (got.shadow_logits, wanted.shadow_logits)):
        assert ours.dtype == number_format
        assert bool(ours.isfinite().all())
        assert share_of_largest(ours, exact) < CLOSE[number_format]


@pytest.mark.parametrize("number_format", FORMATS, ids=["bf16", "fp16"])
def test_steps_are_as_close(model: ShadowModel, ids: torch.Tensor, number_format: Any) -> None:
    small = copy.deepcopy(model).to(number_format)
    cache, pieces = small.new_cache(), []
    with torch.no_grad():
        wanted = model(ids).logits
        for start, end in ((0, 12), *((n, n + 1) for n in range(12, ids.shape[1]))):
            pieces.append(small(ids[:, start:end], cache=cache).logits)
    assert share_of_largest(torch.cat(pieces, 1), wanted) < CLOSE[number_format]


@pytest.mark.parametrize("number_format", FORMATS, ids=["bf16", "fp16"])
def test_losses_and_gradients_are_finite(
    model: ShadowModel, ids: torch.Tensor, number_format: torch.dtype
) -> None:
    """The loss itself is taken in fp32."""
    wanted = model(ids, labels=ids).loss
    small = copy.deepcopy(model).to(number_format).train()
    loss = small(ids, labels=ids).loss
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, wanted, atol=0.05, rtol=0)
    for part in small.adapter_modules().values():
        for parameter in part.parameters():
            assert parameter.grad is None or bool(parameter.grad.isfinite().all())


def test_autocast_trains_fp32_weights(model: ShadowModel, ids: torch.Tensor) -> None:
    """As Trainer's `bf16=True` does it."""
    wanted = model(ids, labels=ids).loss
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(ids, labels=ids).loss
    loss.backward()
    torch.testing.assert_close(loss, wanted, atol=0.05, rtol=0)
    assert model.shadow_injection_model.injection_ups.grad is not None
    assert model.shadow_injection_model.injection_ups.grad.dtype == torch.float32


def frequencies(decoder: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The angles by which a decoder turns its positions."""
    return {name: each for name, each in decoder.named_buffers() if name.endswith("inv_freq")}


@pytest.mark.parametrize("form", ["narrower", "of its own class", "square projection"])
def test_rotary_frequencies_stay_exact_beside_bf16_weights(
    form: str, base: Any, tmp_path: Path
) -> None:
    """As transformers and the library keep them; rounded, late positions would turn by other angles."""
    base.save_pretrained(tmp_path / "base")
    small = load_causal_lm(tmp_path / "base", torch.bfloat16)
    made = FORMS[form](small)
    made.save_pretrained(tmp_path / "shadow")
    read = ShadowModel.from_pretrained(small, tmp_path / "shadow")
    exported = read.export_detached()
    exported.save_pretrained(tmp_path / "exported")
    opened = load_causal_lm(tmp_path / "exported")
    decoders = [
        small.base_model,
        made.shadow_model,
        read.shadow_model,
        decoder_within(exported),
        decoder_within(opened),
    ]
    for decoder in decoders:
        assert {each.dtype for each in decoder.parameters()} == {torch.bfloat16}
        kept, exact = frequencies(decoder), frequencies(type(decoder)(decoder.config))
        assert kept.keys() == exact.keys() != set()
        for name, wanted in exact.items():
            assert kept[name].dtype == torch.float32, name
            assert torch.equal(kept[name], wanted), name


def test_a_shadow_saved_as_shipped_loses_no_frequency(model: ShadowModel, tmp_path: Path) -> None:
    """Its thresholds are chosen with what is left in memory."""
    before = {name: each.clone() for name, each in frequencies(model.shadow_model).items()}
    save_as_shipped(model, tmp_path)
    after = frequencies(model.shadow_model)
    assert before.keys() == after.keys() != set()
    assert all(torch.equal(after[name], wanted) for name, wanted in before.items())
