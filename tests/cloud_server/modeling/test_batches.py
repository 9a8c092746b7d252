"""Batches with left padding: every row as it is alone, in one pass, in cached steps, in generation."""

from typing import Any

import pytest
import torch
from torch import Tensor

from cloud_server.modeling import ShadowModel
from tests.cloud_server.modeling.conftest import WINDOW

LENGTHS = (21, 4, 13, 1)
assert max(LENGTHS) > 2 * WINDOW > min(LENGTHS)


@pytest.fixture
def rows() -> list[Tensor]:
    generator = torch.Generator().manual_seed(17)
    return [torch.randint(0, 97, (1, length), generator=generator) for length in LENGTHS]


def pad_left(rows: list[Tensor], token: int = 0) -> tuple[Tensor, Tensor]:
    """Return ids and mask [rows, longest], `token` where the mask is 0."""
    longest = max(row.shape[1] for row in rows)
    ids = torch.full((len(rows), longest), token)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, longest - row.shape[1] :] = row
        mask[number, longest - row.shape[1] :] = 1
    return ids, mask


def alone(model: ShadowModel, row: Tensor) -> Any:
    with torch.no_grad():
        return model(row)


@pytest.mark.parametrize("token", [0, 55])
def test_one_pass(model_fp64: ShadowModel, rows: list[Tensor], token: int) -> None:
    ids, mask = pad_left(rows, token)
    with torch.no_grad():
        together = model_fp64(ids, mask)
    for number, row in enumerate(rows):
        wanted, real = alone(model_fp64, row), slice(-row.shape[1], None)
        for ours, theirs in (
            (together.logits, wanted.logits),
            (together.shadow_logits, wanted.shadow_logits),
        ):
            torch.testing.assert_close(ours[number, real], theirs[0], atol=1e-10, rtol=0)


@pytest.mark.parametrize("sizes", [[21], [10, 6, 5], [1] * 21, [20, 1]])
def test_cached_chunks(model_fp64: ShadowModel, rows: list[Tensor], sizes: list[int]) -> None:
    ids, mask = pad_left(rows)
    cache, start, pieces = model_fp64.new_cache(), 0, []
    with torch.no_grad():
        for size in sizes:
            end = start + size
            pieces.append(model_fp64(ids[:, start:end], mask[:, :end], cache).logits)
            start = end
    together = torch.cat(pieces, 1)
    for number, row in enumerate(rows):
        wanted = alone(model_fp64, row).logits[0]
        torch.testing.assert_close(together[number, -row.shape[1] :], wanted, atol=1e-10, rtol=0)


@pytest.mark.parametrize("mode", ["attached", "detached"])
def test_generation(model_fp64: ShadowModel, rows: list[Tensor], mode: Any) -> None:
    ids, mask = pad_left(rows)
    together = model_fp64.generate(ids, max_new_tokens=12, attention_mask=mask, mode=mode)
    for number, row in enumerate(rows):
        wanted = model_fp64.generate(row, max_new_tokens=12, mode=mode)[0]
        assert torch.equal(together[number, -len(wanted) :], wanted)


def test_losses_leave_padding_out(model_fp64: ShadowModel, rows: list[Tensor]) -> None:
    """A batch's loss is the rows' own losses, weighed by how many tokens each predicts."""
    ids, mask = pad_left(rows)
    labels = ids.masked_fill(mask == 0, -100)
    for number, length in enumerate(LENGTHS):
        labels[number, -length] = -100  # a row's first token is predicted from nothing
    with torch.no_grad():
        together = model_fp64(ids, mask, labels=labels, shadow_loss_weight=0.3).loss
        losses = [model_fp64(row, labels=row, shadow_loss_weight=0.3).loss for row in rows]
    weights = torch.tensor(LENGTHS, dtype=torch.float64) - 1
    wanted = (torch.stack(losses) * weights).sum() / weights.sum()
    torch.testing.assert_close(together, wanted, atol=1e-10, rtol=0)
