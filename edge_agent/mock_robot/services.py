"""The mock dog's services beside sport: their calls, answers and what they remember.

Names, versions and ids are the SDK's; `audiohub` has no official client, its calls are as users of
the dog describe them. A service answers a call with a code and a value; nothing here knows of DDS.
"""

import base64
import binascii
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge_agent.mock_robot.sport_api import BAD_PARAMETER, MOVE, NOT_IMPLEMENTED, OK

SPORT_SERVICE = "sport_mode"
PROTECTED_STATUS = 5
MAX_UPLOADS = 20
MAX_UPLOAD_CHARACTERS = 8_000_000

Answer = tuple[int, Any]
"""A code and a value for the reply's `data`, None for none."""


class Service(Protocol):
    """One service: its name and version on the wire, its calls' names, and what it answers."""

    name: str
    version: str
    calls: Mapping[int, str]

    def command(self, api_id: int, values: dict[str, Any]) -> Answer:
        """Answer a call of `calls`; KeyError, TypeError or ValueError for a wrong parameter."""


def answer(service: Service, api_id: int, parameter: str) -> tuple[int, str]:
    """Return the code and the `data` string of one request to a service."""
    if api_id not in service.calls:
        return NOT_IMPLEMENTED, ""
    try:
        values = json.loads(parameter or "{}")
        if not isinstance(values, dict):
            return BAD_PARAMETER, ""
        code, value = service.command(api_id, values)
    except (KeyError, TypeError, ValueError):
        return BAD_PARAMETER, ""
    return code, "" if value is None or code != OK else json.dumps(value)


class MotionSwitcher:
    """Which motion mode is on; without one the dog has no sport service."""

    name = "motion_switcher"
    version = "1.0.0.1"
    calls: Mapping[int, str] = {
        1001: "CheckMode",
        1002: "SelectMode",
        1003: "ReleaseMode",
        1004: "SetSilent",
        1005: "GetSilent",
    }

    def __init__(self) -> None:
        self.mode = "normal"
        self._silent = False

    def command(self, api_id: int, values: dict[str, Any]) -> Answer:
        if api_id == 1001:
            return OK, {"form": "0", "name": self.mode}
        if api_id == 1002:
            self.mode = str(values["name"])
        elif api_id == 1003:
            self.mode = ""
        elif api_id == 1004:
            self._silent = bool(values["silent"])
        else:
            return OK, {"silent": self._silent}
        return OK, None


class ObstaclesAvoid:
    """Walking that a real dog does with its eyes open; here it walks as the sport service does."""

    name = "obstacles_avoid"
    version = "1.0.0.2"
    calls: Mapping[int, str] = {
        1001: "SwitchSet",
        1002: "SwitchGet",
        1003: "Move",
        1004: "UseRemoteCommandFromApi",
    }

    def __init__(self, walk: Callable[[int, str], int]) -> None:
        self._walk = walk
        self._enabled = False
        self._remote = False

    def command(self, api_id: int, values: dict[str, Any]) -> Answer:
        if api_id == 1001:
            self._enabled = bool(values["enable"])
        elif api_id == 1002:
            return OK, {"enable": self._enabled}
        elif api_id == 1004:
            self._remote = bool(values["is_remote_commands_from_api"])
        elif self._enabled and self._remote and int(values.get("mode", 0)) == 0:
            velocity = {"x": values["x"], "y": values["y"], "z": values["yaw"]}
            return self._walk(MOVE, json.dumps(velocity)), None
        return OK, None


class Vui:
    """Volume and brightness, 0 to 10; it plays nothing."""

    name = "vui"
    version = "1.0.0.1"
    calls: Mapping[int, str] = {
        1001: "SetSwitch",
        1002: "GetSwitch",
        1003: "SetVolume",
        1004: "GetVolume",
        1005: "SetBrightness",
        1006: "GetBrightness",
    }
    _FIELDS: Mapping[int, str] = {1001: "enable", 1003: "volume", 1005: "brightness"}

    def __init__(self) -> None:
        self.levels = {"enable": 1, "volume": 5, "brightness": 5}

    def command(self, api_id: int, values: dict[str, Any]) -> Answer:
        field = self._FIELDS.get(api_id)
        if field is None:
            wanted = self._FIELDS[api_id - 1]
            return OK, {wanted: self.levels[wanted]}
        level = int(values[field])
        if not 0 <= level <= 10:
            return BAD_PARAMETER, None
        self.levels[field] = level
        return OK, None


class RobotStateService:
    """Which of the dog's services run; names other than sport_mode's were checked on no dog."""

    name = "robot_state"
    version = "1.0.0.1"
    calls: Mapping[int, str] = {
        1001: "ServiceSwitch",
        1002: "SetReportFreq",
        1003: "ServiceList",
    }
    _PROTECTED = frozenset({"motion_switcher", "robot_state"})

    def __init__(self) -> None:
        self._running = {
            SPORT_SERVICE: True,
            "motion_switcher": True,
            "robot_state": True,
            "obstacles_avoid": True,
            "vui": True,
            "audiohub": True,
        }

    @property
    def sport_runs(self) -> bool:
        """Whether the sport service is switched on."""
        return self._running[SPORT_SERVICE]

    def command(self, api_id: int, values: dict[str, Any]) -> Answer:
        if api_id == 1003:
            return OK, [
                {"name": name, "status": int(runs), "protect": name in self._PROTECTED}
                for name, runs in self._running.items()
            ]
        if api_id == 1002:
            return OK, None
        name = values["name"]
        if name in self._PROTECTED or name not in self._running:
            return OK, {"name": name, "status": PROTECTED_STATUS}
        self._running[name] = bool(values["switch"])
        return OK, {"name": name, "status": int(self._running[name])}


class AudioHub:
    """The loudspeaker: a WAV comes in base64 blocks between 4001 and 4002, and is kept."""

    name = "audiohub"
    version = "1.0.0.1"
    calls: Mapping[int, str] = {
        4001: "EnterMegaphone",
        4002: "ExitMegaphone",
        4003: "UploadMegaphone",
    }

    def __init__(self) -> None:
        self.uploads: deque[bytes] = deque(maxlen=MAX_UPLOADS)
        self.upload_count = 0
        self._blocks: list[str] = []
        self.open = False

    def command(self, api_id: int, values: dict[str, Any]) -> Answer:
        if api_id in (4001, 4002):
            self.open = api_id == 4001
            self._blocks = []
            return OK, None
        return (self._take_block(values) if self.open else BAD_PARAMETER), None

    def _take_block(self, values: dict[str, Any]) -> int:
        block, total = values["block_content"], int(values["total_block_number"])
        index = int(values["current_block_index"])
        if not isinstance(block, str):
            return BAD_PARAMETER
        if index == 1:
            self._blocks = []
        held = sum(len(each) for each in self._blocks)
        if (
            int(values["current_block_size"]) != len(block)
            or not len(self._blocks) + 1 == index <= total
            or held + len(block) > MAX_UPLOAD_CHARACTERS
        ):
            return BAD_PARAMETER
        self._blocks.append(block)
        if index == total:
            try:
                sound = base64.b64decode("".join(self._blocks), validate=True)
            except binascii.Error:
                return BAD_PARAMETER
            self.uploads.append(sound)
            self.upload_count += 1
        return OK
