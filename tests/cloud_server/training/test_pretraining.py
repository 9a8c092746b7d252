"""A small model becomes a larger one's shadow: warm, resumable to the bit, and opened by the network."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from shadow_peft import AutoModelForCausalLMWithHiddenProjection
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

from cloud_server.cli import main
from cloud_server.loading import make_byte_tokenizer
from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.modeling.projected import load_projected_shadow
from cloud_server.training import pretrainer
from cloud_server.training.pretraining import pretrain
from cloud_server.training.pretraining_models import read_head
from cloud_server.training.pretraining_recipe import PretrainingRecipe, resolve_recipe
from shared.errors import BaseUnavailable, ConfigurationError, DataError, ModelError

MARK = "<end>"
TEXT = "The dog sits. 小狗坐下。 It stands up, turns left, and barks at the moon again.\n"


def write_model(
    directory: Path,
    hidden: int,
    *,
    layers: int = 2,
    tied: bool = False,
    mark: str = MARK,
    seed: int = 0,
    initializer_range: float = 0.3,
) -> Path:
    """Write a random Qwen3 with a byte tokenizer."""
    tokenizer = make_byte_tokenizer([mark])
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            max_position_embeddings=128,
            tie_word_embeddings=tied,
            initializer_range=initializer_range,
            bos_token_id=None,
            eos_token_id=tokenizer.token_to_id(mark),
        )
    )
    model.save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    return directory


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    (root / "text.txt").write_text(TEXT * 40, encoding="utf-8")
    return {
        "base": write_model(root / "base", 32, layers=3),
        "small": write_model(root / "small", 16, tied=True),
        "text": root / "text.txt",
    }


def recipe(models: dict[str, Path], **changes: Any) -> PretrainingRecipe:
    return PretrainingRecipe.model_validate(
        {
            "base": models["base"],
            "shadow": models["small"],
            "weights": "fp32",
            "text": {"files": [models["text"]], "block_tokens": 32, "held_out_blocks": 4},
            "schedule": {"steps": 12, "batch_blocks": 4, "learning_rate": 3e-3},
            "record": {"save_steps": 4, "log_steps": 2, "evaluate_steps": 6},
            **changes,
        }
    )


@pytest.fixture(scope="module")
def finished(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run's projected shadow."""
    return pretrain(recipe(models), tmp_path_factory.mktemp("whole"))


def entries(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_run_learns_keeps_the_newest_checkpoints_and_says_what_it_did(finished: Path) -> None:
    run = finished.parent
    figures = json.loads((finished / "pretraining.json").read_text())
    held_out = [
        (each["step"], each["loss_held_out"]) for each in entries(run) if "loss_held_out" in each
    ]
    assert [step for step, _ in held_out] == [0, 6, 12]
    assert held_out[-1][1] < held_out[0][1] - 0.2
    assert figures["held_out_loss"] == {"first": list(held_out[0]), "last": list(held_out[-1])}
    assert figures["projection"]["start"] == "warm"
    assert 0 < figures["projection"]["residual"] < 1
    assert figures["text_tokens"] == len(TEXT.encode()) * 40 + 1
    assert sorted(path.name for path in run.glob("checkpoint-*")) == [
        "checkpoint-12",
        "checkpoint-8",
    ]
    assert (finished / "loss.png").stat().st_size > 1000
    assert json.loads((run / "recipe.json").read_text())["seed"] == 0


@torch.no_grad()
def test_the_shadow_opens_on_its_base_with_what_was_trained(
    models: dict[str, Path], finished: Path
) -> None:
    base: Any = AutoModelForCausalLM.from_pretrained(models["base"])
    small: Any = AutoModelForCausalLM.from_pretrained(models["small"])
    projected = load_projected_shadow(finished)
    network = ShadowModel.create(base, ShadowConfig(dropout=0.0), shadow=projected).eval()
    ids = torch.randint(0, 257, (2, 9), generator=torch.Generator().manual_seed(3))
    out = network(ids)
    torch.testing.assert_close(out.shadow_logits, projected(ids).logits)
    torch.testing.assert_close(out.logits, base(ids).logits)
    library: Any = AutoModelForCausalLMWithHiddenProjection.from_pretrained(str(finished))
    torch.testing.assert_close(library(ids).logits, projected(ids).logits)
    embeddings = projected.shadow_model.get_input_embeddings().weight
    assert torch.equal(embeddings, small.get_input_embeddings().weight), "frozen by default"
    assert torch.equal(projected.lm_head.weight, base.lm_head.weight)
    layer, before = projected.shadow_model.layers[0], small.model.layers[0]
    assert not torch.equal(layer.mlp.up_proj.weight, before.mlp.up_proj.weight)


@pytest.mark.parametrize("step", [3, 6, 11])
def test_an_interrupted_run_ends_with_the_same_weights_and_log(
    models: dict[str, Path],
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    """Before the first checkpoint, between two, and after the last."""

    def interrupt(self: Any, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pretrainer.JsonLinesLog, "on_step_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pretrain(recipe(models), tmp_path)
    (tmp_path / "checkpoint-99").mkdir()  # a checkpoint that was being written
    resumed = pretrain(recipe(models, threads=1), tmp_path, resume=True)
    one, two = (load_file(each / "model.safetensors") for each in (finished, resumed))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    pairs = [
        [(each["step"], each[name]) for each in entries(run) if name in each]
        for run in (finished.parent, tmp_path)
        for name in ("loss_held_out",)
    ]
    assert pairs[0] == pairs[1]
    steps = [each["step"] for each in entries(tmp_path) if "loss_training" in each]
    assert steps == [1, 2, 4, 6, 8, 10, 12]


def test_a_run_is_gone_on_with_only_as_it_was_begun(
    models: dict[str, Path], finished: Path
) -> None:
    run = finished.parent
    with pytest.raises(ConfigurationError, match="--resume"):
        pretrain(recipe(models), run)
    with pytest.raises(ConfigurationError, match="seed differ"):
        pretrain(recipe(models, seed=1), run, resume=True)
    written = (finished / "model.safetensors").stat().st_mtime_ns
    assert pretrain(recipe(models), run, resume=True) == finished
    assert (finished / "model.safetensors").stat().st_mtime_ns == written


def test_accumulated_blocks_weigh_as_one_batch(models: dict[str, Path], tmp_path: Path) -> None:
    weights = []
    for batch, accumulation in ((4, 1), (2, 2)):
        schedule = {"steps": 2, "batch_blocks": batch, "accumulation": accumulation}
        made = recipe(models, schedule=schedule, gradient_checkpointing=True)
        weights.append(load_file(pretrain(made, tmp_path / str(batch)) / "model.safetensors"))
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, atol=2e-5, rtol=1e-4)


def test_logits_made_in_parts_give_the_whole_loss(
    models: dict[str, Path], finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projected = load_projected_shadow(finished)
    ids = torch.randint(0, 257, (3, 11), generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(pretrainer, "LOSS_POSITIONS", 7)
    objective = pretrainer.NextTokenLoss(
        projected.shadow_model,
        projected.shadow_hidden_projection,
        projected.lm_head,
        projected.config,
    )
    whole = projected(ids, labels=ids).loss
    torch.testing.assert_close(objective(ids), whole)
    expected = torch.autograd.grad(whole, projected.shadow_hidden_projection.weight)[0]
    objective(ids).backward()
    torch.testing.assert_close(projected.shadow_hidden_projection.weight.grad, expected)
    assert projected.lm_head.weight.grad is None


def test_embeddings_and_number_formats_are_the_recipes(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    summed = pretrainer.NextTokenLoss._summed

    def observe(self: Any, state: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(state.dtype)
        return summed(self, state, targets)

    monkeypatch.setattr(pretrainer.NextTokenLoss, "_summed", observe)
    monkeypatch.setattr(pretrainer, "computes_bf16", lambda: True)  # slow here or not, it is used
    made = recipe(models, train_embeddings=True, bf16=True, weights="bf16", schedule={"steps": 2})
    tensors = load_file(pretrain(made, tmp_path) / "model.safetensors")
    small = load_file(models["small"] / "model.safetensors")["model.embed_tokens.weight"]
    trained = tensors["shadow_model.embed_tokens.weight"]
    assert set(seen) == {torch.bfloat16}, "autocast reaches the objective"
    assert trained.dtype == torch.bfloat16
    assert not torch.equal(trained, small.bfloat16())


def test_other_vocabularies_are_refused_by_name(models: dict[str, Path], tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", 16, mark="<stop>")
    with pytest.raises(ModelError, match=r"different vocabularies: 2 tokens .*'<end>', number 256"):
        pretrain(recipe({**models, "small": other}), tmp_path / "run")
    (other / "tokenizer.json").unlink()
    config = json.loads((other / "config.json").read_text())
    resized = AutoModelForCausalLM.from_pretrained(other)
    resized.resize_token_embeddings(config["vocab_size"] + 7)
    resized.save_pretrained(other)
    with pytest.raises(ModelError, match="257 tokens and the shadow's 264"):
        pretrain(recipe({**models, "small": other}), tmp_path / "run")


def test_what_is_missing_or_no_model_is_named(
    models: dict[str, Path], finished: Path, tmp_path: Path
) -> None:
    with pytest.raises(BaseUnavailable, match=r"nowhere is no model's directory"):
        pretrain(recipe({**models, "base": tmp_path / "nowhere"}), tmp_path / "run")
    with pytest.raises(ModelError, match="projected shadow already"):
        pretrain(recipe({**models, "small": finished}), tmp_path / "run")
    text = {"files": [models["text"]], "block_tokens": 2000, "held_out_blocks": 1}
    with pytest.raises(DataError, match="too few"):
        pretrain(recipe(models, text=text), tmp_path / "run")
    bare = write_model(tmp_path / "bare", 32)
    (bare / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no safetensors with lm_head\.weight"):
        pretrain(recipe({**models, "base": bare}), tmp_path / "other")


def test_a_document_ends_as_the_recipe_says(models: dict[str, Path], tmp_path: Path) -> None:
    text = {"files": [models["text"]], "block_tokens": 32}
    schedule = {"steps": 1, "batch_blocks": 1}
    wrong = recipe(models, text={**text, "end_token": "<no such>"}, schedule=schedule)
    with pytest.raises(ModelError, match=r"<no such> .* text\.end_token"):
        pretrain(wrong, tmp_path)
    pretrain(recipe(models, text={**text, "end_token": "A"}, schedule=schedule), tmp_path)
    assert json.loads((tmp_path / "corpus.json").read_text())["end"] == [32]


def test_the_shipped_recipe_and_the_documented_one_are_valid(tmp_path: Path) -> None:
    shipped = resolve_recipe(Path("cloud_server/training/recipes/qwen3-pretraining.toml"), {})
    assert shipped.text.end_token == "<|endoftext|>"
    page = Path("docs/pretraining.md").read_text(encoding="utf-8")
    (tmp_path / "documented.toml").write_text(page.split("```toml")[1].split("```")[0])
    assert resolve_recipe(tmp_path / "documented.toml", {}).text.separator == "---"


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_is_read_alone_from_shards(tmp_path: Path, tied: bool) -> None:
    directory = write_model(tmp_path / "model", 32, tied=tied)
    model: Any = AutoModelForCausalLM.from_pretrained(directory)
    (directory / "model.safetensors").unlink()
    model.save_pretrained(directory, max_shard_size="20KB")
    assert (directory / "model.safetensors.index.json").is_file()
    assert torch.equal(read_head(directory, model.config).weight, model.lm_head.weight)


def test_the_command_takes_options_over_a_recipe(models: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        f'shadow = "{models["small"]}"\nstart = "random"\n[schedule]\nsteps = 1\nbatch_blocks = 2\n'
        "[text]\nfiles = []\nblock_tokens = 32\nheld_out_blocks = 0\n"
    )
    options = ["--base", models["base"], "--text", models["text"], "--out", tmp_path / "run"]
    command = ["pretrain-shadow", str(path), *map(str, options)]
    done = CliRunner().invoke(main, [*command, "--seed", "3"])
    assert done.exit_code == 0, done.output
    assert f"projected shadow at {tmp_path / 'run' / 'shadow'}" in done.output
    figures = json.loads((tmp_path / "run" / "shadow" / "pretraining.json").read_text())
    assert figures["projection"] == {"start": "random", "rank": None, "residual": None}
    assert (figures["seed"], figures["steps"], figures["held_out_loss"]) == (3, 1, None)
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    path.write_text("wide = 3")
    wrong = CliRunner().invoke(main, command)
    assert wrong.exit_code == 2
    assert "wide" in wrong.stderr
