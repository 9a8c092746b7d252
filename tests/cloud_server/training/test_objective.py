"""The objective: separate targets for base and shadow, on the right tokens."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from cloud_server.modeling import ShadowConfig, ShadowModel
from cloud_server.modeling.backbone import head_weight
from cloud_server.training.base import TrainingBase, load_training_base
from cloud_server.training.data import Example, Row, hard_target
from cloud_server.training.objective import BatchBuilder, TagHead, batch_losses
from cloud_server.training.posterior import tag_posteriors
from shared.tags import TAGS, print_tag


def row(text: str, label: str, **more: Any) -> Row:
    return Row(
        id=text, text=text, lang="en", label=label, source="t", license="t", synthetic=True, **more
    )


def example(text: str, label: str, **more: Any) -> Example:
    return Example(row(text, label, **more), text, hard_target(label))


EXAMPLES = [
    example("sit down", "Sit"),
    example("turn left", "TurnLeft"),
    example("weather?", "REMOTE", answer="I cannot know."),
    example("dogs sit", "REMOTE"),
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
    batch = builder(EXAMPLES)
    targets, tokens = batch["targets"], batch["input_ids"][0]
    said = loaded.tokenizer.decode(targets.base_token, skip_special_tokens=False)
    assert said == "[Sit()] Sitting down.<end_of_turn>[TurnLeft()] Turning left.<end_of_turn>" + (
        "I cannot know.<end_of_turn>"
    )
    assert targets.wanted == [each.target for each in EXAMPLES]
    assert len(targets.nodes) == len(EXAMPLES) * len(builder.tree.branches)
    assert len(targets.avoid_at) == 1
    assert max(targets.base_at) < tokens.numel()


def test_the_tag_loss_is_the_cross_entropy_of_the_posterior(
    loaded: TrainingBase, model: ShadowModel
) -> None:
    builder = BatchBuilder(loaded.encoder, answers=False)
    head = TagHead(builder.tree, head_weight(loaded.model))
    posteriors = tag_posteriors(model, loaded.encoder, [each.text for each in EXAMPLES])
    for each, posterior in zip(EXAMPLES, posteriors, strict=True):
        with torch.no_grad():
            loss = batch_losses(model, builder([each]), head)["tag"]
        probability = posterior[TAGS.index(print_tag(each.row.label))]
        assert math.isclose(float(loss), -math.log(probability), rel_tol=1e-4)
    soft = [replace(each, target=hard_target(each.row.label, 0.2)) for each in EXAMPLES]
    with torch.no_grad():
        loss = batch_losses(model, builder(soft), head)["tag"]
    wanted = torch.tensor([each.target for each in soft])
    assert math.isclose(
        float(loss), float(-(wanted * posteriors.log()).sum(1).mean()), rel_tol=1e-4
    )


def test_a_conversation_is_learnt_by_the_base_alone(loaded: TrainingBase) -> None:
    history = [{"role": "user", "text": "hello"}, {"role": "dog", "text": "Hi!"}]
    told = example("and your name?", "REMOTE", answer="Doger.", history=history)
    batch = BatchBuilder(loaded.encoder, answers=True)([told])
    assert not batch["targets"].nodes
    words = loaded.tokenizer.decode(batch["input_ids"][0].tolist(), skip_special_tokens=False)
    assert words.index("hello") < words.index("Hi!") < words.index("and your name?")


def test_posteriors_sum_to_one_in_any_company(loaded: TrainingBase, model: ShadowModel) -> None:
    texts = [each.text for each in EXAMPLES]
    together = tag_posteriors(model, loaded.encoder, texts)
    assert together.shape == (4, 35)
    torch.testing.assert_close(together.sum(dim=1), torch.ones(4))
    alone = torch.cat([tag_posteriors(model, loaded.encoder, [text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_joint_losses_reach_every_part(loaded: TrainingBase, model: ShadowModel) -> None:
    builder = BatchBuilder(loaded.encoder, answers=True)
    head = TagHead(builder.tree, head_weight(loaded.model))
    losses = batch_losses(model, builder(EXAMPLES), head)
    assert set(losses) == {"tag", "answer", "avoid"}
    sum(losses.values()).backward()  # type: ignore[union-attr]
    assert model.shadow_injection_model.injection_ups.grad is not None
    assert any(p.grad is not None for p in model.shadow_model.parameters())
    model.zero_grad()
