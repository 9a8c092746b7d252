"""The catalogue of skills as a person or a program reads it, with each skill's movement."""

import dataclasses
from typing import Any

from edge_agent.gate import GatePolicy
from edge_agent.robot.choreography import (
    CHOREOGRAPHIES,
    RESEND_HZ,
    Call,
    Choreography,
    Drive,
    Hold,
    Start,
    Step,
    TurnBy,
)
from shared.skills import SKILLS, Skill, Tier
from shared.tags import print_tag

POSTURE_NEEDED: dict[Start, str] = {
    "any": "any",
    "standing": "standing in balance; sitting, lying or damped is prepared",
    "risen": "not sitting; sitting is prepared",
    "firm": "standing or lying; sitting or damped is prepared",
    "upright": "standing or sitting; lying or damped is prepared",
    "lying": "lying or damped; standing or sitting is prepared",
}


def describe_skills() -> list[dict[str, Any]]:
    """Return every skill with its choreography, in the catalogue's order; JSON-ready.

    Steps carry their units in their names. `preconditions` are what the gate asks by default.
    """
    return [_describe(skill, CHOREOGRAPHIES[skill.name], GatePolicy()) for skill in SKILLS]


def _describe(skill: Skill, choreography: Choreography, policy: GatePolicy) -> dict[str, Any]:
    return {
        "name": skill.name,
        "tier": int(skill.tier),
        "steps": [describe_step(step) for step in choreography.steps],
        "preconditions": _preconditions(skill, choreography, policy),
        "end_state": choreography.end or "still",
        "duration_s": choreography.duration_s,
        "tag": print_tag(skill.name),
        "english": skill.english,
        "chinese": skill.chinese,
        "say": {"en": skill.say_english, "zh": skill.say_chinese},
    }


def _preconditions(skill: Skill, choreography: Choreography, policy: GatePolicy) -> dict[str, Any]:
    """Return what must hold before the skill begins; a value is None where nothing is asked."""
    dangerous, checked = skill.tier is Tier.DANGEROUS, skill.tier is not Tier.SAFE
    least = policy.battery_min_dangerous_percent if dangerous else policy.battery_min_percent
    return {
        "posture": POSTURE_NEEDED[choreography.start],
        "may_be_fallen": choreography.from_fall,
        "space_m": choreography.space_m,
        "battery_min_percent": least if checked else None,
        "motor_max_temperature_c": policy.motor_max_temperature_c if checked else None,
        "confirmed_by_a_person": dangerous,
    }


def describe_step(step: Step) -> dict[str, Any]:
    """Return one step: `kind` is call, hold (Euler), drive (Move), turn (Move) or wait."""
    if isinstance(step, Call):
        return _describe_call(step)
    values = dataclasses.asdict(step)
    if isinstance(step, Hold):
        return {"kind": "hold", "call": "Euler", "api_id": 1007, **values, "resend_hz": RESEND_HZ}
    if isinstance(step, Drive):
        return {"kind": "drive", "call": "Move", "api_id": 1008, **values, "resend_hz": RESEND_HZ}
    if isinstance(step, TurnBy):
        return {"kind": "turn", "call": "Move", "api_id": 1008, **values, "resend_hz": RESEND_HZ}
    return {"kind": "wait", **values}


def _describe_call(step: Call) -> dict[str, Any]:
    described: dict[str, Any] = {
        "kind": "call",
        "call": step.name,
        "api_id": step.api_id,
        "until": step.until,
        "timeout_s": step.timeout_s,
    }
    if step.flag is not None:
        described["flag"] = step.flag
    if step.if_unsupported is not None:
        described["if_unsupported"] = [describe_step(each) for each in step.if_unsupported]
    return described


def render_skill(entry: dict[str, Any]) -> str:
    """Return one entry as lines for a person."""
    needs = entry["preconditions"]
    return (
        f"{entry['tag']:22} tier {entry['tier']}  {entry['english']} / {entry['chinese']}\n"
        f"{'':22} {_render_steps(entry['steps'])}\n"
        f"{'':22} from {needs['posture'].split(';')[0]}, {needs['space_m']:.0f} m of space; "
        f"ends {entry['end_state']}, about {entry['duration_s']:.1f} s"
    )


def _render_steps(steps: list[dict[str, Any]]) -> str:
    """Return the calls in order, those in a row of the same name once."""
    words: list[str] = []
    for step in steps:
        word = f"{step['call']} ({step['api_id']})" if "call" in step else ""
        if word and words[-1:] != [word]:
            words.append(word)
    return ", ".join(words)
