"""An outcome as lines for a person: what was decided, done and said, in the speaker's language."""

from typing import NamedTuple

from shared.outcome import ExecutionState, Outcome, Route


class _Words(NamedTuple):
    decided: str
    done: str
    said: str
    nothing: str
    heard: str


_ENGLISH = _Words("decided", "did", "said", "nothing", "heard")
_CHINESE = _Words("判断", "动作", "回答", "没有", "听到")

_ROUTES: dict[Route, tuple[str, str]] = {
    "reflex": ("reflex, no model", "反射，不经模型"),
    "edge": ("on the dog", "机器狗本地"),
    "cloud": ("deferred to the cloud", "交给云端"),
    "offline": ("the cloud is away", "云端不在"),
    "none": ("nothing understood", "没听到什么"),
}
_STATES: dict[ExecutionState, tuple[str, str]] = {
    "none": ("", ""),
    "refused": ("refused", "拒绝"),
    "needs_confirmation": ("waits for a yes", "等待确认"),
    "sent": ("sent, not acknowledged", "已发送，没有应答"),
    "accepted": ("accepted, not confirmed", "已接受，未证实"),
    "moving": ("moving, not confirmed", "在动，未证实"),
    "confirmed": ("confirmed by the robot's state", "机器狗状态已证实"),
    "failed": ("failed", "失败"),
    "preempted": ("stopped before its end", "中途被停止"),
    "expired": ("too late, not done", "过期，未执行"),
}
_UNHEARD: dict[str, str] = {
    "silence": "nothing 没有声音",
    "noise": "no voice in it 没有人声",
    "unsure": "words too unclear to act on 没听清",
    "other_language": "neither English nor Chinese 不是中文或英文",
    "too_long": "too long: say it shorter 太长了，请说短一点",
    "not_addressed": "not meant for the dog 不是对狗说的",
    "awaiting_command": "the wake phrase: go on 我在，请说",
    "own_voice": "the dog's own voice 狗自己的声音",
}
_LABEL_WIDTH = 9
BOLD, DIM, GREEN, RED, RESET = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[0m"
_GOOD = ("confirmed", "none", "needs_confirmation")


def render(outcome: Outcome, colours: bool = False) -> str:
    """Return three lines, one more for what was spoken; with `colours` for a terminal."""
    chinese = outcome.lang == "zh"
    words = _CHINESE if chinese else _ENGLISH
    said = printable(outcome.say) or f"({words.nothing})"
    bad = outcome.execution.state not in _GOOD or outcome.route == "offline"
    did = _done(outcome, chinese) if outcome.execution.state != "none" else f"({words.nothing})"
    rows: tuple[tuple[str, str, str], ...] = (
        (words.decided, _decided(outcome, chinese), ""),
        (words.done, did, RED if bad else GREEN),
        (words.said, said, BOLD),
    )
    if outcome.source != "text":
        rows = ((words.heard, _heard(outcome), BOLD if outcome.text else ""), *rows)
        if outcome.route == "none":
            rows = rows[:1]
    return "\n".join(_row(label, text, colour, colours) for label, text, colour in rows)


def printable(text: str) -> str:
    """Return text that cannot steer a terminal: no control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def _row(label: str, text: str, colour: str, colours: bool) -> str:
    wide = sum(1 for character in label if ord(character) > 0x2E80)  # two columns each
    padded = label + " " * (_LABEL_WIDTH - len(label) - wide)
    if not colours:
        return f"  {padded}{text}"
    return f"  {DIM}{padded}{RESET}{colour}{text}{RESET}"


def _heard(outcome: Outcome) -> str:
    reason = outcome.execution.reason or "silence"
    parts = [printable(outcome.text) or _UNHEARD.get(reason, reason)]
    if outcome.text and outcome.heard_probability is not None:
        parts.append(f"{outcome.heard_probability:.2f}")
    if outcome.timings_ms.asr is not None:
        parts.append(f"{outcome.timings_ms.asr:.0f} ms")
    return " · ".join(parts)


def _decided(outcome: Outcome, chinese: bool) -> str:
    parts = [outcome.tag or "–", _ROUTES[outcome.route][chinese]]
    if outcome.probability is not None:
        parts.insert(1, f"{outcome.probability:.3f}")
    if outcome.route in ("offline", "none") and outcome.execution.reason:
        parts.append(outcome.execution.reason)
    if outcome.timings_ms.intent is not None:
        parts.append(f"{outcome.timings_ms.intent:.1f} ms")
    return " · ".join(parts)


def _done(outcome: Outcome, chinese: bool) -> str:
    execution = outcome.execution
    parts = [part for part in (execution.skill, _STATES[execution.state][chinese]) if part]
    if execution.reason:
        parts.append(execution.reason)
    if execution.calls:
        parts.append(_name_calls([call.name for call in execution.calls]))
    if outcome.timings_ms.total is not None:
        parts.append(f"{outcome.timings_ms.total / 1000:.1f} s")
    return " · ".join(parts)


def _name_calls(names: list[str]) -> str:
    """Return the calls in order, those in a row of the same name counted."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    shown = [name if count == 1 else f"{name} ×{count}" for name, count in runs[:8]]
    return ", ".join(shown) + (", …" if len(runs) > 8 else "")
