"""The agent's HTTP side: utterances, the stop that waits for nobody, confirmations, state, events."""

from collections.abc import AsyncIterator
from typing import Any, Literal
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from edge_agent import recordings
from edge_agent.agent import Agent
from edge_agent.console.files import OPEN_FOLDER, add_console
from edge_agent.events import Event, Subscription, encode_event
from edge_agent.guard import Guard
from edge_agent.metrics import CONTENT_TYPE
from edge_agent.outbox import describe
from edge_agent.refusals import JSON_TYPE, install_refusals, media_type
from edge_agent.settings import EdgeSettings
from edge_agent.speech.recording import MAX_RECORDING_BYTES
from shared import __version__
from shared.messages import ConfirmationRequest, StopRequest, UtteranceRequest
from shared.outcome import Outcome

HEARTBEAT_S = 2.0
"""How often the event stream says that it is there: the console tells a lost connection by it."""


def create_app(agent: Agent, settings: EdgeSettings) -> FastAPI:
    """Return the agent's app; whoever serves it starts and closes the agent."""
    app = FastAPI(
        title="Shadowdog edge",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.add_middleware(
        Guard,
        settings=settings,
        open_folder=OPEN_FOLDER,
        larger_bodies=dict.fromkeys((recordings.PATH, recordings.EARLY_PATH), MAX_RECORDING_BYTES),
    )
    install_refusals(app)
    _add_commands(app, agent)
    recordings.add_recordings(app, agent)
    _add_outbox(app, agent)
    _add_views(app, agent)
    add_console(app)
    return app


def _add_commands(app: FastAPI, agent: Agent) -> None:
    @app.post("/v1/utterances")
    async def handle_utterance(body: UtteranceRequest) -> Outcome:
        return await agent.handle(body.text, body.lang, "text", body.session_id, body.request_id)

    @app.post("/v1/stop")
    async def stop(request: Request) -> dict[str, Any]:
        """Stop all motion; `level` of the answer says whether it was a StopMove or the Damp asked for."""
        level = await _read_level(request)
        calls = await agent.stop(level)
        return {
            "request_id": str(uuid4()),
            "level": level,
            "calls": [call.model_dump() for call in calls],
        }

    @app.post("/v1/confirmations/{request_id}")
    async def confirm(request_id: str, body: ConfirmationRequest) -> Outcome:
        return await agent.confirm(request_id, body.accept)


async def _read_level(request: Request) -> Literal["stop", "damp"]:
    """Return "damp" where the body clearly asks for it in JSON; all else, wrong or cut off too, is a stop.

    A stop harms nobody, so it waits for no body that has to be understood first. Damp lets the dog fall,
    and JSON is what another site's form cannot send.
    """
    if media_type(request) != JSON_TYPE:
        return "stop"
    try:
        return StopRequest.model_validate_json(await request.body()).level
    except (ValidationError, ClientDisconnect):
        return "stop"


def _add_outbox(app: FastAPI, agent: Agent) -> None:
    @app.get("/v1/outbox")
    async def show_outbox() -> dict[str, Any]:
        return {"unanswered": [describe(each) for each in await agent.records.unanswered()]}

    @app.delete("/v1/outbox")
    async def clear_outbox() -> dict[str, int]:
        return {"cleared": await agent.records.clear()}

    @app.delete("/v1/outbox/{request_id}")
    async def drop_from_outbox(request_id: str) -> dict[str, int]:
        await agent.records.drop(request_id)
        return {"cleared": 1}

    @app.post("/v1/outbox/{request_id}")
    async def answer_late(request_id: str) -> Outcome:
        return await agent.answer_late(request_id)


def _add_views(app: FastAPI, agent: Agent) -> None:
    @app.get("/healthz")
    async def report_health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/v1/state")
    async def show_state() -> dict[str, Any]:
        return agent.status.describe()

    @app.get("/metrics")
    async def report_metrics() -> Response:
        figures = agent.metrics.render(agent.status.describe(), agent.trouble())
        return Response(figures, media_type=CONTENT_TYPE)

    @app.get("/v1/events")
    async def stream_events() -> StreamingResponse:
        subscription = agent.events.subscribe()
        first = agent.status.event()
        return StreamingResponse(
            stream(subscription, first),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


async def stream(subscription: Subscription, first: Event) -> AsyncIterator[bytes]:
    """Yield the state as it is, then every event, until the listener or the agent leaves."""
    try:
        yield encode_event(first)
        async for event in subscription.events(HEARTBEAT_S):
            yield encode_event(event)
    finally:
        subscription.close()
