"""The line head: a small head on the frozen shadow that says the short spoken line after a tag.

The shadow itself is not touched, so no decision changes. The head knows only the tokens that the
written lines use, which keeps a bundle small, and learns to continue `[Sit()]` by one of the lines
written for that skill in the speaker's language.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from cloud_server.adapter_files import LINE_HEAD_NAME
from cloud_server.modeling.checkpoint import read_tensors
from shared.errors import CheckpointMismatch, ModelError

OPSET = 21


@dataclass(frozen=True)
class LineHead:
    """Logits of `token_ids` [tokens] are `weight` [tokens, hidden] times the shadow's final state."""

    weight: Tensor
    token_ids: tuple[int, ...]

    @classmethod
    def load(cls, adapter: Path) -> "LineHead":
        """Return the head beside an adapter; CheckpointMismatch where its parts do not fit."""
        tensors = read_tensors(adapter / LINE_HEAD_NAME)
        dimensions = {name: tensor.dim() for name, tensor in tensors.items()}
        if (
            dimensions != {"weight": 2, "scale": 1, "token_ids": 1}
            or len({len(tensor) for tensor in tensors.values()}) > 1
        ):
            raise CheckpointMismatch(f"{adapter / LINE_HEAD_NAME} is no line head; train it again")
        weight = tensors["weight"].float() * tensors["scale"].float()[:, None]
        return cls(weight, tuple(int(each) for each in tensors["token_ids"]))

    def save(self, adapter: Path) -> None:
        """Write the head beside an adapter, in int8 with a scale a token."""
        ids = torch.tensor(self.token_ids, dtype=torch.int32)
        scale = self.weight.abs().amax(1).clamp_min(1e-12) / 127
        steps = (self.weight / scale[:, None]).round().to(torch.int8)
        tensors = {"weight": steps.contiguous(), "scale": scale, "token_ids": ids}
        save_file(tensors, str(adapter / LINE_HEAD_NAME), metadata={"format": "pt"})

    def export(self, path: Path) -> None:
        """Write the head as ONNX: `states` [n, hidden] to `logits` [n, tokens], fp32."""
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        hidden, count = self.weight.shape[1], len(self.token_ids)
        matrix = numpy_helper.from_array(self.weight.T.contiguous().numpy(), "weight")
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["states", "weight"], ["logits"])],
            "line_head",
            [helper.make_tensor_value_info("states", TensorProto.FLOAT, ["n", hidden])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", count])],
            [matrix],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(path))

    def bundle_ids(self, kept: Sequence[int]) -> list[int]:
        """Return the head's tokens as a bundle numbers them; ModelError where it lacks one."""
        new_id = {old: new for new, old in enumerate(kept)}
        if missing := [each for each in self.token_ids if each not in new_id]:
            raise ModelError(
                f"the bundle's vocabulary lacks {len(missing)} tokens of the line head"
            )
        return [new_id[each] for each in self.token_ids]


def fit(
    states: Tensor,
    targets: Tensor,
    start: Tensor,
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    report: Callable[[int, float], None],
) -> Tensor:
    """Return head weights [tokens, hidden] fitted to predict `targets` [n] from `states` [n, hidden].

    start: the weights to begin from, the base head's own rows. Adam with a linear decay; seeded.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = torch.nn.Parameter(start.float().clone())
    optimiser = torch.optim.AdamW([weight], lr=learning_rate, weight_decay=0.0)
    steps = epochs * ((len(states) + batch - 1) // batch)
    decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    for epoch in range(epochs):
        total = 0.0
        order = torch.randperm(len(states), generator=generator)
        for begin in range(0, len(order), batch):
            rows = order[begin : begin + batch]
            loss = F.cross_entropy(states[rows].float() @ weight.T, targets[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            decay.step()
            total += float(loss) * len(rows)
        report(epoch + 1, total / len(states))
    return weight.detach()
