"""The cloud's application: settings and a model's loader become a FastAPI app, and that a server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from cloud_server.api.chat import chat_router
from cloud_server.api.completions import completions_router
from cloud_server.api.edge_bundles import edge_bundles_router
from cloud_server.api.errors import install_error_handlers
from cloud_server.api.guard import Guard
from cloud_server.api.health import health_router
from cloud_server.api.intents import intents_router
from cloud_server.api.keys import Keys
from cloud_server.api.metrics import CloudMetrics, metrics_router
from cloud_server.api.models import models_router
from cloud_server.api.quotas import KeyLimits, Quotas
from cloud_server.api.record import RequestRecord
from cloud_server.api.service import Service
from cloud_server.api.sessions import SessionLimits, Sessions
from cloud_server.api.shadows import shadows_router
from cloud_server.api.tracing import Tracing
from cloud_server.engine import AnswerEngine, Engine, EngineLimits, ServedBase
from cloud_server.loading import load_profile, load_vocabulary
from cloud_server.profiles import prompt_turns
from cloud_server.settings import CloudSettings
from cloud_server.upstream.client import UpstreamClient
from cloud_server.upstream.engine import UpstreamEngine
from shared import __version__
from shared.listening import listen, printed_host

DESCRIPTION = """The large base with shadows attached, for robot dogs and for OpenAI's clients.

Every refusal has a stable `code`; every answer carries its id in `X-Request-Id`."""
GRACEFUL_STOP_S = 5
"""How long answers that are under way may go on after the signal to stop."""

logger = logging.getLogger(__name__)


def create_app(
    settings: CloudSettings,
    load: Callable[[], ServedBase] | None = None,
    on_load_failure: Callable[[], None] = lambda: None,
    tracing: Tracing | None = None,
) -> FastAPI:
    """Return the app; it loads its model in the background once its lifespan has begun.

    `load` replaces the profile's loader, `tracing` that of the settings. `on_load_failure` is called
    on the event loop where the model cannot be loaded; `app.state.engine.loaded` then says why.
    """
    metrics = CloudMetrics()
    tracing = tracing or Tracing.to_collector(settings.trace_endpoint)
    engine = _make_engine(settings, load, metrics)
    sessions = Sessions(
        SessionLimits(
            turns=settings.session_turns,
            tokens=settings.session_tokens,
            sessions=settings.max_sessions,
            idle_s=settings.session_idle_s,
        )
    )
    metrics.watch_sessions(sessions.count)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine.start()
        watcher = asyncio.create_task(_watch_loading(engine, on_load_failure))
        yield
        watcher.cancel()
        await engine.shut_down()
        await asyncio.to_thread(tracing.close)

    app = FastAPI(
        title="Shadowdog cloud",
        description=DESCRIPTION,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.engine = engine
    turns = prompt_turns(settings.profile)
    if settings.prompt_turns is not None:
        turns = settings.prompt_turns
    paths = _add_routes(app, Service(engine, sessions, metrics, tracing, turns), settings)
    _add_protection(app, settings)
    # The last one added is the outermost: what the guard refuses is recorded, too.
    app.add_middleware(RequestRecord, metrics=metrics, tracing=tracing, paths=paths)
    install_error_handlers(app)
    return app


def _make_engine(
    settings: CloudSettings, load: Callable[[], ServedBase] | None, metrics: CloudMetrics
) -> AnswerEngine:
    """Return the engine of this process, or one whose model runs at the settings' upstream."""
    limits = EngineLimits(
        max_active=settings.max_active,
        queue_size=settings.queue_size,
        cache_tokens=settings.cache_tokens,
        prefill_tokens=settings.prefill_tokens,
        kept_s=settings.session_idle_s,
    )
    if settings.upstream_url is None:
        return Engine(load or partial(load_profile, settings), limits, observer=metrics)
    return UpstreamEngine(
        partial(load_vocabulary, settings),
        UpstreamClient(
            settings.upstream_url, settings.upstream_key, silence_s=settings.upstream_silence_s
        ),
        limits,
        attempts=settings.upstream_attempts,
        observer=metrics,
    )


def _add_routes(app: FastAPI, service: Service, settings: CloudSettings) -> frozenset[str]:
    """Add all routes and return their paths."""
    open_routes = health_router(service.engine)
    app.include_router(open_routes)
    guarded = [
        intents_router(service, settings.max_deadline_s),
        chat_router(service, settings.max_deadline_s, settings.max_completion_tokens),
        models_router(service),
        shadows_router(service, settings.shadows_directory),
        edge_bundles_router(settings.bundles),
        metrics_router(service.metrics),
    ]
    if settings.completions:
        guarded.append(completions_router(service, settings.max_deadline_s))
    for router in guarded:
        # For the OpenAPI document; the guard has let the request in.
        app.include_router(router, dependencies=[Depends(HTTPBearer(auto_error=False))])
    routes = [route for router in (open_routes, *guarded) for route in router.routes]
    return frozenset(route.path for route in routes if isinstance(route, APIRoute))


def _add_protection(app: FastAPI, settings: CloudSettings) -> None:
    limits = KeyLimits(
        requests_per_minute=settings.requests_per_minute,
        burst=settings.request_burst,
        concurrent=settings.max_concurrent_per_key,
    )
    app.add_middleware(
        Guard,
        keys=Keys.from_settings(settings),
        quotas=Quotas(limits),
        max_body_bytes=settings.max_body_bytes,
    )


def serve(settings: CloudSettings) -> None:
    """Serve until a signal; ConfigurationError for a bind that needs a key, ModelError for no model."""
    Keys.from_settings(settings).check_bind(settings.host)

    def stop() -> None:
        server.should_exit = True

    app = create_app(settings, on_load_failure=stop)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,  # RequestRecord writes one line, without what callers spelt
            server_header=False,
            timeout_graceful_shutdown=GRACEFUL_STOP_S,
        )
    )
    with listen(settings.host, settings.port, "set CLOUD_PORT") as listener:
        host = printed_host(settings.host)
        logger.info("running on http://%s:%d", host, listener.getsockname()[1])
        server.run(sockets=[listener])
    loaded = app.state.engine.loaded
    if loaded.done():
        loaded.result()


async def _watch_loading(engine: AnswerEngine, on_failure: Callable[[], None]) -> None:
    loading = asyncio.wrap_future(engine.loaded)
    await asyncio.wait([loading])
    failure = loading.exception()
    if failure is None:
        logger.info("ready: %s", engine.served.name)
    else:
        logger.error("the model could not be loaded: %s", failure)
        on_failure()
