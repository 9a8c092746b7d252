"""Equality with the published library, shadow-peft 0.1.1, on the same weights."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from cloud_server.modeling import ShadowConfig, ShadowModel
from tests.cloud_server.modeling.conftest import CONFIG, TINY, shake

shadow_peft = pytest.importorskip("shadow_peft", reason="the reference library is not installed")


def library_model(base: Any, directory: Path, **sizes: int) -> Any:
    """Write a library checkpoint with weights off their start; return the library's own model."""
    config = shadow_peft.ShadowConfig(
        num_shadow_layers=CONFIG.num_shadow_layers,
        injection_hidden_size=CONFIG.injection_hidden_size,
        gate_hidden_size=CONFIG.gate_hidden_size,
        alpha=CONFIG.alpha,
        dropout=CONFIG.dropout,
        **sizes,
    )
    model = shadow_peft.get_shadow_model(copy.deepcopy(base), config)
    for part in (model.shadow_model, model.shadow_injection_model, model.shadow_update_model):
        shake(part)
    model.save_pretrained(directory)
    return model.eval()


@pytest.mark.parametrize("family", sorted(TINY))
@pytest.mark.parametrize("sizes", [{}, {"shadow_intermediate_size": 24}], ids=["same", "narrow"])
def test_logits_and_losses_equal_the_library(
    family: str, sizes: dict[str, int], ids: torch.Tensor, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    base = TINY[family]().eval()
    library = library_model(base, tmp_path, **sizes)
    ours = ShadowModel.from_pretrained(base, tmp_path)
    labels = ids.clone()
    labels[:, :7] = -100
    weight = 0.3
    wrapper = shadow_peft.ShadowForCausalLM(library, shadow_loss_weight=weight).eval()
    with torch.no_grad():
        theirs = wrapper(input_ids=ids, labels=labels)
        out = ours(ids)
        loss = ours(ids, labels=labels, shadow_loss_weight=weight).loss
    torch.testing.assert_close(out.logits, theirs.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.shadow_logits, theirs.shadow_logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(loss, theirs.loss, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", sorted(TINY))
def test_separate_targets_add_up(family: str, ids: torch.Tensor, tmp_path: Path) -> None:
    torch.manual_seed(3)
    base = TINY[family]().eval()
    library = library_model(base, tmp_path)
    ours = ShadowModel.from_pretrained(base, tmp_path)
    for_base, for_shadow = ids.clone(), ids.flip(0).clone()
    for_base[:, :9] = -100
    for_shadow[:, 12:] = -100
    wrapper = shadow_peft.ShadowForCausalLM(library, shadow_loss_weight=1.0).eval()
    with torch.no_grad():
        only_base = ours(ids, labels=for_base, shadow_loss_weight=0.0).loss
        both = wrapper(input_ids=ids, labels=for_shadow)
        wrapper.shadow_loss_weight = 0.0
        alone = wrapper(input_ids=ids, labels=for_shadow)
        got = ours(ids, labels=for_base, shadow_labels=for_shadow, shadow_loss_weight=0.3).loss
    wanted = only_base + 0.3 * (both.loss - alone.loss)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", sorted(TINY))
def test_the_library_reads_our_files(family: str, ids: torch.Tensor, tmp_path: Path) -> None:
    torch.manual_seed(4)
    base = TINY[family]().eval()
    ours = ShadowModel.create(base, CONFIG).eval()
    for part in ours.adapter_modules().values():
        shake(part)
    ours.save_pretrained(tmp_path)
    with torch.no_grad():
        wanted = ours(ids).logits
        library = shadow_peft.ShadowPeftModel.from_pretrained(copy.deepcopy(base), tmp_path)
        got = library(input_ids=ids).logits
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


def test_the_configuration_keeps_the_librarys_keys(tmp_path: Path) -> None:
    shadow_peft.ShadowConfig(num_shadow_layers=3, alpha=0.2).save_pretrained(tmp_path)
    assert ShadowConfig.load(tmp_path) == ShadowConfig(num_shadow_layers=3, alpha=0.2)
