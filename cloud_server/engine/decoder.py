"""One step of the model: from a request's new tokens to its next one."""

from collections.abc import Sequence
from typing import Any

import torch

from cloud_server.engine.served_base import ServedBase


class Decoder:
    """Runs the model greedily on the owner thread; a request's state is its cache and nothing else."""

    def __init__(self, served: ServedBase) -> None:
        self._model = served.model
        self._device = served.device

    def new_cache(self) -> Any:
        """Return an empty cache for one request."""
        return self._model.new_cache()

    def next_token(self, new_ids: Sequence[int], cache: Any) -> int:
        """Return the most probable token after all that `cache` has seen and `new_ids`."""
        input_ids = torch.tensor([list(new_ids)], dtype=torch.long, device=self._device)
        with torch.inference_mode():
            output = self._model(input_ids, cache=cache, logits_to_keep=1, shadow_logits=False)
            assert output.logits is not None
            return int(output.logits[0, -1].argmax())
