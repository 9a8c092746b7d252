"""The cloud's application: settings and a model's loader become a FastAPI app, and that a server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI

from cloud_server.api.errors import install_error_handlers
from cloud_server.api.guard import Guard
from cloud_server.api.health import health_router
from cloud_server.api.intents import intents_router
from cloud_server.api.keys import Keys
from cloud_server.engine import Engine, EngineLimits, ServedBase
from cloud_server.loading import load_profile
from cloud_server.settings import CloudSettings
from shared import __version__

GRACEFUL_STOP_S = 5
"""How long answers that are under way may go on after the signal to stop."""

logger = logging.getLogger(__name__)


def create_app(
    settings: CloudSettings,
    load: Callable[[], ServedBase] | None = None,
    on_load_failure: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Return the app; it loads its model in the background once its lifespan has begun.

    `load` replaces the profile's loader. `on_load_failure` is called on the event loop where the
    model cannot be loaded; `app.state.engine.loaded` then says why.
    """
    engine = Engine(
        load or partial(load_profile, settings),
        EngineLimits(max_active=settings.max_active, queue_size=settings.queue_size),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        engine.start()
        watcher = asyncio.create_task(_watch_loading(engine, on_load_failure))
        yield
        watcher.cancel()
        await asyncio.to_thread(engine.close)

    app = FastAPI(
        title="Shadowdog cloud",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.engine = engine
    app.add_middleware(
        Guard, keys=Keys.from_settings(settings), max_body_bytes=settings.max_body_bytes
    )
    app.include_router(health_router(engine))
    app.include_router(intents_router(engine, settings.max_deadline_s))
    install_error_handlers(app)
    return app


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
            server_header=False,
            timeout_graceful_shutdown=GRACEFUL_STOP_S,
        )
    )
    server.run()
    loaded = app.state.engine.loaded
    if loaded.done():
        loaded.result()


async def _watch_loading(engine: Engine, on_failure: Callable[[], None]) -> None:
    loading = asyncio.wrap_future(engine.loaded)
    await asyncio.wait([loading])
    failure = loading.exception()
    if failure is None:
        logger.info("ready: %s", engine.served.name)
    else:
        logger.error("the model could not be loaded: %s", failure)
        on_failure()
