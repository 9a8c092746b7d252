"""The keys and values of one request: the base's and the shadow's, owned by the caller."""

from transformers import DynamicCache, PretrainedConfig


class ShadowCache:
    """What a request keeps between forward passes; never kept on a module, never shared.

    `base` is filled in attached mode only; `shadow` always. `length` is the number of tokens seen.
    """

    def __init__(self, base: PretrainedConfig, shadow: PretrainedConfig) -> None:
        self.base = DynamicCache(config=base)
        self.shadow = DynamicCache(config=shadow)

    @property
    def length(self) -> int:
        """Tokens that the cache has seen, cut by no sliding window."""
        return int(self.shadow.get_seq_length())
