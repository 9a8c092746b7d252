"""The detached shadow as an ONNX graph: past keys and values as inputs, a head of the tags' tokens."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from cloud_server.modeling import ShadowModel


class _PastAsInputs:
    """Stands where the decoder expects a cache: joins given keys and values with the new ones."""

    def __init__(self, past_keys: Tensor, past_values: Tensor) -> None:
        self.past_keys = past_keys
        self.past_values = past_values
        self.new_keys: list[Tensor] = []
        self.new_values: list[Tensor] = []

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any) -> tuple[Tensor, Tensor]:
        self.new_keys.append(keys)
        self.new_values.append(values)
        joined_keys = torch.cat([self.past_keys[layer], keys], dim=2)
        return joined_keys, torch.cat([self.past_values[layer], values], dim=2)


class _ReadRows(nn.Module):
    """The last layer's feed-forward, on the tokens that are read alone: nothing follows the others.

    `read_at` [n] is set for one forward pass at a time.
    """

    def __init__(self, feed_forward: nn.Module) -> None:
        super().__init__()
        self.feed_forward = feed_forward
        self.read_at: list[Tensor] = []

    def forward(self, hidden: Tensor) -> Tensor:
        read_at = self.read_at[0]
        return torch.zeros_like(hidden).index_copy(
            1, read_at, self.feed_forward(hidden.index_select(1, read_at))
        )


class EdgeGraph(nn.Module):
    """What the edge runs: [1, tokens, hidden] embeddings to logits of the tags' tokens.

    Inputs: embeddings; position_ids [1, tokens]; mask [1, 1, tokens, past + tokens], 0 to see and a
    large negative number not to; past_keys and past_values [layers, 1, heads, past, head dimension];
    read_at [n], the tokens whose outputs are wanted.
    Outputs: logits [n, head tokens] and states [n, hidden] before the head, of the tokens read; and
    all new tokens' keys and values.
    """

    def __init__(self, model: ShadowModel, head_token_ids: tuple[int, ...]) -> None:
        super().__init__()
        self.decoder: PreTrainedModel = model.shadow_model
        self.decoder.set_attn_implementation("eager")
        last: Any = cast(nn.ModuleList, self.decoder.layers)[-1]
        self.rows = _ReadRows(last.mlp)
        last.mlp = self.rows
        self.projection = model.shadow_hidden_projection
        weight = model.shadow_head_weight()[torch.tensor(head_token_ids)]
        self.register_buffer("head", weight.detach().clone().float().T.contiguous())

    def forward(
        self,
        embeddings: Tensor,
        position_ids: Tensor,
        mask: Tensor,
        past_keys: Tensor,
        past_values: Tensor,
        read_at: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        self.rows.read_at = [read_at]
        cache: Any = _PastAsInputs(past_keys, past_values)
        output = self.decoder(
            inputs_embeds=embeddings,
            position_ids=position_ids,
            attention_mask={"full_attention": mask, "sliding_attention": mask},
            past_key_values=cache,
            use_cache=True,
        )
        self.rows.read_at = []
        states = self.projection(output.last_hidden_state[0].index_select(0, read_at))
        return (
            states @ self.head,
            states,
            torch.stack(cache.new_keys),
            torch.stack(cache.new_values),
        )


def export_graph(graph: EdgeGraph, path: Path, *, hidden_size: int) -> None:
    """Write the graph as fp32 ONNX (opset 21) with free token and past lengths."""
    configuration = graph.decoder.config
    layers, heads = configuration.num_hidden_layers, configuration.num_key_value_heads
    tokens, past = 7, 5
    past_shape = (layers, 1, heads, past, configuration.head_dim)
    example = (
        torch.randn(1, tokens, hidden_size),
        torch.arange(past, past + tokens)[None],
        torch.zeros(1, 1, tokens, past + tokens),
        torch.randn(past_shape),
        torch.randn(past_shape),
        torch.tensor([0, 3, tokens - 1]),
    )
    length, seen = torch.export.Dim("tokens", max=1024), torch.export.Dim("past", max=1024)
    both = torch.export.Dim("past_and_tokens", max=2048)
    program = torch.onnx.export(
        graph.eval(),
        example,
        input_names=[
            "embeddings",
            "position_ids",
            "mask",
            "past_keys",
            "past_values",
            "read_at",
        ],
        output_names=["logits", "states", "keys", "values"],
        dynamic_shapes=(
            {1: length},
            {1: length},
            {2: length, 3: both},
            {3: seen},
            {3: seen},
            {0: torch.export.Dim("read", max=1024)},
        ),
        dynamo=True,
        opset_version=21,
        verbose=False,
    )
    assert program is not None
    program.save(str(path), external_data=False)
