"""The catalogue of skills as a person or a program reads it, with each skill's movement."""

from typing import Any

from edge_agent.robot.choreography import CHOREOGRAPHIES, Call, Drive, Hold, Step, TurnBy
from shared.skills import SKILLS
from shared.tags import print_tag


def describe_skills() -> list[dict[str, Any]]:
    """Return every skill with its tier, names, spoken lines and movement, in the catalogue's order."""
    entries = []
    for skill in SKILLS:
        choreography = CHOREOGRAPHIES[skill.name]
        entries.append(
            {
                "name": skill.name,
                "tag": print_tag(skill.name),
                "tier": int(skill.tier),
                "english": skill.english,
                "chinese": skill.chinese,
                "say": {"en": skill.say_english, "zh": skill.say_chinese},
                "start": choreography.start,
                "end": choreography.end,
                "duration_s": choreography.duration_s,
                "space_m": choreography.space_m,
                "movement": _describe_steps(choreography.steps),
            }
        )
    return entries


def _describe_steps(steps: tuple[Step, ...]) -> str:
    """Return the kinds of steps in order, those in a row of the same kind once."""
    words: list[str] = []
    for step in steps:
        word = _describe(step)
        if word and words[-1:] != [word]:
            words.append(word)
    return ", ".join(words)


def _describe(step: Step) -> str:
    if isinstance(step, Call):
        return f"{step.name} ({step.api_id})"
    if isinstance(step, Hold):
        return "Euler (1007)"
    if isinstance(step, (Drive, TurnBy)):
        return "Move (1008)"
    return ""
