"""The keeper of a `process.service`: a process that is started with the host and started again when it fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from runtime.backoff import Backoff
from runtime.contracts import StartRequest
from runtime.errors import Error, timed_out
from runtime.payload import Payload
from runtime.process.host_port import HostPort
from runtime.process.lua_run import LuaRun
from runtime.process.services.base import ServiceKeeper
from runtime.process.services.states import ServiceState
from runtime.registry import ProcessService
from runtime.registry.models import ServiceEntry

_log = logging.getLogger("evermoon.services")
_STOPPING = "service stopped"


class ProcessServiceKeeper(ServiceKeeper):
    """The keeper of one `process.service`, which starts its process again when that fails."""

    def __init__(
        self, host: HostPort, entry: ProcessService, mark: Any, state: ServiceState, needed: Sequence[ServiceState]
    ) -> None:
        super().__init__(entry, mark, state, needed)
        self._host = host
        self._entry = entry
        self._backoff = _backoff(entry)
        self._run: LuaRun | None = None
        self._up_since = float("inf")

    def adopt(self, entry: ServiceEntry) -> bool:
        self._backoff = _backoff(entry)
        return super().adopt(entry)

    async def stop(self) -> None:
        await self._cancel()
        self.state.has_ended()
        if self._run is not None:
            await self._run.wind_down(_STOPPING, self.entry.lifecycle.stop_timeout.total_seconds())

    async def _keep_up(self) -> None:
        await self._wait_for_needed()
        while True:
            self._up_since = float("inf")
            error = await self._once()
            self.state.tried.set()
            self._tell("service.stopped" if error is None else "service.failed", error)
            if error is None:
                return
            self.state.has_failed()
            delay = self._delay(error)
            if delay is None:
                return
            await asyncio.sleep(delay)

    def _delay(self, error: Error) -> float | None:
        """Seconds until it is to start again; None when it is given up."""
        restart, backoff = self.entry.lifecycle.restart, self._backoff
        if time.monotonic() - self._up_since > restart.max_delay.total_seconds():
            backoff.reset()
        delay = backoff.failed()
        if restart.max_attempts and backoff.failures >= restart.max_attempts:
            times = "once" if backoff.failures == 1 else f"{backoff.failures} times"
            _log.error("service %s has failed %s and stays down: %s", self.entry.id, times, error)
            return None
        _log.warning("service %s failed, starts again in %g s: %s", self.entry.id, delay, error)
        return delay

    async def _once(self) -> Error | None:
        """One process of it, from its start to its end: None when that was a good one."""
        try:
            self._run = run = self._spawned()
            self.pid = run.pid
            await self._settled(run)
            await run.ended()
            run.result()
        except Error as error:
            return error
        finally:
            self.pid = None
        return None

    def _spawned(self) -> LuaRun:
        entry = self._entry
        args = entry.input if isinstance(entry.input, tuple) else () if entry.input is None else (entry.input,)
        request = StartRequest(entry.process, [Payload.of(arg) for arg in args], worker=entry.host)
        run = self._host.spawn(request)
        assert isinstance(run, LuaRun)
        return run

    async def _settled(self, run: LuaRun) -> None:
        """Raises `Error` when it failed, or did not come up in time."""
        limit = self.entry.lifecycle.start_timeout.total_seconds()
        try:
            async with asyncio.timeout(limit):  # not wait_for, which may swallow the cancellation by `stop`
                await run.settled.wait()
        except TimeoutError:
            await run.wind_down(_STOPPING, 0)
            raise timed_out(f"{self._entry.id} did not start within {limit:g} s") from None
        if run.is_over:
            await run.ended()
            run.result()
        self._up_since = time.monotonic()
        self.state.is_up()
        self._tell("service.started")

    def _tell(self, kind: str, error: Error | None = None) -> None:
        said = {} if error is None else {"error": {"kind": error.kind, "message": str(error)}}
        self._host.events.tell(kind, self._entry.id, {"pid": self._run.pid if self._run else "", **said})


def _backoff(entry: ServiceEntry) -> Backoff:
    restart = entry.lifecycle.restart
    return Backoff(restart.initial_delay.total_seconds(), restart.max_delay.total_seconds(), restart.backoff_factor)
