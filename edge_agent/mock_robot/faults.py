"""What can go wrong with the mock dog: an enumerated, typed set of faults, switched by command.

A fault is a model whose fields are its parameters, with units in their names. `Faults` holds which
are on; the dog asks it at every request and at every state message. Nothing here knows of DDS.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.errors import RequestError


class Fault(BaseModel):
    """One fault; its subclasses' fields are its parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Slow(Fault):
    """Every request is obeyed and answered late, as over a bad link."""

    fault: Literal["slow"] = "slow"
    delay_s: Annotated[float, Field(gt=0, le=60)] = 0.8


class Silent(Fault):
    """No service obeys or answers; the state is still told."""

    fault: Literal["silent"] = "silent"


class Dead(Fault):
    """Nothing is obeyed, answered or told any more."""

    fault: Literal["dead"] = "dead"


class Restarted(Fault):
    """The dog goes away, its motors go soft, and it comes back by itself with its clock at zero."""

    fault: Literal["restarted"] = "restarted"
    away_s: Annotated[float, Field(gt=0, le=60)] = 3.0


class Rejecting(Fault):
    """Sport requests are answered with an error code and not obeyed; all of them, or `api_ids`."""

    fault: Literal["rejecting"] = "rejecting"
    code: Annotated[int, Field(ge=1, le=9999)] = 4201
    api_ids: frozenset[int] = frozenset()


class Unsupported(Fault):
    """The firmware lacks these sport calls: they are answered with 3203."""

    fault: Literal["unsupported"] = "unsupported"
    api_ids: Annotated[frozenset[int], Field(min_length=1)] = frozenset({1016, 1022, 1036})


class OldFirmware(Fault):
    """The firmware of before July 2025: Wallow (1021) and WiggleHips (1033) are sport calls."""

    fault: Literal["old_firmware"] = "old_firmware"


class LowBattery(Fault):
    """The battery tells this charge."""

    fault: Literal["low_battery"] = "low_battery"
    percent: Annotated[float, Field(ge=0, le=100)] = 5.0


class HotMotor(Fault):
    """One leg motor tells this temperature."""

    fault: Literal["hot_motor"] = "hot_motor"
    celsius: Annotated[float, Field(ge=0, le=150)] = 90.0


class Fallen(Fault):
    """The dog lies on its side until RecoveryStand; switched off, it is put on its belly."""

    fault: Literal["fallen"] = "fallen"


class StaleState(Fault):
    """The state stands still: the last message again and again, or, without `repeat`, none."""

    fault: Literal["stale_state"] = "stale_state"
    repeat: bool = True


class NanState(Fault):
    """The state's numbers are not numbers."""

    fault: Literal["nan_state"] = "nan_state"


class Unready(Fault):
    """After StandUp the dog acknowledges Move and Euler and ignores them for a while."""

    fault: Literal["unready"] = "unready"
    seconds: Annotated[float, Field(gt=0, le=60)] = 4.0


class NoSpeaker(Fault):
    """The dog has no audio service, as a Go2 Air."""

    fault: Literal["no_speaker"] = "no_speaker"


_AnyFault = Annotated[
    Slow
    | Silent
    | Dead
    | Restarted
    | Rejecting
    | Unsupported
    | OldFirmware
    | LowBattery
    | HotMotor
    | Fallen
    | StaleState
    | NanState
    | Unready
    | NoSpeaker,
    Field(discriminator="fault"),
]

KINDS: tuple[type[Fault], ...] = (
    Slow,
    Silent,
    Dead,
    Restarted,
    Rejecting,
    Unsupported,
    OldFirmware,
    LowBattery,
    HotMotor,
    Fallen,
    StaleState,
    NanState,
    Unready,
    NoSpeaker,
)
"""Every fault, in the order in which they are listed."""

_ADAPTER: TypeAdapter[Any] = TypeAdapter(_AnyFault)
Kind = TypeVar("Kind", bound=Fault)


def name_of(kind: type[Fault]) -> str:
    """Return the name by which a fault is switched."""
    return str(kind.model_fields["fault"].default)


FAULT_NAMES: tuple[str, ...] = tuple(name_of(kind) for kind in KINDS)


class Faults:
    """Which faults are on; switched and read from any thread.

    `on_change` is called with the fault and whether it is on, after each switch, without the lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on: dict[str, Fault] = {}
        self.on_change: Callable[[Fault, bool], None] = lambda fault, on: None

    def command(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Switch one fault by `{"fault": name, "on": bool, ...parameters}` and return its entry.

        `on` is true where it is left out. RequestError names what is wrong with the wish.
        """
        values = dict(wish)
        on = values.pop("on", True)
        if not isinstance(on, bool):
            raise RequestError("`on` is true or false")
        try:
            fault: Fault = _ADAPTER.validate_python(values)
        except ValidationError as error:
            raise RequestError(_explain(error)) from error
        self.switch(fault, on)
        return self._entry(type(fault))

    def switch(self, fault: Fault, on: bool = True) -> None:
        """Switch a fault on, with its parameters, or off."""
        name = name_of(type(fault))
        with self._lock:
            if on:
                self._on[name] = fault
            else:
                self._on.pop(name, None)
        self.on_change(fault, on)

    def clear(self) -> None:
        """Switch every fault off."""
        with self._lock:
            on = list(self._on.values())
        for fault in on:
            self.switch(fault, False)

    def active(self, kind: type[Kind]) -> Kind | None:
        """Return the fault of this kind with its parameters where it is on."""
        with self._lock:
            fault = self._on.get(name_of(kind))
        return fault if isinstance(fault, kind) else None

    def describe(self) -> list[dict[str, Any]]:
        """Return every fault as `{"fault", "on", "description", "parameters"}`, JSON-ready."""
        return [self._entry(kind) for kind in KINDS]

    def _entry(self, kind: type[Fault]) -> dict[str, Any]:
        fault = self.active(kind)
        values = (fault or kind()).model_dump(mode="json", exclude={"fault"})
        return {
            "fault": name_of(kind),
            "on": fault is not None,
            "description": kind.__doc__,
            "parameters": values,
        }


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"no such fault; the faults are {', '.join(FAULT_NAMES)}"
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}"
