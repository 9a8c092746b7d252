"""Sequence classification (eq. 9): pooling, heads, loss, files."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from cloud_server.adapter_files import MODULES_NAME
from cloud_server.modeling import ShadowModel, ShadowSequenceClassifier
from shared.errors import CheckpointMismatch, ConfigurationError, DataError, ModelError
from tests.cloud_server.modeling.conftest import CONFIG, shake, tiny_gemma3, tiny_qwen3

FAMILIES = {"gemma3": tiny_gemma3, "qwen3": tiny_qwen3}


def make_classifier_base(family: str, classes: int = 3) -> Any:
    from transformers import Gemma3TextForSequenceClassification, Qwen3ForSequenceClassification

    config = FAMILIES[family]().config
    config.num_labels, config.pad_token_id = classes, 0
    kinds: dict[str, Any] = {
        "gemma3": Gemma3TextForSequenceClassification,
        "qwen3": Qwen3ForSequenceClassification,
    }
    return kinds[family](config).eval()


@pytest.fixture(params=sorted(FAMILIES))
def base(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(11)
    return make_classifier_base(request.param)


@pytest.fixture
def model(base: Any) -> ShadowSequenceClassifier:
    made = ShadowSequenceClassifier.create(base, CONFIG).eval()
    for part in [*made.adapter_modules().values(), *made.saved_heads.values()]:
        shake(part)
    return made


@pytest.fixture
def rows() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randint(1, 97, (1, length), generator=generator) for length in (14, 6, 9)]


def pad(rows: list[torch.Tensor], side: str) -> torch.Tensor:
    longest = max(row.shape[1] for row in rows)
    gaps = [row.new_zeros(1, longest - row.shape[1]) for row in rows]
    pairs = zip(gaps, rows, strict=True) if side == "left" else zip(rows, gaps, strict=True)
    return torch.cat([torch.cat(pair, dim=1) for pair in pairs])


def test_a_new_shadow_changes_no_class(base: Any, rows: list[torch.Tensor]) -> None:
    model = ShadowSequenceClassifier.create(base, CONFIG).eval()
    ids = pad(rows, "right")
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, base(ids).logits, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("mode", ["attached", "detached"])
def test_padding_changes_no_row(model: Any, rows: Any, side: str, mode: Any) -> None:
    ids = pad(rows, side)
    with torch.no_grad():
        together = model(ids, (ids != 0).long(), mode=mode)
        alone = [model(row, mode=mode) for row in rows]
    for name in ("logits", "shadow_logits"):
        wanted = [getattr(each, name) for each in alone]
        if mode == "detached" and name == "logits":
            assert together.logits is None
            continue
        torch.testing.assert_close(getattr(together, name), torch.cat(wanted), atol=1e-5, rtol=0)


def test_without_a_mask_the_pad_token_is_padding(model: Any, rows: Any) -> None:
    ids = pad(rows, "right")
    with torch.no_grad():
        masked, bare = model(ids, (ids != 0).long()), model(ids)
    torch.testing.assert_close(bare.shadow_logits, masked.shadow_logits, atol=1e-5, rtol=0)


def test_a_cache_gives_the_class_of_the_whole(model: Any, rows: Any) -> None:
    cache = model.new_cache()
    with torch.no_grad():
        for step in rows[0].split(4, dim=1):
            last = model(step, cache=cache)
        whole = model(rows[0])
    torch.testing.assert_close(last.logits, whole.logits, atol=1e-5, rtol=0)


def test_the_loss_is_eq_9_and_trains_the_heads(model: Any, rows: Any) -> None:
    ids, classes = pad(rows, "left"), torch.tensor([0, 2, 1])
    output = model.train()(ids, (ids != 0).long(), labels=classes, shadow_loss_weight=0.4)
    wanted = F.cross_entropy(output.logits, classes) + 0.4 * F.cross_entropy(
        output.shadow_logits, classes
    )
    torch.testing.assert_close(output.loss, wanted)
    output.loss.backward()
    assert all(head.weight.grad is not None for head in model.saved_heads.values())
    assert all(parameter.grad is None for parameter in model.base.parameters())
    detached = model(ids, (ids != 0).long(), mode="detached", labels=classes)
    torch.testing.assert_close(detached.loss, F.cross_entropy(detached.shadow_logits, classes))


def test_training_learns(base: Any, rows: Any) -> None:
    torch.manual_seed(0)
    model = ShadowSequenceClassifier.create(base, CONFIG)
    ids, classes = pad(rows, "right"), torch.tensor([0, 2, 1])
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.02)
    for _ in range(30):
        optimizer.zero_grad()
        model(ids, labels=classes, shadow_loss_weight=1.0).loss.backward()
        optimizer.step()
    with torch.no_grad():
        output = model.eval()(ids)
    assert output.logits.argmax(-1).tolist() == classes.tolist()
    assert output.shadow_logits.argmax(-1).tolist() == classes.tolist()


def test_files_hold_the_heads(model: Any, rows: Any, tmp_path: Path) -> None:
    base_head = model.base.score.weight.clone()
    model.save_pretrained(tmp_path)
    again = ShadowSequenceClassifier.from_pretrained(model.base, tmp_path)
    ids = pad(rows, "right")
    with torch.no_grad():
        assert torch.equal(again(ids).logits, model(ids).logits)
        assert torch.equal(again(ids).shadow_logits, model(ids).shadow_logits)
    assert torch.equal(model.base.score.weight, base_head)
    (tmp_path / MODULES_NAME).unlink()
    with pytest.raises(CheckpointMismatch, match=r"missing: classifier_head\.weight"):
        ShadowSequenceClassifier.from_pretrained(model.base, tmp_path)


def test_one_head_may_stay_frozen(base: Any) -> None:
    config = dataclasses.replace(CONFIG, modules_to_save=("shadow_classifier_head",))
    model = ShadowSequenceClassifier.create(base, config)
    assert list(model.saved_heads) == ["shadow_classifier_head"]
    assert model.head_module("classifier_head") is base.score
    assert not base.score.weight.requires_grad


def test_what_is_no_classification_is_refused(model: Any, rows: Any, tmp_path: Path) -> None:
    for labels in (torch.rand(1), torch.tensor([[1]])):
        with pytest.raises(DataError, match="whole class numbers"):
            model(rows[0], labels=labels)
    with pytest.raises(DataError, match="nothing but padding"):
        model(rows[0], torch.zeros_like(rows[0]))
    with pytest.raises(ConfigurationError, match="'attached' or 'detached'"):
        model(rows[0], mode="foo")
    with pytest.raises(ConfigurationError, match="at least two classes"):
        ShadowSequenceClassifier.create(make_classifier_base("qwen3", classes=1), CONFIG)
    with pytest.raises(ModelError, match="no classifier head"):
        ShadowSequenceClassifier.create(tiny_qwen3(), CONFIG)
    model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointMismatch, match=r"unexpected: classifier_head\.weight"):
        ShadowModel.from_pretrained(FAMILIES[_family(model.base)](), tmp_path)


def _family(base: Any) -> str:
    return "gemma3" if "Gemma3" in type(base).__name__ else "qwen3"
