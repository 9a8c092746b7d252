"""The recogniser: a bundle and ONNX Runtime turn an utterance into the exact posterior over 35 tags.

The system prompt's keys and values are computed once at load. An utterance then costs one pass over
its own tokens, the prompt's end, and the few tokens of the tag tree that lead to a branching node;
a mask lets each tree token see only its own beginning.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from shared.bundle import BundleManifest, read_manifest
from shared.errors import BundleError
from shared.prompt import PromptEncoder, chat_format, prompt_segments, prompt_sha256
from shared.skills import skill
from shared.tag_tree import TagTree, build_tag_tree
from shared.tags import REMOTE, TAGS, parse_tag
from shared.text import MAX_UTTERANCE_CHARACTERS

Array = NDArray[np.float32]
_UNSEEN = np.float32(-1e9)


@dataclass(frozen=True)
class Posterior:
    """P(tag) of all 35 tags, most probable first; sums to 1.

    `complete` is False where the utterance was too long for the window and only its end was read.
    """

    ranked: list[tuple[str, float]]
    complete: bool = True


@dataclass(frozen=True)
class Decision:
    """The tag after thresholds, and the probability of the most probable tag."""

    tag: str
    probability: float
    posterior: Posterior


class Recognizer:
    """Text to posterior; one instance serves one thread at a time. Build with `load`."""

    def __init__(
        self,
        manifest: BundleManifest,
        session: onnxruntime.InferenceSession,
        encoder: PromptEncoder,
        embeddings: NDArray[np.int8],
        scales: Array,
    ) -> None:
        self.manifest = manifest
        self._session = session
        self._encoder = encoder
        self._embeddings = embeddings
        self._scales = scales
        self._tree: TagTree = build_tag_tree([tag.token_ids for tag in manifest.tags])
        if list(self._tree.head_token_ids) != manifest.head_token_ids:
            raise BundleError("the bundle's head does not belong to its tags; export it again")
        columns = {token: column for column, token in enumerate(manifest.head_token_ids)}
        self._branches = [
            (branch.at, np.array([columns[child] for child in branch.children]))
            for branch in self._tree.branches
        ]
        self._suffix = encoder.encode_segment(prompt_segments(encoder.chat, "")[-1])
        self._prefix_length = len(manifest.prefix_token_ids)
        self._past = self._prefix_state()

    @classmethod
    def load(cls, directory: Path, threads: int = 1) -> "Recognizer":
        """Return the recogniser of a bundle whose files match its manifest; else BundleError."""
        manifest = read_manifest(directory)
        chat = chat_format(manifest.chat_format)
        if manifest.prompt_sha256 != prompt_sha256(chat):
            raise BundleError(
                f"the bundle at {directory} was made for another prompt than this version's; "
                "export or pull it again"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(directory / "graph.onnx"), options, providers=["CPUExecutionProvider"]
        )
        tokenizer_file = str(directory / "tokenizer.json")
        control, plain = (Tokenizer.from_file(tokenizer_file) for _ in range(2))
        shape = (manifest.graph.vocabulary_size, manifest.graph.hidden_size)
        embeddings = np.memmap(directory / "embeddings.int8", dtype=np.int8, mode="r", shape=shape)
        scales = np.fromfile(directory / "embedding_scales.f32", dtype=np.float32)
        return cls(manifest, session, PromptEncoder(control, plain, chat), embeddings, scales)

    def posterior(self, text: str) -> Posterior:
        """Return P(tag) for an utterance; of one too long for the window the end is read."""
        words = self._encoder.encode_segment(prompt_segments(self._encoder.chat, text)[1])
        room = self._room()
        complete = len(words) <= room and len(text) <= MAX_UTTERANCE_CHARACTERS
        chain = [*words[-room:], *self._suffix]
        probabilities = self._probabilities(self._tree_logits(chain))
        order = np.argsort(-probabilities, kind="stable")
        return Posterior([(TAGS[i], float(probabilities[i])) for i in order], complete)

    def decide(self, text: str) -> Decision:
        """Return the most probable tag where it clears its tier's threshold, else `[REMOTE]`.

        An utterance too long to be read whole is never acted on.
        """
        posterior = self.posterior(text)
        tag, probability = posterior.ranked[0]
        name = parse_tag(tag)
        if name is None or name == "REMOTE" or not posterior.complete:
            return Decision(REMOTE, probability, posterior)
        threshold = self.threshold(name)
        return Decision(tag if probability >= threshold else REMOTE, probability, posterior)

    def threshold(self, name: str) -> float:
        """Return the probability that the named skill has to reach."""
        return {str(tier): value for tier, value in self.manifest.thresholds.items()}[
            str(int(skill(name).tier))
        ]

    def _room(self) -> int:
        taken = self._prefix_length + len(self._suffix) + len(self._tree.tokens)
        return self.manifest.graph.window_tokens - taken

    def _prefix_state(self) -> tuple[Array, Array]:
        graph = self.manifest.graph
        empty = np.zeros(
            (graph.layers, 1, graph.key_value_heads, 0, graph.head_dimension), np.float32
        )
        tokens = self.manifest.prefix_token_ids
        seen = np.tril(np.ones((len(tokens), len(tokens)), bool))
        _, keys, values = self._run(tokens, np.arange(len(tokens)), seen, (empty, empty))
        return keys, values

    def _tree_logits(self, chain: list[int]) -> Array:
        """Return the logits [tree tokens, head tokens] behind the prefix and `chain`."""
        tree, length, past = self._tree, len(chain), self._prefix_length
        total = length + len(tree.tokens)
        seen = np.zeros((total, total), bool)
        seen[:length, :length] = np.tril(np.ones((length, length), bool))
        positions = np.arange(total)
        for index, parent in enumerate(tree.parents):
            row, before = length + index, length - 1 if parent < 0 else length + parent
            seen[row] = seen[before]
            seen[row, row] = True
            positions[row] = positions[before] + 1
        with_past = np.concatenate([np.ones((total, past), bool), seen], axis=1)
        logits, _, _ = self._run([*chain, *tree.tokens], positions + past, with_past, self._past)
        return logits[length:]

    def _probabilities(self, logits: Array) -> NDArray[np.float64]:
        logs = []
        for at, columns in self._branches:
            children = logits[at, columns].astype(np.float64)
            shifted = children - children.max()
            logs.append(shifted - np.log(np.exp(shifted).sum()))
        return np.exp(
            [sum(logs[branch][child] for branch, child in path) for path in self._tree.paths]
        )

    def _run(
        self,
        tokens: list[int],
        positions: NDArray[np.int64],
        seen: NDArray[np.bool_],
        past: tuple[Array, Array],
    ) -> tuple[Array, Array, Array]:
        rows = np.asarray(tokens)
        embeddings = self._embeddings[rows].astype(np.float32) * self._scales[rows][:, None]
        logits, keys, values = self._session.run(
            None,
            {
                "embeddings": embeddings[None],
                "position_ids": positions[None].astype(np.int64),
                "mask": np.where(seen, np.float32(0), _UNSEEN)[None, None],
                "past_keys": past[0],
                "past_values": past[1],
            },
        )
        return logits, keys, values
