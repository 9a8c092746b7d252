"""One trace from the utterance on the dog to the tokens in the cloud, over real HTTP."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from queue import Queue
from typing import Any

import pytest
import uvicorn

from cloud_server.api.tracing import Tracing as CloudTracing
from cloud_server.app import create_app
from cloud_server.loading import make_tiny
from cloud_server.settings import CloudSettings
from edge_agent.cloud_client import CloudClient
from edge_agent.tracing import Tracing as EdgeTracing
from shared.messages import IntentRequest

GUARD_S = 60
SECRET = "the words of an utterance"
QUESTION = IntentRequest(
    request_id="q-7", robot_id="d", session_id="s", text=SECRET, lang="en", max_tokens=4
)


@pytest.fixture
def collector() -> Iterator[tuple[str, "Queue[bytes]"]]:
    """An OTLP/HTTP collector: its address, and the bodies that came."""
    bodies: Queue[bytes] = Queue()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            bodies.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def ask_once(cloud_tracing: CloudTracing, edge_tracing: EdgeTracing) -> None:
    """Serve a tiny model, ask it within an utterance's span, and end both."""
    app = create_app(CloudSettings.from_environment(), make_tiny, tracing=cloud_tracing)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()

    async def go() -> None:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with CloudClient(url, tracing=edge_tracing) as cloud:
            with edge_tracing.span("utterance") as span:
                span.note("request_id", QUESTION.request_id)
                await cloud.ask(QUESTION, GUARD_S)

    try:
        app.state.engine.loaded.exception(GUARD_S)
        asyncio.run(go())
    finally:
        server.should_exit = True
        thread.join(GUARD_S)
        edge_tracing.close()


def test_the_clouds_spans_hang_on_the_edges() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    ask_once(
        CloudTracing.through(SimpleSpanProcessor(kept)),
        EdgeTracing.through(SimpleSpanProcessor(kept)),
    )
    spans = {span.name: span for span in kept.get_finished_spans()}
    way = ["utterance", "ask the cloud", "POST /v1/intents", "generate"]
    assert set(spans) == set(way)
    for outer, inner in pairwise(way):
        assert spans[inner].parent.span_id == spans[outer].context.span_id
    assert len({span.context.trace_id for span in spans.values()}) == 1
    assert spans["POST /v1/intents"].attributes["shadowdog.request_id"] == "q-7"
    assert spans["POST /v1/intents"].attributes["shadowdog.status"] == 200
    assert spans["generate"].attributes["shadowdog.completion_tokens"] <= 4
    services = {span.resource.attributes["service.name"] for span in spans.values()}
    assert services == {"shadowdog-edge", "shadowdog-cloud"}
    assert SECRET not in "".join(span.to_json() for span in spans.values())


def test_both_send_to_a_collector_where_one_is_set(collector: Any) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    address, bodies = collector
    ask_once(CloudTracing.to_collector(address), EdgeTracing.to_collector(address))
    traces = set()
    names = set()
    while not bodies.empty():
        body = bodies.get()
        assert SECRET.encode() not in body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                names |= {span.name for span in scope.spans}
                traces |= {span.trace_id for span in scope.spans}
    assert names == {"utterance", "ask the cloud", "POST /v1/intents", "generate"}
    assert len(traces) == 1


@pytest.mark.parametrize("module", ["edge_agent.tracing", "cloud_server.api.tracing"])
def test_without_the_package_there_are_no_traces_and_all_works(module: str) -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        f"from {module} import Tracing\n"
        "tracing = Tracing.to_collector('http://127.0.0.1:9')\n"
        "assert type(tracing._provider) is type(None)\n"
        "tracing.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "shadowdog[telemetry]" in done.stderr
