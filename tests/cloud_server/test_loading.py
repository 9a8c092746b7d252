"""Profiles: what is missing is named, and a base with its shadow on disk is served as it is."""

import pytest
import torch

from cloud_server import loading
from cloud_server.loading import load_profile, load_served_base, make_tiny
from cloud_server.profiles import ModelPlaces
from cloud_server.settings import CloudSettings
from cloud_server.training.base import load_training_base
from shared.errors import BaseUnavailable, CheckpointMismatch, ConfigurationError, ModelError
from shared.prompt import CHATML, GEMMA

NAMES = ("x", "x-base")
PROMPT = torch.tensor([[1, 2, 3, 4]])


def places(base, adapter):
    return ModelPlaces(str(base), str(adapter))


@pytest.fixture
def directories(tmp_path):
    """A tiny base and its shadow, saved as the real ones are."""
    tiny = make_tiny()
    base, adapter = tmp_path / "base", tmp_path / "shadow"
    tiny.model.base.save_pretrained(base)
    tiny.tokenizer.save(str(base / "tokenizer.json"))
    tiny.model.save_pretrained(adapter)
    return base, adapter


def test_tiny_is_the_same_each_time_and_leaves_the_random_state_alone():
    before = torch.random.get_rng_state()
    first, second = make_tiny(), make_tiny()
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.no_grad():
        assert torch.equal(first.model(PROMPT).logits, second.model(PROMPT).logits)


def test_a_base_and_its_shadow_are_loaded_from_disk(directories):
    served = load_served_base(("tiny-on-disk", "tiny-base"), places(*directories), GEMMA, "fp32")
    made = make_tiny()
    assert served.stop_token_ids == made.stop_token_ids
    assert served.encoder.encode_prompt("坐下") == made.encoder.encode_prompt("坐下")
    with torch.no_grad():
        expected = made.model(PROMPT).logits
        assert torch.equal(served.model(PROMPT.to(served.device)).logits.cpu(), expected)


@pytest.mark.parametrize(
    ("has_it", "number_format"), [(True, torch.bfloat16), (False, torch.float32)]
)
def test_precision_is_that_of_the_settings_where_the_machine_has_it(
    directories, monkeypatch, has_it, number_format
):
    monkeypatch.setattr(loading, "computes_bf16", lambda: has_it)
    base, adapter = directories
    settings = CloudSettings.from_environment(base_directory=base, adapter_directory=adapter)
    served = load_profile(settings)
    assert {parameter.dtype for parameter in served.model.parameters()} == {number_format}


def test_what_is_missing_is_named(directories, tmp_path):
    base, adapter = directories
    with pytest.raises(BaseUnavailable, match="cloud-server prepare"):
        load_served_base(NAMES, places(tmp_path / "none", adapter), GEMMA, "fp32")
    with pytest.raises(ModelError, match="no shadow at"):
        load_served_base(NAMES, places(base, tmp_path / "none"), GEMMA, "fp32")
    with pytest.raises(ConfigurationError, match="chatml"):
        load_served_base(NAMES, places(base, adapter), CHATML, "fp32")
    (base / "tokenizer.json").unlink()
    with pytest.raises(BaseUnavailable, match="tokenizer"):
        load_served_base(NAMES, places(base, adapter), GEMMA, "fp32")


def test_a_shadow_that_does_not_fit_is_refused(directories):
    from safetensors.torch import load_file, save_file

    base, adapter = directories
    file = adapter / "shadow_adapter.safetensors"
    tensors = load_file(file)
    tensors.popitem()
    save_file(tensors, file)
    with pytest.raises(CheckpointMismatch):
        load_served_base(NAMES, places(base, adapter), GEMMA, "fp32")


UP = "model.layers.1.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({UP: None}, f"missing.*{UP}"),
        ({"model.layers.3.mlp.up_proj.weight": torch.zeros(48, 32)}, "unexpected.*layers.3"),
        ({UP: torch.zeros(7, 32)}, rf"mismatched.*{UP}.*\[7, 32\]"),
    ],
)
def test_a_base_that_is_not_whole_is_refused_by_its_tensors(directories, change, named):
    """transformers would fill what is missing with random numbers."""
    from safetensors.torch import load_file, save_file

    base, adapter = directories
    file = base / "model.safetensors"
    tensors = {**load_file(file), **change}
    whole = {name: each for name, each in tensors.items() if each is not None}
    save_file(whole, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointMismatch, match=named):
        load_served_base(NAMES, places(base, adapter), GEMMA, "fp32")
    with pytest.raises(CheckpointMismatch, match=named):
        load_training_base("gemma-270m", torch.float32, base)


def test_a_tied_head_may_stand_in_a_bases_file_once_more(directories):
    from safetensors.torch import load_file, save_file

    base, adapter = directories
    file = base / "model.safetensors"
    tensors = load_file(file)
    head = tensors["model.embed_tokens.weight"].clone()
    save_file({**tensors, "lm_head.weight": head}, file, metadata={"format": "pt"})
    served = load_served_base(NAMES, places(base, adapter), GEMMA, "fp32")
    assert served.model.base.lm_head.weight is served.model.base.model.embed_tokens.weight


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_tiny_base_to_train_has_the_format_asked_for_and_exact_frequencies(dtype):
    model = load_training_base("tiny", dtype).model
    exact = dict(make_tiny().model.base.named_buffers())
    assert {each.dtype for each in model.parameters()} == {dtype}
    assert model.lm_head.weight is model.model.embed_tokens.weight
    for name, each in model.named_buffers():
        assert not name.endswith("inv_freq") or torch.equal(each, exact[name])
