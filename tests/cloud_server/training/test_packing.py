"""Packing: every chain of a forest gets exactly what it gets alone."""

import torch

from cloud_server.modeling import ShadowModel
from cloud_server.training.packing import Forest, model_inputs
from tests.cloud_server.modeling.conftest import CONFIG, TINY, shake


def test_a_forest_sees_only_its_own_past() -> None:
    forest = Forest()
    root = forest.add([1, 2], -1)
    first = forest.add([3, 4], root)
    forest.add([5], root)
    forest.add([6], first)
    assert forest.positions() == [0, 1, 2, 3, 2, 4]
    assert forest.mask().int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 1, 1, 0, 1],
    ]


def test_packed_states_equal_those_of_each_chain_alone() -> None:
    draw = torch.Generator().manual_seed(2)
    chains = [torch.randint(0, 97, (n,), generator=draw).tolist() for n in (1, 3, 2)]
    prefix = [5, 6]  # prefix and chain stay below the tiny Gemma's window of 8 tokens
    for family, make in TINY.items():
        torch.manual_seed(1)
        model = ShadowModel.create(make().eval(), CONFIG).eval().double()
        for part in model.adapter_modules().values():
            shake(part)
        forest = Forest()
        root = forest.add(prefix, -1)
        ends = [forest.add(chain, root) for chain in chains]
        inputs = model_inputs(forest)
        with torch.no_grad():
            packed = model(**inputs)
            for chain, end in zip(chains, ends, strict=True):
                alone = model(torch.tensor([[*prefix, *chain]]))
                for name in ("logits", "shadow_logits"):
                    torch.testing.assert_close(
                        getattr(packed, name)[0, end],
                        getattr(alone, name)[0, -1],
                        atol=1e-10,
                        rtol=0,
                        msg=lambda text, what=f"{family} {name}": f"{what}: {text}",
                    )
