"""What mends, as the settings ask for: with the taught skills' utterances beside the training rows."""

from edge_agent.mending.homophones import Mender
from edge_agent.mending.second_try import SecondTry
from edge_agent.mending.spelling import Speller
from edge_agent.recognition import Recognition
from edge_agent.settings import EdgeSettings
from edge_agent.taught_skills import read_utterances


def choose_mender(settings: EdgeSettings) -> Mender:
    """Return what mends Chinese by sound; nothing is loaded yet."""
    return Mender(read_utterances(settings.skills))


def try_twice(recognizer: Recognition, mender: Mender, settings: EdgeSettings) -> SecondTry:
    """Return the recogniser that the agent decides by."""
    return SecondTry(recognizer, mender, Speller(read_utterances(settings.skills)))
