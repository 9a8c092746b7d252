"""The agent's process: its parts put together from the settings, served until a signal."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn

from edge_agent.agent import Agent, AgentOptions
from edge_agent.api import create_app
from edge_agent.audio.choice import choose_voice
from edge_agent.bundles.choice import compare_with_cloud, load_recognizer
from edge_agent.cloud_client import CloudClient
from edge_agent.consulting import CloudWay
from edge_agent.gate import Gate, GatePolicy
from edge_agent.journal import Journal
from edge_agent.line_writer import LineWriter
from edge_agent.mending.choice import choose_mender, try_twice
from edge_agent.outbox import Outbox
from edge_agent.recognizer import Recognizer
from edge_agent.robot.go2 import Go2Robot
from edge_agent.routing import CircuitBreaker
from edge_agent.service_manager import ServiceManager
from edge_agent.settings import EdgeSettings
from edge_agent.speech.choice import choose_attention, choose_hearing, choose_second_hearing
from edge_agent.tls import check_certificate
from edge_agent.tracing import Tracing
from shared.listening import listen

GRACEFUL_STOP_S = 3

logger = logging.getLogger(__name__)


def build_agent(settings: EdgeSettings, recognizer: Recognizer) -> Agent:
    """Return the agent of these settings."""
    policy = GatePolicy(
        allow_dangerous=settings.dangerous_allowed,
        confirm_dangerous=settings.confirm_dangerous,
        cloud_max_tier=settings.cloud_max_tier,
    )
    key = settings.cloud_key.get_secret_value() if settings.cloud_key else None
    tracing = Tracing.to_collector(settings.trace_endpoint)
    mender = choose_mender(settings)
    return Agent(
        robot=Go2Robot(settings.robot_domain, settings.robot_interface, settings.simulation),
        gate=Gate(policy),
        recognizer=try_twice(recognizer, mender, settings),
        cloud=CloudWay(
            CloudClient(
                settings.cloud_url, key, certificates=settings.cloud_certificates, tracing=tracing
            ),
            CircuitBreaker(),
            robot_id=settings.robot_id,
            model=settings.cloud_model,
        ),
        options=AgentOptions(
            robot_id=settings.robot_id,
            deadline_s=settings.deadline_s,
            simulation=settings.simulation,
        ),
        journal=Journal(settings.journal),
        outbox=Outbox(settings.outbox),
        tracing=tracing,
        voice=choose_voice(settings),
        hearing=choose_hearing(settings, mender),
        second_hearing=choose_second_hearing(settings, mender),
        attention=choose_attention(settings),
        writer=LineWriter(recognizer.shadow) if settings.lines == "shadow" else None,
    )


def run(settings: EdgeSettings) -> None:
    """Serve until SIGINT or SIGTERM; errors of the tree say what keeps the agent from starting."""
    if settings.tls_certificate is not None and settings.tls_key is not None:
        check_certificate(settings.tls_certificate, settings.tls_key)
    with listen(settings.host, settings.port, "set EDGE_PORT", 128) as listener:
        recognizer = load_recognizer(settings)
        if settings.bundle_mismatch == "refuse":
            compare_with_cloud(settings, recognizer.manifest)
        agent = build_agent(settings, recognizer)
        asyncio.run(_serve(agent, settings, listener))


def configure_server(agent: Agent, settings: EdgeSettings) -> uvicorn.Config:
    """Return how the agent's app is served: HTTPS where the settings name a certificate."""
    return uvicorn.Config(
        create_app(agent, settings),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_STOP_S,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the dog is stopped before connections are."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(agent: Agent, settings: EdgeSettings, listener: socket.socket) -> None:
    server = _Server(configure_server(agent, settings))
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.set)
    manager = ServiceManager.from_environment()
    starting = asyncio.create_task(agent.start())
    living: asyncio.Task[None] | None = None
    try:
        if not await _done_before(starting, ending):
            starting.cancel()
            await asyncio.wait({starting})
            return
        logger.info("the agent listens on %s", settings.url)
        if settings.bundle_mismatch == "warn":
            comparing = asyncio.to_thread(compare_with_cloud, settings, agent.manifest)
            background = asyncio.create_task(comparing)
            background.add_done_callback(lambda task: task.result())
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        manager.ready(f"listening on {settings.url}")
        living = asyncio.create_task(manager.keep_alive(agent.trouble))
        await _done_before(serving, ending)
        manager.stopping()
        server.should_exit = True
        agent.events.close()
        await agent.stop()  # utterances under way end as preempted, so that nobody is cut off
        await serving
    finally:
        if living is not None:
            living.cancel()
        await agent.close()


async def _done_before(task: "asyncio.Task[None]", ending: asyncio.Event) -> bool:
    """Wait for the task or the end; return whether the task has ended first, raise what it raised."""
    signalled = asyncio.create_task(ending.wait())
    await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if not task.done():
        return False
    task.result()
    return True
