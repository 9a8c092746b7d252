"""The engine: one owner thread that decodes many requests on one model."""

from cloud_server.engine.answer import Ending, SpokenAnswer
from cloud_server.engine.engine import Engine, EngineLimits
from cloud_server.engine.request import Done, Event, FinishReason, GenerationRequest, Token
from cloud_server.engine.served_model import CausalModel, ServedModel
from cloud_server.engine.stream import EventStream

__all__ = [
    "CausalModel",
    "Done",
    "Ending",
    "Engine",
    "EngineLimits",
    "Event",
    "EventStream",
    "FinishReason",
    "GenerationRequest",
    "ServedModel",
    "SpokenAnswer",
    "Token",
]
