"""What a front end reads of a base: its tokenizer and two sizes, and no weights."""

from dataclasses import dataclass

from cloud_server.engine.served_base import Served


@dataclass(frozen=True)
class Vocabulary:
    """The served names and tokens; `size` in tokens, `context_tokens` the longest sequence."""

    served: Served
    size: int
    context_tokens: int
