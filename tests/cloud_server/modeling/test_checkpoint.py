"""Checkpoints: bit for bit, strict, and nothing foreign."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cloud_server.modeling import ShadowModel
from cloud_server.modeling.checkpoint import ADAPTER_NAME
from shared.errors import CheckpointForeign, CheckpointMismatch, ConfigurationError


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


def test_unknown_configuration_keys_are_refused(model: ShadowModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "shadow_config.json").read_text())
    (tmp_path / "shadow_config.json").write_text(json.dumps({**config, "gate_kind": "new"}))
    with pytest.raises(CheckpointMismatch, match="gate_kind"):
        ShadowModel.from_pretrained(model.base, tmp_path)
    (tmp_path / "shadow_config.json").write_text(json.dumps({**config, "num_shadow_layers": 0}))
    with pytest.raises(ConfigurationError):
        ShadowModel.from_pretrained(model.base, tmp_path)
