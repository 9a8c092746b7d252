"""The objective: separate targets for base and shadow, on the right tokens."""

import math
from typing import Any

import pytest
import torch

from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.modeling.backbone import head_weight
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.data import Row
from cloud_server.training.objective import BatchBuilder, TagHead, batch_losses
from cloud_server.training.posterior import tag_posteriors
from shared.tags import TAGS, print_tag


def row(text: str, label: str, **more: Any) -> Row:
    return Row(
        id=text, text=text, lang="en", label=label, source="t", license="t", synthetic=True, **more
    )


ROWS = [
    row("sit down", "Sit"),
    row("turn left", "TurnLeft"),
    row("weather?", "REMOTE", answer="I cannot know."),
    row("dogs sit", "REMOTE"),
]


@pytest.fixture(scope="module")
def loaded() -> TrainingBase:
    return load_training_base("tiny", torch.float32)


@pytest.fixture(scope="module")
def model(loaded: TrainingBase) -> ShadowModel:
    torch.manual_seed(1)
    return ShadowModel.create(loaded.model, ShadowConfig(num_shadow_layers=1, dropout=0.0)).eval()


def test_targets_are_separate(loaded: TrainingBase) -> None:
    builder = BatchBuilder(loaded.encoder, answers=True)
    batch = builder(ROWS)
    targets, tokens = batch["targets"], batch["input_ids"][0]
    said = loaded.tokenizer.decode(targets.base_token, skip_special_tokens=False)
    assert said == "[Sit()] Sitting down.<end_of_turn>[TurnLeft()] Turning left.<end_of_turn>" + (
        "I cannot know.<end_of_turn>"
    )
    tags = loaded.tokenizer.decode(targets.shadow_token)
    assert tags == "[Sit()][TurnLeft()][REMOTE][REMOTE]"
    assert len(targets.avoid_at) == 1
    assert max(targets.base_at) < tokens.numel()


def test_the_tag_loss_is_the_posterior(loaded: TrainingBase, model: ShadowModel) -> None:
    builder = BatchBuilder(loaded.encoder, answers=False)
    head = TagHead(builder.tree, head_weight(loaded.model))
    for each in ROWS:
        batch = builder([each])
        with torch.no_grad():
            loss = batch_losses(model, batch, head, joint=False, text=False)["tag"]
        probability = tag_posteriors(model, loaded.encoder, [each.text])[
            0, TAGS.index(print_tag(each.label))
        ]
        nodes = len(batch["targets"].branch)
        assert math.isclose(float(loss) * nodes, -math.log(probability), rel_tol=1e-4)


def test_posteriors_sum_to_one_in_any_company(loaded: TrainingBase, model: ShadowModel) -> None:
    texts = [each.text for each in ROWS]
    together = tag_posteriors(model, loaded.encoder, texts)
    assert together.shape == (4, 35)
    torch.testing.assert_close(together.sum(dim=1), torch.ones(4))
    alone = torch.cat([tag_posteriors(model, loaded.encoder, [text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_joint_losses_reach_every_part(loaded: TrainingBase, model: ShadowModel) -> None:
    builder = BatchBuilder(loaded.encoder, answers=True)
    head = TagHead(builder.tree, head_weight(loaded.model))
    losses = batch_losses(model, builder(ROWS), head, joint=True, text=True)
    assert set(losses) == {"tag", "text", "answer", "avoid"}
    sum(losses.values()).backward()  # type: ignore[union-attr]
    assert model.shadow_injection_model.injection_ups.grad is not None
    assert any(p.grad is not None for p in model.shadow_model.parameters())
    model.zero_grad()
