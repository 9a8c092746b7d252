"""Projected shadows (eq. 11): the library's directory, read and written, and nothing half."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cloud_server.modeling import ProjectedShadow, load_causal_lm
from cloud_server.modeling.projected import load_projected_shadow
from shared.errors import CheckpointForeign, CheckpointMismatch
from tests.cloud_server.modeling.conftest import TINY, tiny_qwen3

WEIGHTS = "model.safetensors"


@pytest.fixture(params=sorted(TINY))
def parts(request: pytest.FixtureRequest) -> Any:
    """A small CausalLM, a projection to 48 channels, and a base's head."""
    torch.manual_seed(2)
    small = TINY[request.param]().eval()
    return small, nn.Linear(32, 48, bias=False), nn.Linear(48, 97, bias=False)


def wrap(parts: Any) -> ProjectedShadow:
    return ProjectedShadow.wrap(parts[0].base_model, *parts[1:]).eval()


def read_config(directory: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((directory / "config.json").read_text())
    return config


def test_the_logits_are_eq_11(parts: Any, ids: torch.Tensor) -> None:
    small, projection, head = parts
    with torch.no_grad():
        state = small.base_model(ids).last_hidden_state
        wanted = state @ projection.weight.T @ head.weight.T
        torch.testing.assert_close(wrap(parts)(ids).logits, wanted, atol=1e-5, rtol=0)


def test_the_library_and_ours_read_each_others_files(parts: Any, ids: Any, tmp_path: Path) -> None:
    library = pytest.importorskip("shadow_peft", reason="the reference library is not installed")
    kind = library.AutoModelForCausalLMWithHiddenProjection
    theirs = kind.wrap(
        shadow_model=parts[0],
        shadow_hidden_projection=parts[1],
        lm_head=parts[2],
        init_optimal_projection=False,
    ).eval()
    ours = wrap(parts)
    theirs.save_pretrained(tmp_path / "theirs")
    ours.save_pretrained(tmp_path / "ours")
    assert read_config(tmp_path / "ours") == read_config(tmp_path / "theirs")
    one, other = (load_file(tmp_path / name / WEIGHTS) for name in ("ours", "theirs"))
    assert one.keys() == other.keys()
    with torch.no_grad():
        wanted = theirs(input_ids=ids, labels=ids)
        for model in (ours, load_causal_lm(tmp_path / "theirs"), load_causal_lm(tmp_path / "ours")):
            got = model(ids, labels=ids)
            assert torch.equal(got.logits, wanted.logits)
            torch.testing.assert_close(got.loss, wanted.loss)
        read = kind.from_pretrained(tmp_path / "ours").eval()
        assert torch.equal(read(input_ids=ids).logits, wanted.logits)


def test_generation_uses_the_cache(parts: Any, ids: torch.Tensor) -> None:
    model = wrap(parts)
    said = model.generate(ids, max_new_tokens=12, do_sample=False)
    naive = ids
    with torch.no_grad():
        for _ in range(12):
            naive = torch.cat([naive, model(naive).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(said, naive)


def test_older_files_are_read(ids: torch.Tensor, tmp_path: Path) -> None:
    """Before transformers 5: a task class by name, rope_theta by itself, another name for the dtype."""
    model = ProjectedShadow.wrap(
        tiny_qwen3().base_model, nn.Linear(32, 48, bias=False), nn.Linear(48, 97, bias=False)
    ).eval()
    model.save_pretrained(tmp_path)
    config = read_config(tmp_path)
    inner = config["shadow_model_config"]
    config["shadow_model_class"] = "transformers.models.qwen3.modeling_qwen3:Qwen3ForCausalLM"
    inner["rope_theta"] = inner.pop("rope_parameters")["rope_theta"]
    inner["torch_dtype"] = inner.pop("dtype")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with torch.no_grad():
        assert torch.equal(load_projected_shadow(tmp_path)(ids).logits, model(ids).logits)
    half = load_projected_shadow(tmp_path, torch.bfloat16)
    assert {each.dtype for each in half.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("family", sorted(TINY))
def test_what_is_not_whole_is_refused(family: str, tmp_path: Path) -> None:
    small = TINY[family]()
    wrap((small, nn.Linear(32, 48, bias=False), nn.Linear(48, 97, bias=False))).save_pretrained(
        tmp_path
    )
    tensors = load_file(tmp_path / WEIGHTS)
    projection = tensors.pop("shadow_hidden_projection.weight")
    save_file(tensors, tmp_path / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(CheckpointMismatch, match=r"shadow_hidden_projection\.weight"):
        load_causal_lm(tmp_path)
    extra = {**tensors, "shadow_hidden_projection.weight": projection, "more": torch.zeros(1)}
    save_file(extra, tmp_path / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(CheckpointMismatch, match="more"):
        load_causal_lm(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(CheckpointForeign, match="cannot be read as a CausalLM"):
        load_causal_lm(tmp_path)


def test_what_is_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointForeign, match="no model's directory"):
        load_causal_lm(tmp_path)
    tiny_qwen3().save_pretrained(tmp_path)
    with pytest.raises(CheckpointForeign, match="type qwen3, not a projected shadow"):
        load_projected_shadow(tmp_path)
    model = ProjectedShadow.wrap(
        tiny_qwen3().base_model, nn.Linear(32, 48, bias=False), nn.Linear(48, 97, bias=False)
    )
    model.save_pretrained(tmp_path)
    config = read_config(tmp_path)
    config["shadow_model_config"]["model_type"] = "os.system"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointForeign, match=r"unknown type 'os\.system'"):
        load_causal_lm(tmp_path)
