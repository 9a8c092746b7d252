"""Work that a caller wants done on the owner thread, between two steps."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from shared.errors import ShadowdogError


@dataclass(frozen=True, eq=False)
class Errand:
    """`work` and the future that tells how it went."""

    work: Callable[[], None]
    future: "Future[None]" = field(default_factory=Future)

    def run(self) -> None:
        """Do the work; whatever it raises is the future's."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.work()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the future
            self.future.set_exception(error)
        else:
            self.future.set_result(None)

    def refuse(self, error: ShadowdogError) -> None:
        """Tell that the work will not be done."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)
