"""Asking the cloud for a deferred utterance: breaker, deadline, and a stop that ends the waiting."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge_agent.recent import RecentCommands
from edge_agent.robot.interface import RobotState
from edge_agent.routing import CircuitBreaker
from edge_agent.utterance import Utterance
from shared.errors import CloudError, CloudTimeout
from shared.messages import EdgeDecision, IntentReply, IntentRequest, RecentCommand, RobotSummary
from shared.tags import REMOTE
from shared.text import clean_utterance

SAYING_MARGIN_S = 0.5
"""Kept back of the deadline, so that the dog says in time that no answer came."""


class Cloud(Protocol):
    """What is needed of `edge_agent.cloud_client.CloudClient`."""

    async def ask(
        self,
        request: IntentRequest,
        deadline_s: float,
        on_token: Callable[[str], None] = ...,
    ) -> IntentReply: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class NoAnswer:
    """Why no usable answer came; `error` is None where the breaker kept the cloud from being asked."""

    error: CloudError | None

    @property
    def code(self) -> str:
        return self.error.code if self.error else "cloud_skipped"


class CloudWay:
    """The way to the cloud as the agent uses it; failures are values."""

    def __init__(
        self,
        cloud: Cloud,
        breaker: CircuitBreaker,
        *,
        robot_id: str = "go2",
        model: str | None = None,
    ) -> None:
        self._cloud = cloud
        self._breaker = breaker
        self._robot_id = robot_id
        self._model = model
        self._recent = RecentCommands()

    @property
    def state(self) -> str:
        """The breaker's state: "closed" where the cloud is asked as usual."""
        return self._breaker.state

    async def close(self) -> None:
        await self._cloud.close()

    def note_done(self, utterance: Utterance) -> None:
        """Keep a command that the dog carried out on its own, for the session's next question."""
        command = RecentCommand(text=clean_utterance(utterance.text), tag=str(utterance.tag))
        self._recent.note(utterance.session_id, command)

    async def ask(
        self, utterance: Utterance, state: RobotState, fingerprint: str
    ) -> IntentReply | NoAnswer | None:
        """Return the cloud's answer, why there is none, or None where a stop ended the waiting."""
        if utterance.stopped.is_set():
            return None
        if not self._breaker.allows():
            return NoAnswer(None)
        request = self._request(utterance, state, fingerprint)
        asking = asyncio.ensure_future(self._ask(request, utterance))
        stop = asyncio.ensure_future(utterance.stopped.wait())
        try:
            await asyncio.wait({asking, stop}, return_when=asyncio.FIRST_COMPLETED)
            return None if stop.done() else await asking
        finally:
            asking.cancel()
            stop.cancel()
            utterance.mark("cloud")

    async def _ask(self, request: IntentRequest, utterance: Utterance) -> IntentReply | NoAnswer:
        left_s = utterance.remaining_s()
        if left_s <= 0:  # the edge's own delay says nothing of the cloud
            return NoAnswer(CloudTimeout("the deadline passed before the cloud was asked"))
        allowed_s = left_s - min(SAYING_MARGIN_S, left_s / 10)
        try:
            reply = await self._cloud.ask(
                request, allowed_s, lambda _: utterance.mark_once("cloud_first_token")
            )
            _check_in_time(reply)
        except CloudError as error:
            self._breaker.judge(error)
            return NoAnswer(error)
        self._breaker.succeeded()
        self._recent.forget(utterance.session_id, request.recent)
        return reply

    def _request(self, utterance: Utterance, state: RobotState, fingerprint: str) -> IntentRequest:
        return IntentRequest(
            request_id=utterance.request_id,
            robot_id=self._robot_id,
            session_id=utterance.session_id,
            text=utterance.text.strip(),
            lang=utterance.lang,
            edge=EdgeDecision(
                tag=utterance.tag or REMOTE,
                probability=utterance.probability or 0.0,
                posterior=utterance.posterior,
                fingerprint=fingerprint,
                confidence=utterance.seconded,
            ),
            robot=RobotSummary(posture=state.posture, battery=state.battery_percent),
            recent=self._recent.of(utterance.session_id),
            model=self._model,
        )


def _check_in_time(reply: IntentReply) -> None:
    """Raise CloudTimeout where the deadline cut the reply off before it named a skill.

    Its words end in the middle, or say that there are none. A skill leads its answer, so that a cut
    takes nothing from it.
    """
    if reply.finish_reason == "deadline" and not reply.skills:
        raise CloudTimeout("the cloud ran out of time before it had an answer")
