"""What the agent says of itself: the state of `GET /v1/state`, and each change of it on the event stream."""

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import Any

from edge_agent.acting import Actor
from edge_agent.audio.delivery import Delivery
from edge_agent.consulting import CloudWay
from edge_agent.events import Event, EventHub, plain, state_event
from edge_agent.gate import Gate
from edge_agent.records import Records
from edge_agent.speech.hearing import Hearing
from edge_agent.speech.second_hearing import SecondHearing
from edge_agent.under_way import UnderWay
from shared.bundle import BundleManifest

PERIOD_S = 0.25
"""How often a change of the dog's state is looked for, for the event stream."""


@dataclass
class Status:
    """Reads the agent's parts; lives on its event loop. `busy_with` counts the utterances in thought."""

    robot_id: str
    simulation: bool
    manifest: BundleManifest
    events: EventHub
    actor: Actor
    gate: Gate
    delivery: Delivery
    hearing: Hearing
    second_hearing: SecondHearing
    cloud: CloudWay
    records: Records
    under_way: UnderWay
    busy_with: int = 0
    _told: str = ""

    def describe(self) -> dict[str, Any]:
        """Return the state that `GET /v1/state` shows."""
        active = self.actor.active
        state: dict[str, Any] = plain(
            {
                "robot_id": self.robot_id,
                "simulation": self.simulation,
                "robot": dataclasses.asdict(self.actor.robot.state()),
                "action": active.describe() if active else None,
                "confirmation": self._open_question(),
                "under_way": self.under_way.describe(),
                "utterances": self.busy_with,
                "voice": self.delivery.describe(),
                "ears": self.hearing.describe(),
                "second_ears": self.second_hearing.describe(),
                "cloud": self.cloud.state,
                "unanswered": self.records.waiting,
                "bundle": {"name": self.manifest.name, "fingerprint": self.manifest.fingerprint},
            }
        )
        return state

    def _open_question(self) -> dict[str, Any] | None:
        question = self.gate.confirmations.question()
        if question is None:
            return None
        return {
            "request_id": question.request_id,
            "skill": question.skill.name,
            "window_s": self.gate.policy.confirmation_window_s,
            "left_s": self.gate.confirmations.left_s(question),
        }

    def event(self) -> Event:
        """Return the state as an event, for a listener that has just come."""
        return state_event(self.describe())

    def publish(self) -> None:
        """Tell the state to the event stream if it has changed, the mere passing of time aside."""
        if self.events.listeners:
            self._told = self.events.publish_state(self.describe(), self._told)

    async def watch(self) -> None:
        """Publish what changes by itself, such as the dog's posture, until cancelled."""
        while True:
            self.publish()
            await asyncio.sleep(PERIOD_S)
