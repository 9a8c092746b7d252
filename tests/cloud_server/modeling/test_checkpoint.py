"""Checkpoints: bit for bit, strict, and nothing foreign."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.modeling.checkpoint import ADAPTER_NAME
from shared.errors import CheckpointForeign, CheckpointMismatch, ConfigurationError
from tests.cloud_server.modeling.conftest import tiny_gemma3, tiny_qwen3


def test_round_trip_bit_for_bit(model: ShadowModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "one")
    again = ShadowModel.from_pretrained(model.base, tmp_path / "one")
    again.save_pretrained(tmp_path / "two")
    one, two = (load_file(tmp_path / name / ADAPTER_NAME) for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert (tmp_path / "one" / ADAPTER_NAME).read_bytes() == (
        tmp_path / "two" / ADAPTER_NAME
    ).read_bytes()


def _drop(tensors: dict[str, torch.Tensor]) -> str:
    tensors.pop("shadow_injection_model.injection_ups")
    return "missing: shadow_injection_model.injection_ups"


def _add(tensors: dict[str, torch.Tensor]) -> str:
    tensors["shadow_model.extra.weight"] = torch.zeros(2)
    return "unexpected: shadow_model.extra.weight"


def _reshape(tensors: dict[str, torch.Tensor]) -> str:
    tensors["shadow_injection_model.injection_ups"] = torch.zeros(1, 2, 3)
    return "wrong shape: shadow_injection_model.injection_ups"


@pytest.mark.parametrize("damage", [_drop, _add, _reshape])
def test_wrong_tensors_are_refused_by_name(model: Any, tmp_path: Path, damage: Any) -> None:
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / ADAPTER_NAME)
    complaint = damage(tensors)
    save_file(tensors, str(tmp_path / ADAPTER_NAME))
    before = {name: t.clone() for name, t in model.base.state_dict().items()}
    with pytest.raises(CheckpointMismatch) as refused:
        ShadowModel.from_pretrained(model.base, tmp_path)
    assert complaint in refused.value.message
    assert all(torch.equal(t, before[name]) for name, t in model.base.state_dict().items())


def test_damaged_files_are_refused(model: ShadowModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / ADAPTER_NAME).write_bytes(b"\x00" * 100)
    with pytest.raises(CheckpointMismatch, match="cannot be read as safetensors"):
        ShadowModel.from_pretrained(model.base, tmp_path)


def test_foreign_directories_are_named(base: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointForeign, match="no shadow adapter"):
        ShadowModel.from_pretrained(base, tmp_path)
    with pytest.raises(CheckpointForeign, match="no directory"):
        ShadowModel.from_pretrained(base, tmp_path / "nowhere")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    with pytest.raises(CheckpointForeign, match="whole model of type qwen3"):
        ShadowModel.from_pretrained(base, tmp_path)


def test_a_peft_adapter_is_named(base: Any, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    lora = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["q_proj"]))
    lora.save_pretrained(tmp_path)
    with pytest.raises(CheckpointForeign, match="peft adapter of type LORA"):
        ShadowModel.from_pretrained(base, tmp_path)


def test_pefts_own_shadow_is_named(base: Any, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    if not hasattr(peft, "ShadowConfig"):
        pytest.skip("this peft has no ShadowPEFT of its own")
    theirs = peft.get_peft_model(copy.deepcopy(base), peft.ShadowConfig(task_type="CAUSAL_LM"))
    theirs.save_pretrained(tmp_path)
    assert (tmp_path / "adapter_model.safetensors").is_file()
    with pytest.raises(CheckpointForeign, match="peft adapter of type SHADOW, whose blocks have"):
        ShadowModel.from_pretrained(base, tmp_path)


def test_the_librarys_adapter_for_another_base_is_named(tmp_path: Path) -> None:
    library = pytest.importorskip("shadow_peft", reason="the reference library is not installed")
    library.get_shadow_model(tiny_gemma3(), library.ShadowConfig()).save_pretrained(tmp_path)
    other = tiny_qwen3()
    with pytest.raises(
        CheckpointMismatch,
        match=r"a shadow of 1 layers, for a base of 7 layers and hidden size 32; "
        r"this qwen3 has 5 layers",
    ):
        ShadowModel.from_pretrained(other, tmp_path)
    same_depth = tiny_qwen3()
    library.get_shadow_model(tiny_qwen3(), library.ShadowConfig()).save_pretrained(tmp_path)
    same_depth.config.intermediate_size = 64
    with pytest.raises(CheckpointMismatch, match=r"wrong shape: shadow_model\.layers"):
        ShadowModel.from_pretrained(same_depth, tmp_path)


def test_unknown_configuration_keys_are_refused(model: ShadowModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "shadow_config.json").read_text())
    (tmp_path / "shadow_config.json").write_text(json.dumps({**config, "gate_kind": "new"}))
    with pytest.raises(CheckpointMismatch, match="gate_kind"):
        ShadowModel.from_pretrained(model.base, tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_shadow_layers": 0}, "num_shadow_layers must be at least 1"),
        ({"num_shadow_layers": 9}, "does not fit this .*ForCausalLM: num_shadow_layers is 9"),
        ({"alpha": float("nan")}, "alpha must be a finite number"),
        ({"dropout": 1.5}, "dropout"),
        ({"modules_to_save": ["classifier_head"]}, "modules_to_save names classifier_head"),
        ({"shadow_num_attention_heads": 3, "shadow_num_key_value_heads": 2}, "cannot share"),
    ],
)
def test_a_configuration_of_no_shadow_of_this_base_is_refused_by_its_file(
    model: ShadowModel, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "shadow_config.json").read_text())
    (tmp_path / "shadow_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(CheckpointMismatch, match=rf"shadow_config\.json.*{said}"):
        ShadowModel.from_pretrained(model.base, tmp_path)


@pytest.mark.parametrize("alpha", [float("nan"), float("inf")])
def test_alpha_is_a_number(alpha: float) -> None:
    with pytest.raises(ConfigurationError, match="alpha"):
        ShadowConfig(alpha=alpha)
