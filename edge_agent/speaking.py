"""What the dog says when a skill's own line does not fit: refusals, questions, an absent cloud."""

from typing import NamedTuple

from shared.errors import CloudError, CloudProtocolError, CloudRefused, CloudTimeout
from shared.outcome import Execution
from shared.skills import Skill
from shared.text import Language


class Line(NamedTuple):
    """One spoken line in the two languages."""

    english: str
    chinese: str

    def say(self, language: Language) -> str:
        return self.chinese if language == "zh" else self.english


_BY_NAME = Line(
    "For that trick I need to hear its name from you.", "这个动作要你亲口说出名字，我才做。"
)

REFUSALS: dict[str, Line] = {
    "expired": Line("It is too late for that now.", "已经过了时间，我就不做了。"),
    "dangerous_disabled": Line("That trick is switched off.", "这个动作没有开放。"),
    "cloud_tier_disabled": _BY_NAME,
    "name_not_heard": _BY_NAME,
    "robot_unavailable": Line("I cannot feel my body right now.", "我现在连不上自己的身体。"),
    "state_stale": Line("I cannot feel my body right now.", "我现在感觉不到自己的身体。"),
    "busy": Line("One thing at a time, please: I am still moving.", "我正在做动作呢，一件一件来。"),
    "posture_unknown": Line(
        "I am not sure how I stand. Tell me to recover first.",
        "我不清楚自己的姿势，先让我恢复站立。",
    ),
    "posture_fallen": Line(
        "I have fallen. Tell me to recover first.", "我摔倒了，先让我恢复站立吧。"
    ),
    "battery_unknown": Line("I cannot read my battery.", "我读不到电量。"),
    "battery_low": Line("My battery is too low for that.", "电量太低，做不了这个。"),
    "motor_temperature_unknown": Line(
        "I cannot read my motors' temperature.", "我读不到电机温度。"
    ),
    "motor_hot": Line("My motors are too hot, let me rest.", "电机太热了，让我歇一歇。"),
    "confirmation_unknown": Line("Nothing waits for a yes.", "现在没有要确认的动作。"),
    "confirmation_expired": Line(
        "That yes came too late. Ask me again.", "确认得太晚了，请再说一次。"
    ),
    "confirmation_declined": Line("All right, I will not.", "好的，那我不做了。"),
    "repeated": Line("I have done that already.", "这个我已经做过了。"),
    "overdue": Line("That took too long, so I stopped.", "时间太长，我停下了。"),
    "skill_unknown": Line("I do not know that trick.", "这个动作我不会。"),
}
"""One line for every reason for which the gate refuses or ends an action."""

CANNOT = Line("I cannot do that now.", "这个我现在做不了。")
FAILED = Line("I tried, but it did not work.", "我试了，但没有成功。")
CONFIRM = Line("{title}: shall I? Then say: yes, {skill}.", "要我{skill}吗？请说：确认{skill}。")
NAME_IT = Line("Please name it: say yes, {skill}.", "请说出动作：确认{skill}。")
CLOUD_AWAY = Line(
    "I cannot reach my cloud brain, but I still know my own tricks.",
    "我连不上云端，不过自己的本领还都会。",
)
CLOUD_SLOW = Line(
    "My cloud brain is too slow right now, please try again later.", "云端太慢了，请过会儿再问我。"
)
CLOUD_REFUSES = Line(
    "My cloud brain will not answer me now.",
    "云端现在不理我，请稍后再试。",
)
CLOUD_WRONG = Line("I did not understand my cloud brain's answer.", "云端的回答我没看懂。")
CLOUD_SILENT = Line("I have no answer to that.", "这个我答不上来。")
STOP_FAILED = Line("The stop did not get through!", "停止指令没有送达！")


def say_absent(error: CloudError | None, language: Language) -> str:
    """Return the honest line for a cloud that gave no usable answer; None: it was not even asked."""
    if isinstance(error, CloudTimeout):
        return CLOUD_SLOW.say(language)
    if isinstance(error, CloudRefused):
        return CLOUD_REFUSES.say(language)
    if isinstance(error, CloudProtocolError):
        return CLOUD_WRONG.say(language)
    return CLOUD_AWAY.say(language)


def say_question(skill: Skill, language: Language) -> str:
    """Return the question that asks a person to confirm a dangerous skill."""
    name = _name(skill, language)
    return CONFIRM.say(language).format(title=name.capitalize(), skill=name)


def say_name_it(skill: Skill, language: Language) -> str:
    """Return what to say to a yes that does not name the dangerous skill."""
    return NAME_IT.say(language).format(skill=_name(skill, language))


def _name(skill: Skill, language: Language) -> str:
    return skill.chinese if language == "zh" else skill.english


def say_trouble(execution: Execution, language: Language) -> str | None:
    """Return what to say in place of a skill's line, None where that line holds.

    A preempted skill keeps its line: it was said while the dog still moved.
    """
    if execution.state == "refused" or execution.state == "expired":
        return REFUSALS.get(execution.reason or execution.state, CANNOT).say(language)
    if execution.state == "failed":
        if execution.skill == "StopMove":
            return STOP_FAILED.say(language)
        known = REFUSALS.get(execution.reason or "")
        return (known or FAILED).say(language)
    return None
