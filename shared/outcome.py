"""The outcome: one JSON object for what came of an utterance."""

from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.text import Language

Source = Literal["text", "audio", "microphone"]
Route = Literal["reflex", "edge", "cloud", "offline", "none"]
ExecutionState = Literal[
    "none",
    "refused",
    "needs_confirmation",
    "sent",
    "accepted",
    "moving",
    "confirmed",
    "failed",
    "preempted",
    "expired",
]


class Call(BaseModel):
    """One call to the robot as it was sent; `code` 0 is an acknowledgement, never proof of motion.

    `code` is None where the protocol has no reply (Move). `at_ms` counts from the utterance.
    """

    model_config = ConfigDict(frozen=True)

    api_id: int
    name: str
    parameter: dict[str, Any]
    code: int | None
    at_ms: float


class Execution(BaseModel):
    """What the gate and the driver made of the decision."""

    model_config = ConfigDict(frozen=True)

    state: ExecutionState = "none"
    reason: str | None = None
    skill: str | None = None
    calls: list[Call] = Field(default_factory=list)


class Timings(BaseModel):
    """Milliseconds from the arrival of the utterance; None where a stage did not happen."""

    model_config = ConfigDict(frozen=True)

    asr: float | None = None
    intent: float | None = None
    gate: float | None = None
    acknowledged: float | None = None
    confirmed: float | None = None
    cloud_first_token: float | None = None
    cloud: float | None = None
    total: float | None = None


class Outcome(BaseModel):
    """What came of one utterance; CONTRACT.md gives the form."""

    model_config = ConfigDict(frozen=True)

    request_id: str
    time: str
    source: Source
    text: str
    lang: Language
    heard_probability: float | None = None
    route: Route
    tag: str | None
    probability: float | None = None
    """The shadow's own, of the tag in question: of `tag`, or of the one that a threshold kept back. The posterior's
    first, unless the second reader tipped the scales (docs/decisions/0015)."""
    posterior: list[tuple[str, float]] = Field(default_factory=list)
    say: str = ""
    execution: Execution = Execution()
    timings_ms: Timings = Timings()


def now_rfc3339() -> str:
    """Return the present time as RFC 3339 with milliseconds, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
