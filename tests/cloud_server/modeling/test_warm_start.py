"""Eq. 12: the projection is the pseudo-inverse's, whatever the heads' shapes and condition."""

import pytest
import torch
from torch import Tensor

from cloud_server.modeling import warm_start as module
from cloud_server.modeling.warm_start import warm_start
from shared.errors import ModelError


def heads(vocabulary: int = 300, wide: int = 24, thin: int = 10) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return (
        torch.randn(vocabulary, wide, generator=generator),
        torch.randn(vocabulary, thin, generator=generator),
    )


@pytest.mark.parametrize("chunk_rows", [7, 8192])
@pytest.mark.parametrize(("wide", "thin"), [(24, 10), (10, 24), (16, 16)])
def test_it_is_the_pseudo_inverse(
    monkeypatch: pytest.MonkeyPatch, chunk_rows: int, wide: int, thin: int
) -> None:
    monkeypatch.setattr(module, "CHUNK_ROWS", chunk_rows)
    large, small = heads(wide=wide, thin=thin)
    found = warm_start(large, small)
    expected = torch.linalg.pinv(large.double()) @ small.double()
    torch.testing.assert_close(found.weight, expected, atol=1e-12, rtol=1e-10)
    left = (large.double() @ expected - small.double()).norm() / small.double().norm()
    assert found.residual == pytest.approx(float(left), rel=1e-9)
    assert found.rank == wide


def test_a_head_that_the_base_can_spell_is_met_exactly() -> None:
    large, _ = heads()
    narrow = torch.randn(24, 10, generator=torch.Generator().manual_seed(4))
    found = warm_start(large, large @ narrow)
    torch.testing.assert_close(found.weight, narrow.double(), atol=1e-6, rtol=1e-6)
    assert found.residual < 1e-6


def test_directions_that_the_base_lacks_are_left_out() -> None:
    """A rank-deficient head has many solutions; the pseudo-inverse's is the shortest."""
    large, small = heads()
    large[:, 5] = large[:, 6]
    found = warm_start(large, small)
    expected = torch.linalg.pinv(large.double()) @ small.double()
    torch.testing.assert_close(found.weight, expected, atol=1e-9, rtol=1e-7)
    assert found.rank == 23


def test_an_ill_conditioned_head_keeps_its_small_directions() -> None:
    """torch's float32 pinv, as the library calls it, cuts below vocabulary · 1.2e-7 of the largest."""
    large, _ = heads(vocabulary=20_000)
    scale = torch.logspace(0, -4, 24)
    narrow = torch.randn(24, 10, generator=torch.Generator().manual_seed(4))
    small = (large * scale) @ narrow
    found = warm_start(large * scale, small)
    assert found.residual < 1e-5
    assert found.rank == 24
    torch.testing.assert_close(found.weight, narrow.double(), atol=2e-2, rtol=2e-2)
    cut = torch.linalg.pinv(large * scale) @ small
    assert float((cut - narrow).norm()) > 10 * float((found.weight - narrow).norm())


def test_bf16_heads_lose_nothing_more() -> None:
    large, small = (head.bfloat16() for head in heads())
    expected = torch.linalg.pinv(large.double()) @ small.double()
    torch.testing.assert_close(warm_start(large, small).weight, expected, atol=1e-12, rtol=1e-10)


def test_other_vocabularies_and_empty_heads_are_refused() -> None:
    large, small = heads()
    with pytest.raises(ModelError, match="300 tokens and the shadow's 299"):
        warm_start(large, small[1:])
    with pytest.raises(ModelError, match="all zeros"):
        warm_start(torch.zeros_like(large), small)
