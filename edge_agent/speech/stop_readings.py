"""A stop among a recogniser's other readings: noise turns "stop" into what the prompt expects.

Such a reading is doubted and so can only stop the dog; a stop too many is safe, a stop missed is not.
"""

from collections.abc import Sequence

import numpy as np

from edge_agent import reflex
from edge_agent.speech.interface import Samples
from edge_agent.speech.recognizer import Reading
from edge_agent.speech.voice_activity import FRAME, Activity

MARGIN = 0.5
"""How much less likely than the best reading a stop may be, in log-probability a token."""
LOWEST_SCORE = -1.75
"""Mean log-probability a token below which nothing is taken for a stop."""
LONGEST_S = 2.0
"""A stop phrase lasts about a second with the wake phrase; who speaks longer says something else."""
CLEAR_DB = 25.0
"""From this contrast on, noise is no reason to disbelieve Whisper's guess of the language."""
QUIETEST_SHARE = 0.1


def find_stop(readings: Sequence[Reading], speech_s: float) -> Reading | None:
    """Return the likeliest reading that is a stop and nothing else, None where none comes near."""
    if not readings or speech_s > LONGEST_S:
        return None
    least = max(max(each.score for each in readings) - MARGIN, LOWEST_SCORE)
    near = [each for each in readings if each.score >= least]
    stops = [each for each in near if reflex.is_stop(each.text, moving=False)]
    return max(stops, key=lambda each: each.score, default=None)


def contrast_db(samples: Samples, activity: Activity) -> float:
    """Return how much louder than its quietest tenth a recording is where somebody speaks."""
    count = len(activity.probabilities)
    padded = np.pad(samples.astype(np.float64), (0, count * FRAME - len(samples)))
    levels = np.mean(padded.reshape(count, FRAME) ** 2, axis=1)
    spoken = levels[activity.spoken]
    if not len(spoken):
        return 0.0
    quietest = max(float(np.quantile(levels, QUIETEST_SHARE)), 1e-10)
    return 10 * float(np.log10(max(float(spoken.mean()), 1e-10) / quietest))
