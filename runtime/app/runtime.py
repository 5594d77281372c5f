"""The runtime: a registry, the hosts that run it, the connection to Temporal, and the HTTP server, as one `Runtime`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from runtime.app.lifecycle import RuntimeLifecycle
from runtime.app.options import RuntimeOptions
from runtime.contracts import StartRequest
from runtime.http import HttpOptions
from runtime.modules.queue.message import QueueMessage
from runtime.modules.queue.module import put
from runtime.payload import Payload
from runtime.principal import Caller, Principal
from runtime.registry import (
    BundleStore,
    ProcessLua,
)
from runtime.settings import Settings


class Runtime(RuntimeLifecycle):
    """Evermoon in one process. Made by `open`; usable until its context is left.

    A run is addressed by its PID or by its workflow id, a process of this host by its PID. Values are JSON values; failures are `runtime.errors.Error`.
    """

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        temporal: str | None = None,
        state: str | Path | None = None,
        bundles: BundleStore | str | Path | None = None,
        workers: bool = True,
        http: bool | HttpOptions = False,
        overrides: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[Runtime]:
        """A runtime for a registry file or directory, as an async context manager.

        `temporal` is `"embedded"`, `"host:port"` or None (what the registry and the environment say); `state` is where an
        embedded server keeps its database (None: in memory); `bundles` is the bundle store, or its directory or
        URL (None: see `RuntimeOptions.bundles`). `environ` stands in for the process's environment.
        Raises `RegistryError` with every mistake, or `Error` UNAVAILABLE when Temporal does not answer.
        """
        settings = Settings.read(registry=path, overrides=overrides, environ=environ)
        serve = http if isinstance(http, HttpOptions) else HttpOptions(move_ports=True) if http else None
        options = RuntimeOptions(temporal, Path(state) if state is not None else None, bundles, workers, serve)
        return cls.from_settings(settings, options)

    async def spawn(
        self,
        entry: str,
        *args: Any,
        id: str | None = None,
        worker: str | None = None,
        context: Mapping[str, Any] | None = None,
        actor: str | Mapping[str, Any] | None = None,
        scope: Sequence[str] | None = None,
        **options: Any,
    ) -> str:
        """As `start`; the run's PID. A process of this host, when the entry is one: `worker` is its `process.host`."""
        caller = Caller(context or {}, Principal.of(actor, scope))
        payloads = [Payload.of(arg) for arg in args]
        request = StartRequest(entry, payloads, id=id, worker=worker, options=options, caller=caller)
        if isinstance(self._registry.get(entry), ProcessLua):
            return self._host.spawn(request).pid
        return (await self._start(request)).pid

    async def send(self, run: str, topic: str, *args: Any) -> None:
        """A message to a run, a signal named `topic`; or to a process of this host."""
        payloads = [Payload.of(arg) for arg in args]
        if self._host.owns(run):
            self._host.send(run, topic, payloads)
        else:
            await self._runs.signal(run, topic, payloads)

    async def result(self, run: str, timeout: float | None = None) -> Any:
        """The run's result, through continue-as-new. Raises its failure; TIMEOUT when it still runs after `timeout` seconds."""
        if self._host.owns(run):
            return (await self._host.result(run, timeout)).value()
        return await super().result(run, timeout)

    async def cancel(self, run: str, reason: str = "", by: str = "") -> None:
        if self._host.owns(run):
            self._host.cancel(run, reason)
        else:
            await super().cancel(run, reason, by)

    async def terminate(self, run: str, reason: str = "", by: str = "") -> None:
        if self._host.owns(run):
            self._host.terminate(run, reason)
        else:
            await super().terminate(run, reason, by)

    async def call(
        self,
        entry: str,
        *args: Any,
        context: Mapping[str, Any] | None = None,
        actor: str | Mapping[str, Any] | None = None,
        scope: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Runs a function on this host and gives back what it returns. Raises its failure, or TIMEOUT; seconds."""
        self._node.start()
        payloads = [Payload.of(arg) for arg in args]
        caller = Caller(context or {}, Principal.of(actor, scope))
        value = await self._host.call(entry, payloads, caller=caller, timeout=timeout)
        return value.value()

    async def publish(
        self,
        queue: str,
        body: Any,
        headers: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        delay: float = 0.0,
        context: Mapping[str, Any] | None = None,
        actor: str | Mapping[str, Any] | None = None,
        scope: Sequence[str] | None = None,
    ) -> None:
        """A message for the consumers of a `queue.queue`, after `delay` seconds, for `actor` as in `start`. A queue takes a message in once for an `id`.

        Raises `Error`: NOT_FOUND, INVALID for what the queue does not take, RATE_LIMITED when it is full.
        """
        Payload.of(dict(headers or {}))  # refused here when they have no JSON form
        message = QueueMessage(
            Payload.of(body), dict(headers or {}), dict(context or {}), "", Principal.of(actor, scope), delay=delay
        )
        message.id = id or message.id
        await put(self._host.resources, self._registry, queue, message)
