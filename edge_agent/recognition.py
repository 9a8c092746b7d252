"""What the agent and the evaluation need of a recogniser, so that tests can stand one in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.bundle import BundleManifest


class Posterior(Protocol):
    """Tags with their probabilities, best first; `complete` where the whole utterance was read."""

    @property
    def ranked(self) -> Sequence[tuple[str, float]]: ...
    @property
    def complete(self) -> bool: ...


class Decision(Protocol):
    """The tag after thresholds, and what `edge_agent.recognizer.Decision` says of it."""

    @property
    def tag(self) -> str: ...
    @property
    def probability(self) -> float: ...
    @property
    def confidence(self) -> float: ...
    @property
    def seconded(self) -> float: ...
    @property
    def joint(self) -> Sequence[tuple[str, float]]: ...
    @property
    def posterior(self) -> Posterior: ...


@dataclass(frozen=True)
class Settled:
    """A decision for another tag than the thresholds gave; all else is that of `read`."""

    tag: str
    probability: float
    read: Decision

    @property
    def confidence(self) -> float:
        return self.read.confidence

    @property
    def seconded(self) -> float:
        return self.read.seconded

    @property
    def joint(self) -> Sequence[tuple[str, float]]:
        return self.read.joint

    @property
    def posterior(self) -> Posterior:
        return self.read.posterior


class Recognition(Protocol):
    """`edge_agent.recognizer.Recognizer`; `decide` takes milliseconds and belongs in a thread.

    It gets the utterance whole: one too long to be read is not acted on, so nobody may cut it.
    """

    @property
    def manifest(self) -> BundleManifest: ...
    def decide(self, text: str) -> Decision: ...
