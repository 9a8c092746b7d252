"""Keys and values of all requests, one pool a layer, addressed by slot."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PretrainedConfig


class LayerShape(NamedTuple):
    """What one layer keeps of a token, twice: keys and values."""

    heads: int
    head_size: int


class Pool(NamedTuple):
    """Keys and values [slots, heads, head size] of one layer."""

    keys: Tensor
    values: Tensor


def layer_shapes(config: PretrainedConfig) -> list[LayerShape]:
    """Return what each layer of a decoder keeps."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return [LayerShape(heads, size)] * config.num_hidden_layers


class KeyValueStore:
    """Pools of the base's layers, and beside them pools for the shadows' layers.

    A slot belongs to one request and so to one model: shadows whose layers have the same shape use
    the same pools, and another shadow of that shape costs no memory here.
    """

    def __init__(self, capacity: int, device: torch.device, dtype: torch.dtype) -> None:
        """capacity: slots, besides the padding's."""
        self._size = capacity + 1
        self._device = device
        self._dtype = dtype
        self._pools: dict[tuple[str, int, LayerShape], Pool] = {}

    @property
    def slot_bytes(self) -> int:
        """Bytes of one slot in all pools."""
        shapes = [shape for _, _, shape in self._pools]
        return sum(2 * shape.heads * shape.head_size for shape in shapes) * self._dtype.itemsize

    def keep_only(self, used: Iterable[Pool]) -> None:
        """Free the pools that are not among those in use."""
        kept = {id(pool) for pool in used}
        self._pools = {key: pool for key, pool in self._pools.items() if id(pool) in kept}

    def pools_of(self, place: str, config: PretrainedConfig) -> list[Pool]:
        """Return the pools of a decoder's layers; `place` is "base" or "shadow"."""
        return [
            self._pool((place, index, shape)) for index, shape in enumerate(layer_shapes(config))
        ]

    def _pool(self, key: tuple[str, int, LayerShape]) -> Pool:
        if key not in self._pools:
            # Zeros, not rubbish: a padded table reads the padding slot, and 0 times NaN is NaN.
            keys, values = (
                torch.zeros(self._size, *key[2], device=self._device, dtype=self._dtype)
                for _ in range(2)
            )
            self._pools[key] = Pool(keys, values)
        return self._pools[key]
