"""Running one program of the system for a sound, and ending it at once when it is not wanted."""

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from dataclasses import dataclass

MAX_COMPLAINT_CHARACTERS = 200


@dataclass(frozen=True)
class Finished:
    """How a program ended: its status, what it wrote, and its last word of complaint."""

    status: int
    output: bytes
    complaint: str


async def run_program(
    arguments: Sequence[str], given: bytes = b"", timeout_s: float = 30.0
) -> Finished | None:
    """Run a program to its end; None where it cannot be started or takes too long.

    A cancelled call kills the program before it returns.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdin=PIPE if given else DEVNULL, stdout=PIPE, stderr=PIPE
        )
    except OSError:
        return None
    try:
        output, errors = await asyncio.wait_for(process.communicate(given or None), timeout_s)
    except asyncio.TimeoutError:
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    complaint = lines[-1][:MAX_COMPLAINT_CHARACTERS] if lines else ""
    return Finished(process.returncode or 0, output, complaint)
