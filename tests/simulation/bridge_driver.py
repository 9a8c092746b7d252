"""Run in the agent's network namespace: the driver makes a mock beyond a bridge sit, prints what came of it."""

import asyncio
import time

from edge_agent.robot.go2 import Go2Robot
from edge_agent.robot.interface import Action


async def sit() -> str:
    # As a simulation, since cyclonedds 11 is refused for anything else; settings would ask for `lo`.
    robot = Go2Robot(0, "eth0", simulation=True)
    await robot.start()
    try:
        action = Action("Sit", "bridge", time.monotonic() + 60)
        return (await robot.perform(action, lambda progress: None)).model_dump_json()
    finally:
        await robot.close()


print(asyncio.run(sit()))
