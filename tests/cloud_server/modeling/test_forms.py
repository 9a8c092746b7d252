"""The forms of a shadow: made, saved, loaded whole, and refused where they cannot be."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTModel,
)

from cloud_server.adapter_files import ADAPTER_NAME, FORM_NAME, MODULES_NAME, adapter_sha256
from cloud_server.modeling import ProjectedShadow, ShadowConfig, ShadowModel
from shared.errors import CheckpointMismatch, ConfigurationError, ModelError
from tests.cloud_server.modeling.conftest import CONFIG, shake, tiny_gemma3, tiny_qwen3


def gpt2(tokens: int = 97) -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=tokens, n_embd=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1
    )
    return GPT2LMHeadModel(config).eval()


def projected(wide: int = 32) -> ProjectedShadow:
    return ProjectedShadow.wrap(
        tiny_qwen3().base_model, nn.Linear(32, wide, bias=False), nn.Linear(wide, 97, bias=False)
    )


def shaken(model: Any) -> Any:
    for part in [*model.adapter_modules().values(), *model.saved_heads.values()]:
        shake(part)
    return model.eval()


SEEING = {
    "num_hidden_layers": 1,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_attention_heads": 1,
    "vocab_size": 97,
    "image_size": 8,
    "patch_size": 4,
}


FORMS = {
    "narrower": lambda base: ShadowModel.create(
        base,
        dataclasses.replace(
            CONFIG,
            shadow_intermediate_size=20,
            shadow_num_attention_heads=2,
            shadow_num_key_value_heads=1,
            shadow_head_dim=12,
        ),
    ),
    "of its own class": lambda base: ShadowModel.create(base, CONFIG, copy.deepcopy(base)),
    "shared": lambda base: ShadowModel.create(base, CONFIG, tiny_qwen3(), share_embeddings=True),
    "gpt2": lambda base: ShadowModel.create(base, CONFIG, gpt2()),
    "square projection": lambda base: ShadowModel.create(base, CONFIG, projected()),
    "ablation": lambda base: ShadowModel.create(base, CONFIG, update=False),
    "own heads": lambda base: ShadowModel.create(
        base, dataclasses.replace(CONFIG, modules_to_save=("shadow_lm_head",))
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_directory_is_all_that_loading_needs(
    form: str, base: Any, ids: torch.Tensor, tmp_path: Path
) -> None:
    model = shaken(FORMS[form](base))
    model.save_pretrained(tmp_path)
    again = ShadowModel.from_pretrained(base, tmp_path)
    with torch.no_grad():
        wanted, got = model(ids), again(ids)
        cache = again.new_cache()
        steps = [again(each, cache=cache).logits for each in ids.split(5, dim=1)]
    assert torch.equal(got.logits, wanted.logits)
    assert torch.equal(got.shadow_logits, wanted.shadow_logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), wanted.logits, atol=1e-4, rtol=0)


def test_a_plain_directory_has_the_librarys_files_alone(base: Any, tmp_path: Path) -> None:
    ShadowModel.create(base, CONFIG, update=False).save_pretrained(tmp_path)
    first = adapter_sha256(tmp_path)
    ShadowModel.create(base, CONFIG).save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [ADAPTER_NAME, "shadow_config.json"]
    assert adapter_sha256(tmp_path) != first


def test_the_given_shadow_is_copied_and_its_embeddings_frozen(base: Any, ids: Any) -> None:
    given = tiny_qwen3()
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    model = ShadowModel.create(base, CONFIG, given)
    shared = ShadowModel.create(base, CONFIG, given, share_embeddings=True)
    model(ids, labels=ids).loss.backward()
    trained = {
        name for name, each in model.shadow_model.named_parameters() if each.grad is not None
    }
    assert "embed_tokens.weight" not in trained
    assert "norm.weight" in trained
    shake(model.shadow_model)
    shake(shared.shadow_model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in given.state_dict().items())
    assert shared.shadow_embeddings() is base.get_input_embeddings()
    assert "embed_tokens.weight" not in shared.shadow_model.state_dict()


def test_a_square_projection_is_kept(base: Any, ids: torch.Tensor) -> None:
    """shadow-peft 0.1.1 drops it in silence where hidden sizes are equal."""
    given = projected()
    given.lm_head.load_state_dict(base.get_output_embeddings().state_dict())
    model = ShadowModel.create(base, CONFIG, given).eval()
    with torch.no_grad():
        wanted = given.eval()(ids).logits
        torch.testing.assert_close(model(ids).shadow_logits, wanted, atol=1e-5, rtol=0)


def test_explicit_shadows_that_do_not_fit_are_refused() -> None:
    base = tiny_gemma3()
    narrow = Qwen3ForCausalLM(dataclasses.replace(tiny_qwen3().config, hidden_size=16))
    encoder = T5ForConditionalGeneration(T5Config(vocab_size=97, d_model=32, num_layers=1))
    for given, share, said in (
        (narrow, True, "let it keep its own embeddings"),
        (gpt2(90), False, "knows 90 tokens and the base 97"),
        (projected(48), False, "made for another base"),
        (encoder, False, "an encoder with a decoder"),
        (ViTModel(ViTConfig(**SEEING)), False, "a vit is no decoder"),
    ):
        with pytest.raises(ModelError, match=said):
            ShadowModel.create(base, CONFIG, given, share_embeddings=share)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"num_shadow_layers": 9}, "more than the base's"),
        ({"shadow_num_attention_heads": 3, "shadow_num_key_value_heads": 2}, "3 attention heads"),
        ({"shadow_intermediate_size": 0}, "at least 1"),
        ({"modules_to_save": ("score",)}, "modules_to_save names score"),
    ],
)
def test_wrong_sizes_are_named(base: Any, sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ShadowModel.create(base, dataclasses.replace(CONFIG, **sizes))


QWEN3 = {"model_type": "qwen3", "num_hidden_layers": 1, "hidden_size": 32, "vocab_size": 97}


@pytest.mark.parametrize(
    ("decoder", "said"),
    [
        ({"model_type": "none"}, "unknown type 'none'"),
        ({**QWEN3, "hidden_size": "x"}, "a qwen3 that cannot be built"),
        ({**QWEN3, "num_hidden_layers": -1}, "a qwen3 that cannot be built"),
        ({**QWEN3, "num_attention_heads": 0}, "a qwen3 that cannot be built"),
        ({**QWEN3, "dtype": "none"}, "a qwen3 that cannot be built"),
        ({**QWEN3, "vocab_size": 10**30}, "a qwen3 that cannot be built"),
        ({"model_type": "gpt2", "n_embd": 32, "n_head": 3}, "a gpt2 that cannot be built"),
        (
            {"model_type": "clip", "text_config": SEEING, "vision_config": SEEING},
            "a clip is no decoder",
        ),
    ],
)
def test_a_form_that_describes_no_decoder_is_refused(
    base: Any, tmp_path: Path, decoder: dict[str, Any], said: str
) -> None:
    ShadowModel.create(base, CONFIG).save_pretrained(tmp_path)
    (tmp_path / FORM_NAME).write_text(json.dumps({"decoder": decoder}))
    with pytest.raises(ModelError, match=said):
        ShadowModel.from_pretrained(base, tmp_path)


def test_an_explicit_adapter_without_its_shadow_says_what_it_is(base: Any, tmp_path: Path) -> None:
    model = ShadowModel.create(base, CONFIG, gpt2())
    model.save_pretrained(tmp_path)
    (tmp_path / FORM_NAME).unlink()  # as the library leaves it
    with pytest.raises(
        CheckpointMismatch,
        match=r"2 layers of hidden size 16, projected to 32, with embeddings of its own for 97 tokens",
    ):
        ShadowModel.from_pretrained(base, tmp_path)
    ShadowModel.from_pretrained(base, tmp_path, shadow=gpt2())


def test_without_the_update_nothing_of_it_is_saved(base: Any, tmp_path: Path) -> None:
    model = ShadowModel.create(base, CONFIG, update=False)
    model.save_pretrained(tmp_path)
    names = load_file(tmp_path / ADAPTER_NAME)
    assert not [name for name in names if name.startswith("shadow_update_model")]
    assert not ShadowModel.from_pretrained(base, tmp_path).update_shadow
    (tmp_path / FORM_NAME).unlink()
    with pytest.raises(CheckpointMismatch, match="missing: shadow_update_model"):
        ShadowModel.from_pretrained(base, tmp_path)
    library = pytest.importorskip("shadow_peft", reason="the reference library is not installed")
    with pytest.raises(RuntimeError, match="Missing key"):  # it must not run another network
        library.ShadowPeftModel.from_pretrained(copy.deepcopy(base), tmp_path)


def test_heads_are_frozen_unless_they_are_saved(ids: torch.Tensor, tmp_path: Path) -> None:
    base = tiny_qwen3().eval()
    before = base.lm_head.weight.clone()
    frozen = ShadowModel.create(base, CONFIG)
    assert not any(each.requires_grad for each in frozen.head_module("lm_head").parameters())
    assert frozen.head_module("shadow_lm_head") is base.lm_head
    both = dataclasses.replace(CONFIG, modules_to_save=("lm_head", "shadow_lm_head"))
    model = ShadowModel.create(base, both)
    model(ids, labels=ids).loss.backward()
    assert all(head.weight.grad is not None for head in model.saved_heads.values())
    shaken(model).save_pretrained(tmp_path)
    again = ShadowModel.from_pretrained(base, tmp_path)
    with torch.no_grad():
        assert torch.equal(again(ids).logits, model(ids).logits)
        assert torch.equal(again.export_detached()(ids).logits, model(ids).shadow_logits)
    assert torch.equal(base.lm_head.weight, before), "the library would write into the base"
    (tmp_path / MODULES_NAME).unlink()
    with pytest.raises(CheckpointMismatch, match=r"missing: lm_head\.weight, shadow_lm_head"):
        ShadowModel.from_pretrained(base, tmp_path)


def test_a_tied_head_cannot_be_trained_alone() -> None:
    base = tiny_gemma3()
    with pytest.raises(ModelError, match="also its embedding"):
        ShadowModel.create(base, dataclasses.replace(CONFIG, modules_to_save=("lm_head",)))


def test_saved_heads_of_the_library_load(ids: torch.Tensor, tmp_path: Path) -> None:
    library = pytest.importorskip("shadow_peft", reason="the reference library is not installed")
    base = tiny_qwen3().eval()
    config = library.ShadowConfig(modules_to_save=["lm_head", "shadow_lm_head"])
    theirs = library.ShadowForCausalLM(library.get_shadow_model(copy.deepcopy(base), config)).eval()
    for part in (theirs.lm_head, theirs.shadow_lm_head, theirs.peft_model.shadow_injection_model):
        shake(part)
    theirs.save_pretrained(tmp_path)
    ours = ShadowModel.from_pretrained(base, tmp_path)
    with torch.no_grad():
        wanted, got = theirs(input_ids=ids), ours(ids)
    torch.testing.assert_close(got.logits, wanted.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(got.shadow_logits, wanted.shadow_logits, atol=1e-5, rtol=0)


def test_the_papers_parameter_count() -> None:
    """Table 1, Qwen3-8B with the 0.5B shadow: 454,991,872 trained, embeddings and heads left out."""
    shared: dict[str, Any] = {"vocab_size": 151936, "num_key_value_heads": 8, "head_dim": 128}
    large = Qwen3Config(
        **shared,
        hidden_size=4096,
        intermediate_size=12288,
        num_hidden_layers=36,
        num_attention_heads=32,
    )
    small = Qwen3Config(
        **shared,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        tie_word_embeddings=True,
    )
    with torch.device("meta"):
        model = ShadowModel.create(Qwen3ForCausalLM(large), ShadowConfig(), Qwen3ForCausalLM(small))
    assert sum(each.numel() for each in model.parameters() if each.requires_grad) == 454_991_872
