"""The order workflow on the virtual host, with scripted activities: no server, and a day passes at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from runtime.lua.program import Programs
from runtime.registry import FunctionLua, FunctionPy, Registry
from runtime.testing import VirtualHost

REGISTRY = Path(__file__).parents[2] / "config" / "registry.yaml"
HOUR = 3600 * 10**9

#: What an activity answers: a value, or an error it raises.
Answer = Callable[[dict[str, Any]], Any]


class Run:
    """One run of the workflow. `calls` are the activities in the order they were asked for, as (name, argument)."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        registry = Registry.load(REGISTRY, environ={})
        activities = [
            e.name for e in registry.entries.values() if isinstance(e, FunctionLua | FunctionPy) and e.activity
        ]
        self.calls: list[tuple[str, Any]] = []
        self._answers = answers
        self.host = VirtualHost(
            Programs(registry).get("app:order_workflow"),
            functions={f"app:{name}": partial(self._call, name) for name in activities},
            info={"workflow_id": "o-1", "run_id": "r-1"},
            shadow=True,
        )

    def start(self, order: Any) -> Run:
        self.host.start(order)
        return self

    def send(self, topic: str, *args: Any) -> Run:
        self.host.send(topic, *args)
        return self

    def cancel(self) -> Run:
        self.host.cancel()
        return self

    def wait(self, hours: int) -> Run:
        self.host.advance(hours * HOUR)
        return self

    @property
    def is_running(self) -> bool:
        return self.host.final is None

    @property
    def result(self) -> Any:
        """What the run returned. Raises the `Error` it failed with."""
        return self.host.outcome()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    @property
    def statuses(self) -> list[str]:
        return [command.data["value"].value() for command in self.host.commands if command.op == "status"]

    def _call(self, name: str, request: dict[str, Any]) -> Any:
        self.calls.append((name, request))
        return self._answers[name](request) if name in self._answers else {}
