"""A second try for what would be deferred: what if it is only misspelt?

Who writes Chinese by sound (pinyin), or sends what another recogniser of speech wrote, gives 狗哥做好 for 狗哥坐好; who
types in a hurry gives "sti down" (docs/decisions/0017).
"""

from edge_agent.mending.homophones import Mender
from edge_agent.mending.spelling import Speller
from edge_agent.recognition import Decision, Recognition
from shared.bundle import BundleManifest
from shared.skills import SKILLS, Tier
from shared.tags import REMOTE, print_tag
from shared.text import MAX_UTTERANCE_CHARACTERS, clean_utterance

LEAST_CONFIDENCE = 0.985
"""How sure of the mended words both readers have to be together; the tiers' thresholds hold besides. Chosen so that
of the rows of validation, calibration and calibration_late that are no command none is acted on because of it."""


def may_be_guessed(tag: str) -> bool:
    """Return whether a guess at what was meant is enough: it is not to go soft or to leave the ground."""
    return tag not in {
        print_tag(each.name)
        for each in SKILLS
        if each.name == "Damp" or each.tier is Tier.DANGEROUS
    }


class SecondTry:
    """A recogniser that reads what it would defer once more, mended; loads what mending needs."""

    def __init__(self, recognizer: Recognition, mender: Mender, speller: Speller) -> None:
        self._recognizer = recognizer
        self._mender = mender
        self._speller = speller
        mender.open()
        speller.open()

    @property
    def manifest(self) -> BundleManifest:
        """The bundle's manifest."""
        return self._recognizer.manifest

    def decide(self, text: str) -> Decision:
        """Return the decision on the words as they are, or a sure one on the mended where that one defers."""
        decision = self._recognizer.decide(text)
        if decision.tag != REMOTE or len(text) > MAX_UTTERANCE_CHARACTERS:
            return decision
        cleaned = clean_utterance(text)
        mended = self._speller.mend(self._mender.mend(cleaned))
        if mended == cleaned:
            return decision
        second = self._recognizer.decide(mended)
        counts = second.confidence >= LEAST_CONFIDENCE and may_be_guessed(second.tag)
        return second if counts and second.tag != REMOTE else decision
