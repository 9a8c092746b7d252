"""Training with transformers' own means: activation checkpointing, Trainer, resuming."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen3ForSequenceClassification, Trainer, TrainingArguments

from cloud_server.modeling import ShadowConfig, ShadowModel, ShadowSequenceClassifier
from tests.cloud_server.modeling.conftest import TINY, shake

WITH_DROPOUT = ShadowConfig(num_shadow_layers=2, injection_hidden_size=4, gate_hidden_size=6)


def gradients(model: ShadowModel, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    model.train()
    model.zero_grad()
    torch.manual_seed(9)  # for dropout
    model(ids, labels=ids, shadow_loss_weight=0.5).loss.backward()
    found = {
        name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None
    }
    assert found
    return found


@pytest.fixture
def dropping(base: Any) -> ShadowModel:
    """A model off its start that drops a fifth of what it injects."""
    made = ShadowModel.create(base, WITH_DROPOUT)
    for part in made.adapter_modules().values():
        shake(part)
    return made


@pytest.mark.parametrize("use_reentrant", [None, False])
def test_checkpointing_gives_the_same_gradients(
    dropping: ShadowModel, ids: torch.Tensor, use_reentrant: bool | None
) -> None:
    wanted = gradients(dropping, ids)
    calls: list[str] = []
    for name, part in (("base", dropping.base), ("shadow", dropping.shadow_model)):
        layers = getattr(part, "model", part).layers
        # The recomputation stops at the last activation that it needs, so count at a layer's start.
        projection = layers[1].self_attn.q_proj
        projection.register_forward_hook(lambda *_, name=name: calls.append(name))
    gradients(dropping, ids)
    once = sorted(calls)
    calls.clear()
    chosen = None if use_reentrant is None else {"use_reentrant": use_reentrant}
    dropping.activation_checkpointing_enable(chosen)
    got = gradients(dropping, ids)
    assert sorted(calls) == sorted(once * 2), "every layer is run again in the backward pass"
    assert got.keys() == wanted.keys()
    for name, gradient in got.items():
        torch.testing.assert_close(gradient, wanted[name], atol=1e-6, rtol=1e-5)


def test_checkpointing_leaves_the_base_as_it_was(dropping: ShadowModel, ids: torch.Tensor) -> None:
    dropping.activation_checkpointing_enable()
    gradients(dropping, ids)
    dropping.activation_checkpointing_disable()
    for module in dropping.base.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not getattr(module, "gradient_checkpointing", False)


def test_the_state_dict_is_the_adapter_alone(model: ShadowModel, base: Any) -> None:
    state = {name: each.clone() for name, each in model.state_dict().items()}
    wanted = {
        f"{prefix}.{name}"
        for prefix, part in model.adapter_modules().items()
        for name in part.state_dict()
    }
    assert state.keys() == wanted
    assert model.base.state_dict(), "the base's own state dict is whole"
    other = ShadowModel.create(base, model.shadow_config)
    assert other.load_state_dict(state).missing_keys == []
    assert all(torch.equal(each, state[name]) for name, each in other.state_dict().items())
    left_out = state.popitem()[0]
    with pytest.raises(RuntimeError, match=left_out):
        other.load_state_dict(state)


@pytest.fixture
def no_datasets_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainer would take this repository's data folder for Hugging Face's `datasets`."""
    monkeypatch.setattr("transformers.trainer.is_datasets_available", lambda: False)


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Twelve rows of nine tokens out of three, the labels of the first three positions left out.

    For a classifier the label is how often, odd or even, the first token comes again.
    """

    def __init__(self, *, classes: bool) -> None:
        self.classes = classes

    def __len__(self) -> int:
        return 12

    def __getitem__(self, number: int) -> dict[str, Any]:
        ids = torch.randint(0, 3, (9,), generator=torch.Generator().manual_seed(number))
        if self.classes:
            return {"input_ids": ids, "labels": int((ids == ids[0]).sum()) % 2}
        return {"input_ids": ids, "labels": ids.where(torch.arange(9) > 2, -100)}


def new_model(family: str) -> ShadowModel | ShadowSequenceClassifier:
    torch.manual_seed(21)
    if family == "classifier":
        config = TINY["qwen3"]().config
        config.num_labels = 2
        base = Qwen3ForSequenceClassification(config).eval()
        return ShadowSequenceClassifier.create(base, WITH_DROPOUT)
    return ShadowModel.create(TINY[family]().eval(), WITH_DROPOUT)


def train(family: str, output: Path, resume: Path | None = None, **options: Any) -> Any:
    """Train a new model of the same seed for six steps with transformers' own Trainer."""
    model = new_model(family)
    before = {name: each.clone() for name, each in model.base.state_dict().items()}
    arguments = TrainingArguments(
        output_dir=str(output),
        save_steps=3,
        logging_steps=1,
        per_device_train_batch_size=4,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        label_names=["labels"],
        dataloader_pin_memory=False,
        **{"max_steps": 6, "learning_rate": 1e-1, **options},
    )
    rows = Rows(classes=family == "classifier")
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    assert all(torch.equal(each, before[name]) for name, each in model.base.state_dict().items())
    return trainer


@pytest.mark.usefixtures("no_datasets_library")
@pytest.mark.parametrize("family", [*sorted(TINY), "classifier"])
def test_trainer_trains_and_resumes(family: str, tmp_path: Path) -> None:
    whole = train(family, tmp_path / "whole")
    unlearnt = train(family, tmp_path / "unlearnt", max_steps=1, learning_rate=0.0)
    assert unlearnt.evaluate()["eval_loss"] > 0
    start, end = unlearnt.model.state_dict(), whole.model.state_dict()
    changed = {name for name, tensor in end.items() if not torch.equal(tensor, start[name])}
    assert {name.split(".")[0] for name in changed} >= {
        "shadow_model",
        "shadow_injection_model",
        "shadow_update_model",
    }
    if family != "classifier":
        assert whole.evaluate()["eval_loss"] < unlearnt.evaluate()["eval_loss"] - 0.05
    resumed = train(family, tmp_path / "resumed", resume=tmp_path / "whole" / "checkpoint-3")
    steps = [entry["step"] for entry in resumed.state.log_history if "loss" in entry]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert all(torch.equal(each, end[name]) for name, each in resumed.model.state_dict().items())
    written = load_file(tmp_path / "whole" / "checkpoint-6" / "model.safetensors")
    assert all(torch.equal(each, end[name]) for name, each in written.items())


@pytest.mark.usefixtures("no_datasets_library")
def test_trainer_turns_checkpointing_on(tmp_path: Path) -> None:
    plain = train("qwen3", tmp_path / "plain")
    saving = train("qwen3", tmp_path / "saving", gradient_checkpointing=True)
    assert saving.model.base.model.layers[0].gradient_checkpointing
    for name, tensor in plain.model.state_dict().items():
        torch.testing.assert_close(saving.model.state_dict()[name], tensor, atol=1e-5, rtol=1e-4)
