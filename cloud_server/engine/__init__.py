"""The engine: one owner thread that decodes many requests on one base and its shadows."""

from cloud_server.engine.answer import Ending, SpokenAnswer
from cloud_server.engine.engine import Engine
from cloud_server.engine.interface import AnswerEngine
from cloud_server.engine.limits import EngineLimits
from cloud_server.engine.loop_stop import end_loops
from cloud_server.engine.observer import DropReason, EngineObserver, NoObserver
from cloud_server.engine.request import (
    Done,
    Event,
    FinishReason,
    GenerationRequest,
    Sampling,
    Token,
)
from cloud_server.engine.served_base import BatchDecoder, Served, ServedBase, ServedName
from cloud_server.engine.stream import EventStream

__all__ = [
    "AnswerEngine",
    "BatchDecoder",
    "Done",
    "DropReason",
    "Ending",
    "Engine",
    "EngineLimits",
    "EngineObserver",
    "Event",
    "EventStream",
    "FinishReason",
    "GenerationRequest",
    "NoObserver",
    "Sampling",
    "Served",
    "ServedBase",
    "ServedName",
    "SpokenAnswer",
    "Token",
    "end_loops",
]
