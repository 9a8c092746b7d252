"""A second try: what if the words are only misspelt, or wrapped in talk?

Who writes Chinese by sound (pinyin), or sends what another recogniser of speech wrote, gives 狗哥做好 for 狗哥坐好; who
types in a hurry gives "sti down"; who is polite, "I was wondering if you could sit" (docs/decisions/0017). Misspelt words
that would be acted on are read again, too: 卜准转圈 may be 不准转圈.
"""

from collections.abc import Iterator

from edge_agent.mending.by_name import Called, Names
from edge_agent.mending.courtesies import asks_around, without_courtesies
from edge_agent.mending.emphasis import without_emphasis
from edge_agent.mending.homophones import Mender
from edge_agent.mending.sentences import MOST, sentences_of, stands_alone
from edge_agent.mending.spelling import Speller
from edge_agent.recognition import Decision, Recognition, Settled
from shared.bundle import BundleManifest
from shared.skills import SKILLS, Tier
from shared.tags import REMOTE, print_tag, spells_a_tag
from shared.text import MAX_UTTERANCE_CHARACTERS, clean_utterance

LEAST_CONFIDENCE = 0.985
"""How sure of the mended words both readers have to be together; the tiers' thresholds hold besides. Chosen so that
of the rows of validation, calibration and calibration_late that are no command none is acted on because of it."""

HOPELESS = 0.9999
"""How sure of [REMOTE] both readers are where nothing is read again, as for more than half of all requests; the
commands that another reading gave were less hopeless."""
OTHERWISE = 0.9
"""How sure both readers are that nothing is asked for, where the mended words keep those as written from being acted on."""
_STOP = print_tag("StopMove")
IN_PASSING = (print_tag("SayHello"), _STOP)
"""No orders among other sentences: "Hello! What's the weather?"; "... from. please stop this" (what stops a moving dog
is heard before anything is read)."""


def may_be_guessed(tag: str) -> bool:
    """Return whether a guess at what was meant is enough: it is not to go soft or to leave the ground."""
    return tag not in {
        print_tag(each.name)
        for each in SKILLS
        if each.name == "Damp" or each.tier is Tier.DANGEROUS
    }


class SecondTry:
    """A recogniser that reads what it would defer again, mended and without the talk around it; loads what that needs."""

    def __init__(self, recognizer: Recognition, mender: Mender, speller: Speller) -> None:
        self._recognizer = recognizer
        self._mender = mender
        self._speller = speller
        self._names = Names(SKILLS)
        mender.open()
        speller.open()

    @property
    def manifest(self) -> BundleManifest:
        """The bundle's manifest."""
        return self._recognizer.manifest

    def decide(self, text: str) -> Decision:
        """Return the decision on the words without emphasis. Where that one acts, mended words have to agree;
        where it defers, a sure one of another try counts, or the skill that the words are the name of.

        What cannot be read whole, or spells a tag, gets no other try: it is never acted on, in parts neither.
        """
        if len(text) > MAX_UTTERANCE_CHARACTERS or spells_a_tag(text):
            return self._recognizer.decide(text)
        read = without_emphasis(clean_utterance(text), self._speller.count)
        decision = self._recognizer.decide(read)
        if decision.tag != REMOTE:
            return self._agreed(decision, read)
        if not decision.posterior.complete or dict(decision.joint)[REMOTE] > HOPELESS:
            return decision
        surer = next((each for each in self._again(read) if _counts(each)), None)
        return surer or self._by_name(read, decision)

    def _agreed(self, decision: Decision, read: str) -> Decision:
        """Return the decision to act, where the words mended say the same or little; else what they say, or to defer.

        A stop stands, whatever it was meant to be.
        """
        if decision.tag == _STOP:
            return decision
        mended = self._mended(read)
        if mended == read:
            return decision
        other = self._recognizer.decide(mended)
        if other.tag == decision.tag:
            return decision
        if other.tag == REMOTE:
            return other if dict(other.joint)[REMOTE] > OTHERWISE else decision
        if _counts(other):
            return other
        return Settled(REMOTE, dict(other.posterior.ranked)[REMOTE], other)

    def _by_name(self, read: str, decision: Decision) -> Decision:
        """Return the decision for the skill that the words are the name of, where no other is likelier; else as it was."""
        tag = self._names.tag(read)
        likeliest = next((each for each, _ in decision.joint if each != REMOTE), None)
        if tag is None or tag != likeliest or not may_be_guessed(tag):
            return decision
        return Called(tag, dict(decision.posterior.ranked)[tag], decision)

    def _again(self, read: str) -> Iterator[Decision]:
        """Give the decisions on the words mended, then without courtesies too, then on a sentence that is the order."""
        mended = self._mended(read)
        plain = without_courtesies(mended)
        for said, before in ((mended, read), (plain, mended)):
            if said != before:
                yield self._recognizer.decide(said)
        yield from self._order_among(sentences_of(plain), asks_around(mended))

    def _mended(self, read: str) -> str:
        return self._speller.mend(self._mender.mend(read))

    def _order_among(self, sentences: list[str], is_request: bool) -> Iterator[Decision]:
        """Give the decision on the only sentence that is an order, where there are others beside it."""
        if not 1 < len(sentences) <= MOST:
            return
        decisions = [self._recognizer.decide(each) for each in sentences]
        orders = [at for at, each in enumerate(decisions) if each.tag != REMOTE]
        if (
            len(orders) == 1
            and decisions[orders[0]].tag not in IN_PASSING
            and stands_alone(sentences, orders[0], is_request)
        ):
            yield decisions[orders[0]]


def _counts(decision: Decision) -> bool:
    return (
        decision.tag != REMOTE
        and decision.confidence >= LEAST_CONFIDENCE
        and may_be_guessed(decision.tag)
    )
