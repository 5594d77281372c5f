"""The part of a host that its executions use, as a protocol."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from runtime.contracts import End, LinkedWorkflows, StartRequest, Trigger
from runtime.errors import unavailable
from runtime.lua.program import Programs
from runtime.modules.events.bus import EventBus
from runtime.modules.stream.streams import Streams
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.execution import Execution
from runtime.process.names import Names
from runtime.process.threads import Threads
from runtime.process.watches import Watches
from runtime.registry import ProcessLua, Registry
from runtime.resources import Resources

_log = logging.getLogger("evermoon.script")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}


class LogPort(Protocol):
    """A sink for the log lines of scripts: a line's level (debug, info, warn, error), text, and `{pid, entry, at, fields, logger?}`."""

    def __call__(self, level: str, message: str, about: Mapping[str, Any], /) -> None: ...


class HostPort(Protocol):
    """The `ProcessHost` as executions know it."""

    @property
    def registry(self) -> Registry: ...
    @property
    def programs(self) -> Programs: ...
    @property
    def workflows(self) -> LinkedWorkflows | None: ...
    @property
    def resources(self) -> Resources: ...
    @property
    def streams(self) -> Streams: ...
    @property
    def threads(self) -> Threads: ...
    @property
    def events(self) -> EventBus: ...
    @property
    def log(self) -> LogPort: ...
    @property
    def now(self) -> Callable[[], int]:
        """The time of day, as scripts see it: nanoseconds since 1970."""
        ...

    @property
    def names(self) -> Names: ...
    @property
    def node(self) -> str: ...
    @property
    def watches(self) -> Watches: ...
    @property
    def waits(self) -> Sequence[str]:
        """Entries of which a caller that is cancelled waits for the end."""
        ...

    def find(self, pid: str) -> Execution | None: ...
    def end_of(self, pid: str) -> End | None: ...
    def spawn(self, request: StartRequest) -> Execution: ...
    def is_process_host(self, entry_id: str) -> bool: ...
    def process_entry(self, entry_id: str) -> ProcessLua: ...
    async def call(
        self,
        entry_id: str,
        args: Sequence[Payload],
        *,
        caller: Caller = ...,
        trigger: Trigger = ...,
        timeout: float | None = ...,
    ) -> Payload: ...


def workflows_of(host: HostPort) -> LinkedWorkflows:
    """Raises `Error` UNAVAILABLE where there are none."""
    if host.workflows is None:
        raise unavailable("this host has no connection to Temporal")
    return host.workflows


def log_line(level: str, message: str, about: Mapping[str, Any], /) -> None:
    """To Python's logging, logger `evermoon.script`; what it is about is in the record's `evermoon` attribute."""
    _log.log(_LEVELS.get(level, logging.INFO), "%s", message, extra={"evermoon": dict(about)})
