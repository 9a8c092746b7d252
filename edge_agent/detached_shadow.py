"""The detached shadow of a bundle: tokens behind the system prompt in, logits and states out.

The system prompt's keys and values are computed once at load; every pass continues from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edge_agent.inference import Graph
from edge_agent.provider import ProviderOptions
from shared.bundle import BundleManifest, read_manifest
from shared.errors import BundleError
from shared.prompt import PromptEncoder, chat_format, prompt_segments, prompt_sha256

Array = NDArray[np.float32]
GRAPH_NAME = "graph.onnx"
LINE_HEAD_NAME = "line_head.onnx"
_UNSEEN = np.float32(-1e9)


@dataclass(frozen=True)
class Pass:
    """What one pass gave.

    logits [read, head tokens] of the tags' tokens and states [read, hidden] of the tokens that were
    read; keys and values [layers, 1, heads, tokens, head dimension] of all.
    """

    logits: Array
    states: Array
    keys: Array
    values: Array


class DetachedShadow:
    """A bundle's graph with its embeddings; one instance serves one thread at a time."""

    def __init__(
        self,
        manifest: BundleManifest,
        graph: Graph,
        encoder: PromptEncoder,
        tokenizer: Tokenizer,
        embeddings: NDArray[np.int8],
        scales: Array,
        line_head: Graph | None = None,
    ) -> None:
        self.manifest = manifest
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.line_head = line_head
        self.suffix = encoder.encode_segment(prompt_segments(encoder.chat, "")[-1])
        """The prompt's tokens between an utterance and its answer."""
        self.prefix_length = len(manifest.prefix_token_ids)
        self._graph = graph
        self._embeddings = embeddings
        self._scales = scales
        self._prefix_keys, self._prefix_values = self._prefix()
        self._prefix_on_device = tuple(
            graph.constant(each) for each in (self._prefix_keys, self._prefix_values)
        )

    @classmethod
    def load(cls, directory: Path, options: ProviderOptions | None = None) -> "DetachedShadow":
        """Return the shadow of a bundle whose files match its manifest; else BundleError."""
        options = options or ProviderOptions()
        manifest = read_manifest(directory)
        chat = chat_format(manifest.chat_format)
        if manifest.prompt_sha256 != prompt_sha256(chat):
            raise BundleError(
                f"the bundle at {directory} was made for another prompt than this version's; "
                "export or pull it again"
            )
        tokenizer_file = str(directory / "tokenizer.json")
        control, plain = (Tokenizer.from_file(tokenizer_file) for _ in range(2))
        shape = (manifest.graph.vocabulary_size, manifest.graph.hidden_size)
        head = directory / LINE_HEAD_NAME
        return cls(
            manifest,
            Graph.open(directory / GRAPH_NAME, options),
            PromptEncoder(control, plain, chat),
            control,
            np.memmap(directory / "embeddings.int8", dtype=np.int8, mode="r", shape=shape),
            np.fromfile(directory / "embedding_scales.f32", dtype=np.float32),
            Graph.open(head, options) if manifest.line_token_ids else None,
        )

    def forward(
        self,
        tokens: Sequence[int],
        positions: NDArray[np.int64],
        seen: NDArray[np.bool_],
        past: tuple[Array, Array] | None = None,
        read_at: NDArray[np.int64] | None = None,
    ) -> Pass:
        """Return a pass over `tokens` after the system prompt, or after `past` where it is given.

        positions [tokens] count from the prompt's first token; seen [tokens, past + tokens] says
        which tokens each may look at; past holds keys and values as in `Pass`; read_at [read] are
        the tokens whose logits and states are wanted, None for all.
        """
        rows = np.asarray(tokens, np.int64)
        embeddings = self._embeddings[rows].astype(np.float32) * self._scales[rows][:, None]
        keys, values = past or self._prefix_on_device
        inputs: dict[str, Any] = {
            "embeddings": embeddings[None],
            "position_ids": positions[None].astype(np.int64),
            "mask": np.where(seen, np.float32(0), _UNSEEN)[None, None],
            "past_keys": keys,
            "past_values": values,
            "read_at": np.arange(len(rows)) if read_at is None else read_at,
        }
        return Pass(*self._graph.run(inputs, ("logits", "states", "keys", "values")))

    def follow(
        self, tokens: Sequence[int], past: tuple[Array, Array]
    ) -> tuple[Pass, tuple[Array, Array]]:
        """Return a causal pass over `tokens` after `past`, the last one read, and the past grown."""
        before, count = past[0].shape[3], len(tokens)
        seen = np.tril(np.ones((count, before + count), bool), before)
        result = self.forward(
            tokens, np.arange(before, before + count), seen, past, np.array([count - 1])
        )
        grown = (
            np.concatenate([past[0], result.keys], axis=3),
            np.concatenate([past[1], result.values], axis=3),
        )
        return result, grown

    @property
    def prefix(self) -> tuple[Array, Array]:
        """The system prompt's keys and values."""
        return self._prefix_keys, self._prefix_values

    def line_logits(self, state: Array) -> Array:
        """Return the line head's logits [line tokens] of a state [hidden]."""
        assert self.line_head is not None, "the bundle carries no line head"
        logits: Array = self.line_head.run({"states": state[None]}, ("logits",))[0][0]
        return logits

    def _prefix(self) -> tuple[Array, Array]:
        graph, tokens = self.manifest.graph, self.manifest.prefix_token_ids
        shape = (graph.layers, 1, graph.key_value_heads, 0, graph.head_dimension)
        empty = np.zeros(shape, np.float32)
        _, past = self.follow(tokens, (empty, empty))
        return past
