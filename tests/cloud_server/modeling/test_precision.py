"""Half precision: finite, close to fp32, and as close when cached."""

import copy
from typing import Any

import pytest
import torch

from cloud_server.modeling import ShadowModel

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
