"""What the plugin reads and refuses before vLLM is there; runs in both environments."""

import importlib.util
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from cloud_server.adapter_files import CONFIG_NAME, MODULES_NAME
from cloud_server.vllm_plugin.adapter import Adapter
from cloud_server.vllm_plugin.serve import main, vllm_arguments
from shared.errors import CheckpointForeign, CheckpointMismatch


@pytest.fixture(scope="module")
def implicit(make_pair):
    return make_pair("implicit")


@pytest.fixture(scope="module")
def published(make_pair):
    return make_pair("published")


def test_an_implicit_shadow_has_the_bases_sizes(implicit):
    adapter = Adapter.read(implicit.adapter, implicit.model.base.config, None)
    assert adapter.decoder.num_hidden_layers == 2
    assert adapter.decoder.hidden_size == 64
    assert adapter.update
    assert not adapter.shape.has_own_embeddings


def test_the_published_form_needs_what_its_shadow_was_made_from(published):
    config = published.model.base.config
    with pytest.raises(CheckpointMismatch, match="an explicit shadow, which the library's files"):
        Adapter.read(published.adapter, config, None)
    adapter = Adapter.read(published.adapter, config, published.shadow)
    assert (adapter.decoder.model_type, adapter.decoder.hidden_size) == ("qwen3", 32)
    assert adapter.shape.has_own_embeddings
    assert adapter.shape.has_projection


def test_another_bases_adapter_is_refused_by_name(implicit, make_pair):
    other = make_pair("published").model.base.config
    other.num_hidden_layers = 5
    with pytest.raises(CheckpointMismatch, match="this qwen3 has 5 layers"):
        Adapter.read(implicit.adapter, other, None)


def test_another_networks_files_are_refused_by_name(implicit):
    with pytest.raises(CheckpointForeign, match="is a whole model of type qwen3"):
        Adapter.read(implicit.base, implicit.model.base.config, None)


def test_trained_heads_are_those_that_the_configuration_names(make_pair):
    pair = make_pair("headed")
    config, file = pair.model.base.config, pair.adapter / MODULES_NAME
    whole = load_file(file)
    assert [name for name, _ in Adapter.read(pair.adapter, config, None).head_tensors()] == [
        "lm_head.weight"
    ]
    lm_head, other = whole["lm_head.weight"], whole["shadow_lm_head.weight"]
    for tensors, said in (
        ({"shadow_lm_head.weight": other}, r"missing: lm_head\.weight"),
        ({"lm_head.weight": lm_head}, r"missing: shadow_lm_head\.weight"),
        ({**whole, "lm_head.bias": lm_head[:, 0].clone()}, r"unexpected: lm_head\.bias"),
        ({**whole, "lm_head.weight": lm_head[:9].clone()}, r"lm_head\.weight is \(9, 64\)"),
    ):
        save_file(tensors, file)
        with pytest.raises(CheckpointMismatch, match=said):
            Adapter.read(pair.adapter, config, None)
    file.unlink()
    with pytest.raises(CheckpointMismatch, match=r"missing: lm_head\.weight"):
        Adapter.read(pair.adapter, config, None)


def test_a_classifiers_heads_are_refused(make_pair):
    pair = make_pair("headed")
    path = pair.adapter / CONFIG_NAME
    config = {**json.loads(path.read_text()), "modules_to_save": ["classifier_head"]}
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointMismatch, match="classifier_head"):
        Adapter.read(pair.adapter, pair.model.base.config, None)


def test_vllm_is_told_the_directories_and_the_profiles_name(tmp_path):
    arguments = vllm_arguments(
        tmp_path, tmp_path / "a", tmp_path / "s", "qwen3-8b", ("--port", "1")
    )
    line = " ".join(arguments)
    assert f'"shadow_adapter_directory": "{tmp_path}/a"' in line
    assert f'"shadow_directory": "{tmp_path}/s"' in line
    assert '"architectures": ["ShadowForCausalLM"]' in line
    assert arguments[-2:] == ["--port", "1"]
    assert "--served-model-name qwen3-8b" in line
    assert "--enforce-eager" in line


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_without_vllm_the_command_says_where_to_read(tmp_path):
    result = CliRunner().invoke(main, ["--base", str(tmp_path), "--adapter", str(tmp_path)])
    assert result.exit_code == 1
    assert "vLLM is not installed" in result.output
    assert "docs/scale-out.md" in result.output


def test_nothing_of_vllm_is_imported_before_it_asks():
    code = "import cloud_server.vllm_plugin, sys; print([m for m in ('vllm', 'torch') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
