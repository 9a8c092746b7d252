"""The line head: a small head on the frozen shadow that says the short spoken line after a tag.

The shadow itself is not touched, so no decision changes. The head knows only the tokens that the
written lines use, which keeps a bundle small, and learns to continue `[Sit()]` by one of the lines
written for that skill in the speaker's language.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from cloud_server.adapter_files import LINE_HEAD_CHANGE_NAME, LINE_HEAD_NAME
from cloud_server.modeling.change import Change
from cloud_server.modeling.checkpoint import read_tensors
from cloud_server.training.thin import ThinChange
from shared.bundle import file_sha256
from shared.errors import CheckpointMismatch, ModelError

OPSET = 21


@dataclass(frozen=True)
class LineHead:
    """Logits of `token_ids` [tokens] are `weight` [tokens, hidden] times the shadow's final state."""

    weight: Tensor
    token_ids: tuple[int, ...]

    @classmethod
    def load(cls, adapter: Path) -> "LineHead":
        """Return the head beside an adapter, with its change where there is one; CheckpointMismatch
        where their parts do not fit."""
        head, change = cls.load_fitted(adapter), adapter / LINE_HEAD_CHANGE_NAME
        if not change.exists():
            return head
        changed = Change.read(change).apply({"weight": head.weight}, adapter / LINE_HEAD_NAME)
        return replace(head, weight=changed["weight"])

    @classmethod
    def load_fitted(cls, adapter: Path) -> "LineHead":
        """Return it as it was fitted whole, without a change; CheckpointMismatch where its parts do not fit."""
        file = adapter / LINE_HEAD_NAME
        tensors = read_tensors(file)
        dimensions = {name: tensor.dim() for name, tensor in tensors.items()}
        if (
            dimensions != {"weight": 2, "scale": 1, "token_ids": 1}
            or len({len(tensor) for tensor in tensors.values()}) > 1
        ):
            raise CheckpointMismatch(f"{file} is no line head; train it again")
        weight = tensors["weight"].float() * tensors["scale"].float()[:, None]
        return cls(weight, tuple(int(each) for each in tensors["token_ids"]))

    def save(self, adapter: Path) -> None:
        """Write the whole head beside an adapter, in int8 with a scale a token."""
        ids = torch.tensor(self.token_ids, dtype=torch.int32)
        scale = self.weight.abs().amax(1).clamp_min(1e-12) / 127
        steps = (self.weight / scale[:, None]).round().to(torch.int8)
        tensors = {"weight": steps.contiguous(), "scale": scale, "token_ids": ids}
        save_file(tensors, str(adapter / LINE_HEAD_NAME), metadata={"format": "pt"})
        (adapter / LINE_HEAD_CHANGE_NAME).unlink(missing_ok=True)

    def save_change(self, adapter: Path, *, rank: int, steps: int) -> None:
        """Write what makes this head of the one fitted whole, in place of a change that is there; see
        `Change.between`."""
        before, now = {"weight": LineHead.load_fitted(adapter).weight}, {"weight": self.weight}
        changes = file_sha256(adapter / LINE_HEAD_NAME)
        change = Change.between(before, now, changes, rank=rank, steps=steps)
        change.save(adapter / LINE_HEAD_CHANGE_NAME)

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
    change_rank: int | None = None,
) -> Tensor:
    """Return head weights [tokens, hidden] fitted to predict `targets` [n] from `states` [n, hidden].

    start: the weights to begin from. change_rank: learn only a change of them of that rank. Adam with
    a linear decay; seeded.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    start = start.float().clone()
    learnt = _Whole(start) if change_rank is None else ThinChange(start, change_rank)
    optimiser = torch.optim.AdamW(learnt.parameters(), lr=learning_rate, weight_decay=0.0)
    steps = epochs * ((len(states) + batch - 1) // batch)
    decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    for epoch in range(epochs):
        total = 0.0
        order = torch.randperm(len(states), generator=generator)
        for begin in range(0, len(order), batch):
            rows = order[begin : begin + batch]
            loss = F.cross_entropy(states[rows].float() @ learnt(start).T, targets[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            decay.step()
            total += float(loss.detach()) * len(rows)
        report(epoch + 1, total / len(states))
    weight: Tensor = learnt(start).detach()
    return weight


class _Whole(torch.nn.Module):
    """All of a matrix is learnt."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(start)

    def forward(self, _: Tensor) -> Tensor:
        return self.weight
