"""The context of a Python function's execution, which `runtime.process.current()` returns."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from runtime.contracts import ActivityPort, DeliveryPort, HttpRequest, HttpResponse, OutletPort
from runtime.errors import invalid
from runtime.modules.stream.streams import position_of
from runtime.payload import Payload
from runtime.principal import NOBODY, Principal


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """The execution that a Python function runs in. `context` is what callers set (`ctx` in Lua); `sender` the caller's PID or ""; `activity` None outside an activity.

    In a handler of an `http.endpoint`, `request` is what it answers, and what it says of its `response` is the answer.
    `principal` has the actor it runs for and the scope of that. A function of a `queue.consumer` has the `message` it was called with.
    By `outlet` it publishes to those who follow a run (`evermoon.stream`).
    `environ` is the environment the registry was loaded with: the process's own, and what `evermoon dev` added to it.
    """

    entry: str
    pid: str
    sender: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    activity: ActivityPort | None = None
    request: HttpRequest | None = None
    response: HttpResponse | None = None
    message: DeliveryPort | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    principal: Principal = NOBODY
    outlet: OutletPort | None = field(default=None, repr=False)

    @property
    def idempotency_key(self) -> str | None:
        """Stable across the retries of one activity; None outside an activity."""
        return self.activity.idempotency_key if self.activity is not None else None

    def publish(self, name: str, data: Payload, position: int | None, run: str | None) -> None:
        """Raises `Error` INVALID, as `evermoon.stream.publish` does."""
        if self.outlet is None:
            raise invalid("nothing can be published here")
        self.outlet.publish(name, data, position_of(position), run)


_current: ContextVar[ExecutionContext] = ContextVar("evermoon_current")


def current() -> ExecutionContext:
    """The execution this code runs in; also in threads and tasks it starts with their context copied.

    Raises `Error` INVALID outside a `function.py`.
    """
    try:
        return _current.get()
    except LookupError:
        raise invalid("no function.py is running here") from None


def enter(value: ExecutionContext) -> None:
    """For the host: what `current` answers in this task from now on."""
    _current.set(value)
