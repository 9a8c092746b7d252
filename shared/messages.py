"""What travels over HTTP: the bodies of CONTRACT.md's edge and cloud calls."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.tags import is_skill_shaped
from shared.text import MAX_UTTERANCE_CHARACTERS, Language

DEADLINE_HEADER = "Shadowdog-Deadline-Ms"
DEFAULT_DEADLINE_MS = 20_000
MAX_BODY_CHARACTERS = 100_000
MAX_RECENT = 4
"""How many of the edge's own commands go with an utterance."""

RequestId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Name = Annotated[str, Field(max_length=128)]


class Request(BaseModel):
    """A body that a caller sends: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reply(BaseModel):
    """A body that a server sends: unknown keys of a newer server are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class UtteranceRequest(Request):
    """`POST /v1/utterances` on the edge."""

    text: Annotated[str, Field(max_length=MAX_BODY_CHARACTERS)]
    lang: Language | None = None
    session_id: Name | None = None
    request_id: RequestId | None = None
    """The caller's own id: sent again with it, the utterance is answered again and not done again."""


class StopRequest(Request):
    """`POST /v1/stop` on the edge."""

    level: Literal["stop", "damp"] = "stop"


class ConfirmationRequest(Request):
    """`POST /v1/confirmations/{request_id}` on the edge."""

    accept: bool


class EdgeDecision(Request):
    """What the edge thought of an utterance that it defers."""

    tag: str
    probability: Annotated[float, Field(ge=0, le=1)]
    posterior: list[tuple[str, float]]
    fingerprint: str
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    """How sure both readers are of the posterior's first tag; that tag's probability where there is one reader."""


class RobotSummary(Request):
    """How the robot is while the utterance is deferred; battery in percent."""

    posture: str
    battery: float | None


class RecentCommand(Request):
    """A command that the edge recognised and carried out without asking the cloud."""

    text: Annotated[str, Field(max_length=MAX_UTTERANCE_CHARACTERS)]
    tag: str

    @field_validator("tag")
    @classmethod
    def _is_a_skill(cls, tag: str) -> str:
        if not is_skill_shaped(tag):  # the cloud need not know a skill that the edge was taught
            raise ValueError("is no skill's tag")
        return tag


class IntentRequest(Request):
    """`POST /v1/intents` on the cloud.

    `recent` is what the dog did on its own since the session's last answer, oldest first.
    """

    request_id: RequestId
    robot_id: Name
    session_id: Name
    text: Annotated[str, Field(min_length=1, max_length=MAX_BODY_CHARACTERS)]
    lang: Language
    edge: EdgeDecision | None = None
    robot: RobotSummary | None = None
    recent: Annotated[list[RecentCommand], Field(max_length=MAX_RECENT)] = []
    model: Name | None = None
    max_tokens: Annotated[int, Field(ge=1, le=512)] = 128


class Usage(Reply):
    prompt_tokens: int
    completion_tokens: int


class IntentTimings(Reply):
    queue: float
    first_token: float | None
    total: float


class IntentReply(Reply):
    """The cloud's answer; `skills` is the only field that may move a dog."""

    request_id: str
    model: str
    say: str
    skills: list[str]
    finish_reason: Literal["stop", "length", "deadline"]
    usage: Usage
    timings_ms: IntentTimings


class TokenEvent(Reply):
    """A streamed piece of the answer's spoken text."""

    text: str


class ErrorBody(Reply):
    """The body of every refusal."""

    code: str
    message: str
    request_id: str
