"""The detached shadow alone: opened by plain transformers, with the very same logits."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from cloud_server.modeling import ProjectedShadow, ShadowModel, load_causal_lm
from shared.errors import ModelError
from tests.cloud_server.modeling.conftest import CONFIG, shake, tiny_gemma3, tiny_qwen3
from tests.cloud_server.modeling.test_forms import FORMS, gpt2, shaken

PROJECTED = ("gpt2", "square projection")


@pytest.mark.parametrize("form", [form for form in FORMS if form not in PROJECTED])
def test_plain_transformers_open_an_export(
    form: str, base: Any, ids: torch.Tensor, tmp_path: Path
) -> None:
    model = shaken(FORMS[form](base))
    exported = model.export_detached()
    exported.save_pretrained(tmp_path)
    opened = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        wanted = model(ids).shadow_logits
        torch.testing.assert_close(exported(ids).logits, wanted, atol=1e-6, rtol=0)
        assert torch.equal(opened(ids).logits, exported(ids).logits)
    said = opened.generate(ids[:, :5], max_new_tokens=6, do_sample=False, eos_token_id=None)
    assert torch.equal(said, model.generate(ids[:, :5], max_new_tokens=6, mode="detached"))


@pytest.mark.parametrize("form", PROJECTED)
def test_a_projected_export_is_a_projected_shadow(
    form: str, base: Any, ids: torch.Tensor, tmp_path: Path
) -> None:
    model = shaken(FORMS[form](base))
    exported = model.export_detached()
    assert isinstance(exported, ProjectedShadow)
    exported.save_pretrained(tmp_path)
    opened = load_causal_lm(tmp_path)
    with torch.no_grad():
        assert torch.equal(opened(ids).logits, model(ids).shadow_logits)
        again = ShadowModel.create(base, CONFIG, opened).eval()
        assert torch.equal(again(ids).shadow_logits, model(ids).shadow_logits)


def test_an_export_shares_no_storage(model: ShadowModel, ids: torch.Tensor) -> None:
    with torch.no_grad():
        before = model(ids)
        exported = model.export_detached()
        shake(exported)
        after = model(ids)
    assert torch.equal(before.logits, after.logits)
    assert torch.equal(before.shadow_logits, after.shadow_logits)


def test_what_cannot_stand_alone_is_refused(ids: torch.Tensor) -> None:
    capped = tiny_gemma3().eval()
    capped.config.final_logit_softcapping = 5.0
    with torch.no_grad():
        alone = ShadowModel.create(capped, CONFIG).eval()
        same = alone.export_detached()
        torch.testing.assert_close(same(ids).logits, alone(ids).shadow_logits, atol=1e-6, rtol=0)
    for given in (tiny_qwen3(), gpt2()):
        with pytest.raises(ModelError, match="caps its logits at 5"):
            ShadowModel.create(capped, CONFIG, given).export_detached()
    half = copy.deepcopy(tiny_qwen3()).to(torch.bfloat16)
    sharing = ShadowModel.create(half, CONFIG, tiny_gemma3(), share_embeddings=True)
    with pytest.raises(ModelError, match="in fp32"):
        sharing.export_detached()
