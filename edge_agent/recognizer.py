"""The recogniser: a bundle and ONNX Runtime turn an utterance into the exact posterior over the tags.

The system prompt's keys and values are computed once at load. An utterance then costs one pass over
its own tokens, the prompt's end, and the few tokens of the tag tree that lead to a branching node;
a mask lets each tree token see only its own beginning.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.detached_shadow import Array, DetachedShadow, Pass
from edge_agent.provider import ProviderOptions
from edge_agent.second_reader import SECOND_READER_NAME, SecondReader
from shared.bundle import BundleManifest, Thresholds
from shared.errors import BundleError
from shared.prompt import prompt_segments
from shared.skills import skill
from shared.tag_tree import TagTree, build_tag_tree
from shared.tags import REMOTE, parse_tag, spells_a_tag
from shared.text import MAX_UTTERANCE_CHARACTERS


@dataclass(frozen=True)
class Posterior:
    """P(tag) of all tags, 35 where no skill is taught, most probable first; sums to 1.

    `complete` is False where the utterance was too long for the window and only its end was read.
    `outside` is the probability that the answer begins with no tag, among the tokens of the bundle's
    line head; None where it carries none.
    """

    ranked: list[tuple[str, float]]
    complete: bool = True
    outside: float | None = None


@dataclass(frozen=True)
class Decision:
    """The tag after thresholds, and what it was decided by.

    joint: how sure the shadow and the second reader together are of each tag, surest first; the
    posterior's ranking where the bundle carries no second reader. probability: the shadow's own, of the tag that both
    together are surest of.
    """

    tag: str
    probability: float
    posterior: Posterior
    joint: list[tuple[str, float]]

    @property
    def confidence(self) -> float:
        """How sure both readers are of the tag that they hold likeliest."""
        return self.joint[0][1]

    @property
    def seconded(self) -> float:
        """How sure both readers are of the tag that the shadow alone holds likeliest."""
        return dict(self.joint)[self.posterior.ranked[0][0]]


class Recognizer:
    """Text to posterior; one instance serves one thread at a time. Build with `load`."""

    def __init__(self, shadow: DetachedShadow, second_reader: SecondReader | None = None) -> None:
        manifest = shadow.manifest
        self.shadow = shadow
        self.second_reader = second_reader
        self._tags = [each.tag for each in manifest.tags]
        self.tree: TagTree = build_tag_tree([tag.token_ids for tag in manifest.tags])
        if list(self.tree.head_token_ids) != manifest.head_token_ids:
            raise BundleError("the bundle's head does not belong to its tags; export it again")
        columns = {token: column for column, token in enumerate(manifest.head_token_ids)}
        self._branches = [
            (branch.at, np.array([columns[child] for child in branch.children]))
            for branch in self.tree.branches
        ]
        self.posterior("hello")  # the first pass is slower: it belongs to the start
        if second_reader is not None:
            second_reader.scores("你好")  # loads the tables of Chinese sounds

    @classmethod
    def load(
        cls, directory: Path, threads: int = 1, options: ProviderOptions | None = None
    ) -> "Recognizer":
        """Return the recogniser of a bundle whose files match its manifest; else BundleError."""
        shadow = DetachedShadow.load(directory, options or ProviderOptions(threads=threads))
        reading, tags = shadow.manifest.second_reading, len(shadow.manifest.tags)
        if reading is None:
            return cls(shadow)
        return cls(shadow, SecondReader.load(directory / SECOND_READER_NAME, reading, tags))

    @property
    def manifest(self) -> BundleManifest:
        """The bundle's manifest."""
        return self.shadow.manifest

    def posterior(self, text: str) -> Posterior:
        """Return P(tag) for an utterance; of one too long for the window the end is read."""
        encoder = self.shadow.encoder
        words = encoder.encode_segment(prompt_segments(encoder.chat, text)[1])
        room = self._room()
        complete = len(words) <= room and len(text) <= MAX_UTTERANCE_CHARACTERS
        chain = [*words[-room:], *self.shadow.suffix]
        result = tree_pass(self.shadow, self.tree, chain)
        ranked = self._rank(self._probabilities(result.logits[1:]))
        return Posterior(ranked, complete, self._outside(result.states[0]))

    def decide(self, text: str) -> Decision:
        """Return the most probable tag where it clears its tier's threshold, else `[REMOTE]`.

        Where the bundle carries a second reader, it is the tag that both readers together hold
        likeliest, and their confidence has to clear the tier's threshold on it as well as the
        shadow's own probability the one on that (docs/decisions/0015).
        An utterance too long to be read whole is never acted on, nor one that spells a tag.
        """
        posterior = self.posterior(text)
        joint = self._joint(text, posterior)
        tag, confidence = joint[0]
        probability = dict(posterior.ranked)[tag]
        name = parse_tag(tag) or "REMOTE"
        readable = posterior.complete and not spells_a_tag(text)
        acts = (
            name != "REMOTE"
            and readable
            and probability >= self.threshold(name)
            and confidence >= self._least_confidence(name)
        )
        return Decision(tag if acts else REMOTE, probability, posterior, joint)

    def threshold(self, name: str) -> float:
        """Return the probability that the named skill has to reach."""
        return _of_tier(self.manifest.thresholds, name)

    def _joint(self, text: str, posterior: Posterior) -> list[tuple[str, float]]:
        if self.second_reader is None:
            return posterior.ranked
        ranked = dict(posterior.ranked)
        sure = self.second_reader.confidence(text, np.array([ranked[each] for each in self._tags]))
        return self._rank(sure)

    def _rank(self, shares: NDArray[np.float64]) -> list[tuple[str, float]]:
        order = np.argsort(-shares, kind="stable")
        return [(self._tags[i], float(shares[i])) for i in order]

    def _least_confidence(self, name: str) -> float:
        reading = self.manifest.second_reading
        return _of_tier(reading.thresholds, name) if reading else 0.0

    def _room(self) -> int:
        shadow = self.shadow
        taken = shadow.prefix_length + len(shadow.suffix) + len(self.tree.tokens)
        return self.manifest.graph.window_tokens - taken

    def _outside(self, state: Array) -> float | None:
        """Return the mass outside the grammar at the first tag token, given the prompt's last state."""
        if self.shadow.line_head is None:
            return None
        logits = self.shadow.line_logits(state).astype(np.float64)
        shares = np.exp(logits - logits.max())
        first = {tag.token_ids[0] for tag in self.manifest.tags}
        inside = [token in first for token in self.manifest.line_token_ids]
        return float(1 - shares[inside].sum() / shares.sum())

    def _probabilities(self, logits: Array) -> NDArray[np.float64]:
        logs = []
        for at, columns in self._branches:
            children = logits[at, columns].astype(np.float64)
            shifted = children - children.max()
            logs.append(shifted - np.log(np.exp(shifted).sum()))
        return np.exp(
            [sum(logs[branch][child] for branch, child in path) for path in self.tree.paths]
        )


def _of_tier(thresholds: Thresholds, name: str) -> float:
    tiers = {str(tier): value for tier, value in thresholds.items()}
    return tiers[str(int(skill(name).tier))]


def tree_pass(shadow: DetachedShadow, tree: TagTree, chain: list[int]) -> Pass:
    """Return one pass over `chain` and the tree's tokens, each of which sees only its own beginning.

    Read are the chain's last token and then the tree's.
    """
    length, past = len(chain), shadow.prefix_length
    total = length + len(tree.tokens)
    seen = np.zeros((total, past + total), bool)
    seen[:, :past] = True
    seen[:length, past : past + length] = np.tril(np.ones((length, length), bool))
    positions = np.arange(total)
    for index, parent in enumerate(tree.parents):
        row, before = length + index, length - 1 if parent < 0 else length + parent
        seen[row] = seen[before]
        seen[row, past + row] = True
        positions[row] = positions[before] + 1
    read_at = np.arange(length - 1, total)
    return shadow.forward([*chain, *tree.tokens], positions + past, seen, read_at=read_at)
