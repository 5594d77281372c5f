"""The life of a runtime: what it brings up, in the order in which things need each other; reloads; and takes down in the opposite order.

HTTP takes no more requests and lets those under way end, then the workers stop polling and finish, then functions, then the embedded server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

from runtime.app.held_http import HeldHttp
from runtime.app.options import EMBEDDED, RuntimeOptions
from runtime.app.remote import Remote, load_for
from runtime.errors import Error, unavailable
from runtime.http import Backend, HttpOptions, HttpServer, codec_url
from runtime.loading import load_registry, say_problems
from runtime.lua.hibernation import HibernationCounts
from runtime.lua.program import Programs
from runtime.process.host import ProcessHost
from runtime.process.pids import new_node
from runtime.process.task_queues import queue_of
from runtime.registry import (
    PAYLOADS,
    FileSet,
    Registry,
    TemporalClient,
    TemporalWorker,
)
from runtime.settings import Settings
from runtime.temporal.client.payload_codec import NamespaceCodec
from runtime.temporal.dev_server import DevServer
from runtime.temporal.schedules.reconciler import ScheduleReconciler
from runtime.temporal.worker.process_queue import ProcessQueues
from runtime.temporal.worker.workers import Workers


class RuntimeLifecycle(Remote):
    """A runtime's hosts, its connection to Temporal and its HTTP server, from the first to the last moment. `Runtime` is what others use."""

    def __init__(self, settings: Settings, options: RuntimeOptions) -> None:
        super().__init__(_with_payloads(settings, options), options)
        self._host: ProcessHost
        self._node: ProcessQueues
        self._workers: Workers | None = None
        self._schedules: ScheduleReconciler | None = None
        self._http: HttpServer | None = None
        self._held: HeldHttp
        self._embedded: DevServer | None = None
        self._reloading = asyncio.Lock()
        self._fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def server(self) -> DevServer | None:
        """The embedded Temporal server, if there is one."""
        return self._embedded

    @property
    def urls(self) -> Mapping[str, str]:
        """Base URLs of the HTTP services, by entry id."""
        return self._http.urls if self._http else {}

    @property
    def queues(self) -> Mapping[str, str]:
        """Task queues, by the id of the worker that polls them."""
        started = self.registry.services.started
        workers = [worker for worker in self.registry.of_kind(TemporalWorker) if worker.id in started]
        return {worker.id: queue_of(self.registry, worker) for worker in workers}

    async def ended(self) -> None:
        """Waits for ever, unless a worker ends by itself: raises what ended it."""
        await asyncio.shield(self._fatal)

    async def missing(self) -> list[str]:
        """What keeps this runtime from doing its work, as sentences; empty when it is ready."""
        away = await self._clients.away()
        missing = [] if away is None else [away]
        waiting = self._workers.waiting if self._workers else []
        return [*missing, *(f"worker {worker} does not poll" for worker in waiting)]

    async def reload(self, files: FileSet | None = None) -> None:
        """Reads the registry again, or takes `files` in its place: new runs, calls and requests use it, those under way end as they began.

        Workers, services and addresses that are new start, those that are gone end what they have, those that changed give way to others.
        Raises `RegistryError` or `Error`, and goes on as before, when it cannot be used. What was opened stays open: databases and stores,
        and modules of Python.
        """
        async with self._reloading:
            registry = await asyncio.to_thread(
                load_registry, self._settings, files=files, selection=self._options.selection
            )
            say_problems(registry)
            programs = self._programs.renewed(registry)
            if self._workers is not None:
                await asyncio.to_thread(programs.publish)
            change = await self._http.prepare(registry) if self._http is not None else None
            try:
                self._take_up(registry, programs)
            except BaseException:
                if self._http is not None and change is not None:
                    await self._http.abandon(change)
                raise
            if self._http is not None and change is not None:
                self._http.commit(change, registry, self._runs)
                self._held.watch(registry, set(self.urls))

    def _take_up(self, registry: Registry, programs: Programs) -> None:
        """At one moment for all, so that nobody finds a part of it."""
        if self._workers is not None:
            self._workers.use(registry, programs)
        self._registry, self._programs = registry, programs
        self._clients.use(registry)
        self._runs.use(registry, self._pinning(programs))
        self._host.use(registry, programs)
        if self._streams.use(registry):
            self._runs.follow_anew()
        if self._schedules is not None:
            self._schedules.use(registry)

    async def _bring_up(self, stack: AsyncExitStack) -> None:
        options = self._options
        registry = self._registry = load_for(self._settings, options)
        if options.temporal == EMBEDDED:
            port, ui_port = options.ports
            codec = codec_url(registry, options.http) if options.http is not None else None
            server = DevServer(options.state, namespaces=_namespaces(registry), port=port, ui_port=ui_port, codec=codec)
            self._embedded = await stack.enter_async_context(server)
        self._connect(stack)
        programs = self._programs
        state = options.state or self._settings.state
        self._host = ProcessHost(
            registry, programs, workflows=self._runs, streams=self._streams, node=new_node(), state=state
        )
        self._node = ProcessQueues(self._clients, self._host)
        states = self._host.services.states
        states.workers = states.services = options.workers
        states.everything, states.http = options.services, options.http is not None
        self._held = HeldHttp(states, self._listen)
        self._held.expect(registry)
        stack.push_async_callback(self._host.close, options.grace)
        stack.push_async_callback(self._node.stop)
        if options.workers:
            stack.push_async_callback(
                self._host.services.stop
            )  # after the workers: activities call on them, and publish
            await self._start_workers(stack, programs)
            await self._host.services.start(everything=options.services)
        if options.http is not None:
            await self._start_http(stack, options.http)

    async def _start_workers(self, stack: AsyncExitStack, programs: Programs) -> None:
        awaited = self._awaited_servers()
        for client in awaited:
            await self._clients.get(client)  # so that a wrong address is told at once
        self._workers = Workers(
            self._registry,
            self._clients,
            programs,
            self._host,
            self._runs,
            on_fatal=self._worker_ended,
            shadow=self._options.shadow,
            new_attributes=self._options.new_attributes,
        )
        self._node.start()
        stack.push_async_callback(self._workers.stop)
        await self._workers.start()
        self._schedules = ScheduleReconciler(self._registry, self._clients)
        stack.push_async_callback(self._schedules.stop)
        self._schedules.start()
        if awaited:
            await self._schedules.matched()

    async def _start_http(self, stack: AsyncExitStack, options: HttpOptions) -> None:
        backend = Backend(self._registry, self._host, self._runs, self.missing, self._host, self._hibernation)
        backend.publishing = lambda: self._streams.queue.counts
        backend.schedules = lambda: self.schedules
        backend.codec = NamespaceCodec
        if self._embedded is not None:
            options = replace(options, ui=self._embedded.ui_url)
        self._http = HttpServer(backend, options, self._held.holds)
        stack.push_async_callback(self._http.stop)
        await self._http.start()
        stack.callback(self._held.stop)
        self._held.watch(self._registry, set(self.urls))

    async def _listen(self) -> None:
        """What an HTTP service waited for is up."""
        async with self._reloading:
            if self._http is not None:
                await self._http.reload(self._registry, self._runs)
                self._held.watch(self._registry, set(self.urls))

    def _awaited_servers(self) -> list[str]:
        """The clients of workers without whose server this runtime does not start: each with `health_check` that starts with it, unless it is patient."""
        if self._options.patient:
            return []
        workers = self.registry.of_kind(TemporalWorker)
        clients = {worker.client for worker in workers if worker.id in self.registry.services.started}
        return sorted(client for client in clients if _is_awaited(self._clients.entry(client)))

    def _hibernation(self) -> Mapping[str, HibernationCounts]:
        return self._workers.counts if self._workers is not None else {}

    @property
    def _server_address(self) -> str | None:
        return self._embedded.address if self._embedded is not None else super()._server_address

    def _worker_ended(self, error: BaseException) -> None:
        if not self._fatal.done():
            self._fatal.set_exception(_as_error(error))
            self._fatal.exception()  # marks it as seen: whether anybody waits for it is up to the host


def _with_payloads(settings: Settings, options: RuntimeOptions) -> Settings:
    """An embedded server comes with a place for large values, beside its database."""
    if options.temporal != EMBEDDED or options.state is None or PAYLOADS in settings.environ:
        return settings
    return settings.with_environ({PAYLOADS: (options.state / "payloads").resolve()})


def _is_awaited(client: TemporalClient) -> bool:
    return client.health_check and client.lifecycle.auto_start


def _as_error(error: BaseException) -> Error:
    if isinstance(error, Error):
        return error
    return unavailable(f"a worker ended: {error}")


def _namespaces(registry: Registry) -> list[str]:
    """The Temporal namespaces that the registry's clients use."""
    return sorted({registry.resolve(client).temporal_namespace for client in registry.of_kind(TemporalClient)})
