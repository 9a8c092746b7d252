"""The second reader: a linear model over an utterance's wording, heard beside the shadow.

Both together hold one tag likeliest; where they read an utterance differently, their confidence in it
is low and the utterance is deferred (docs/decisions/0013 and 0015).
"""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from shared.bundle import SecondReading
from shared.errors import BundleError
from shared.wording import wording_keys

SECOND_READER_NAME = "second_reader.npz"
_LEAST = 1e-5
"""Below this the shadow's probabilities are all alike."""


class SecondReader:
    """Scores of all tags by an utterance's wording; weighed against the shadow's posterior."""

    def __init__(self, arrays: dict[str, NDArray[np.generic]], reading: SecondReading) -> None:
        self.reading = reading
        self._keys = arrays["keys"].astype(np.uint32)
        self._rarity = arrays["rarity"].astype(np.float32)
        self._weights = arrays["weights"].astype(np.int8)
        self._scales = arrays["scales"].astype(np.float32)
        self._bias = arrays["bias"].astype(np.float32)

    @classmethod
    def load(cls, path: Path, reading: SecondReading, tags: int) -> "SecondReader":
        """Return the reader of a bundle's file; BundleError where it does not belong to `tags` tags."""
        try:
            with np.load(path, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
            reader = cls(arrays, reading)
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise BundleError(
                f"{path} cannot be read ({error}); export or pull the bundle again"
            ) from error
        shapes = (reader._weights.shape, reader._scales.shape, reader._bias.shape)
        if shapes != ((len(reader._keys), tags), (tags,), (tags,)):
            raise BundleError(f"{path} does not belong to the bundle's tags; export it again")
        return reader

    def scores(self, text: str) -> NDArray[np.float32]:
        """Return a number for each tag, in the manifest's order; greater means likelier."""
        keys = np.array(wording_keys(text), np.uint32)
        at = np.searchsorted(self._keys, keys)
        known = at[
            (at < len(self._keys)) & (self._keys[np.minimum(at, len(self._keys) - 1)] == keys)
        ]
        if not len(known):
            return self._bias
        rarity = self._rarity[known]
        shares = rarity / np.linalg.norm(rarity)
        scores: NDArray[np.float32] = shares @ self._weights[known] * self._scales + self._bias
        return scores

    def confidence(self, text: str, posterior: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how sure both readers are of each tag; posterior [tags] is the shadow's.

        A logarithmic opinion pool: softmax(shadow_weight · log P + reader_weight · scores).
        """
        reading = self.reading
        joint = reading.shadow_weight * np.log(np.maximum(posterior, _LEAST))
        joint += reading.reader_weight * self.scores(text)
        shares = np.exp(joint - joint.max())
        sure: NDArray[np.float64] = shares / shares.sum()
        return sure
