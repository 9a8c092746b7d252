"""What an utterance that asks to do the last thing again stands for in its session."""

from collections.abc import Sequence

from cloud_server.api.sessions import Exchange
from shared.repeat_phrases import is_repeat
from shared.skills import Tier, skill


def skill_to_repeat(text: str, history: Sequence[Exchange]) -> str | None:
    """Return the skill that `text` asks for again: the last exchange's, if it named a safe one.

    Only the very last exchange counts: after a question "again" may ask for the answer. What leaves
    the ground (tier 3) is never repeated on such a short word.
    """
    last = history[-1].skill if history else None
    if last is None or skill(last).tier >= Tier.DANGEROUS or not is_repeat(text):
        return None
    return last
