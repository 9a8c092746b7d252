"""The line that the log keeps of a request's end: ids and figures, never what was said."""

import logging

from cloud_server.engine.generation import Generation
from cloud_server.engine.observer import DropReason
from cloud_server.engine.request import Done

logger = logging.getLogger(__name__)


def log_finished(generation: Generation, done: Done) -> None:
    """Log an answer's end with its figures."""
    figures = {
        "request_id": generation.request.request_id,
        "model": generation.model,
        "reason": done.finish_reason,
        "prompt_tokens": done.prompt_tokens,
        "cached_tokens": done.cached_tokens,
        "completion_tokens": done.completion_tokens,
        "queue_ms": round(done.queue_ms, 1),
        "answer_ms": round(done.total_ms, 1),
    }
    logger.info(
        "request %(request_id)s %(reason)s: %(prompt_tokens)d (%(cached_tokens)d kept) + "
        "%(completion_tokens)d tokens, queue %(queue_ms).0f ms, total %(answer_ms).0f ms",
        figures,
        extra={"figures": figures},
    )


def log_dropped(generation: Generation, reason: DropReason) -> None:
    """Log that a request was given up."""
    figures = {"request_id": generation.request.request_id, "reason": reason}
    logger.info("request %(request_id)s %(reason)s", figures, extra={"figures": figures})
