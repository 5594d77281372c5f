"""The Temporal workers of a host: one for each `temporal.worker` entry, from start to stop, also while the server is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker, WorkerDeploymentConfig

from runtime.backoff import Backoff
from runtime.contracts import Workflows
from runtime.errors import UNAVAILABLE, Error, unavailable
from runtime.lua.hibernation import HibernationCounts, HibernationPool
from runtime.lua.program import Programs
from runtime.modules.stream.streams import Streams
from runtime.process.host import ProcessHost
from runtime.process.services.states import ServiceState, all_up
from runtime.process.task_queues import queue_of
from runtime.registry import Registry, TemporalWorker
from runtime.registry.models import Lifecycle
from runtime.temporal.client.clients import Clients, declared
from runtime.temporal.serving import Serving, namespaces
from runtime.temporal.worker import logs
from runtime.temporal.worker.activations import Activations, leave_time_to
from runtime.temporal.worker.activities import lua_activities
from runtime.temporal.worker.interceptor import Interceptor
from runtime.temporal.worker.sdk_warnings import outlive_warnings
from runtime.temporal.workflow import LuaRunner, LuaWorkflow, WorkflowHost

_log = logging.getLogger(__name__)

#: Seconds that the task of a run may wait for a search attribute to be registered.
MAX_REGISTERING = 1.0

Fatal = Callable[[BaseException], None]


class Workers:
    """All workers of a registry on this host.

    `start` returns at once; a worker whose server is not there yet tries again with growing pauses. `on_fatal` is called
    when one ends by itself for any other reason. `shadow` is for workers whose entry does not say. `workflows` serves the system activities.
    `new_attributes`: search attributes that a run sets and no client declares are registered, by the type of their value.
    """

    def __init__(
        self,
        registry: Registry,
        clients: Clients,
        programs: Programs,
        host: ProcessHost,
        workflows: Workflows,
        *,
        on_fatal: Fatal | None = None,
        shadow: bool = False,
        new_attributes: bool = False,
    ) -> None:
        self._registry = registry
        self._clients = clients
        self._programs = programs
        self._process_host = host
        self._workflows = workflows
        self._on_fatal = on_fatal
        self._shadow = shadow
        self._new_attributes = new_attributes
        self._threads: Activations | None = None
        self._served: dict[str, _Served] = {}
        self._leaving: dict[_Served, asyncio.Task[None]] = {}

    async def start(self, only: Iterable[str] | None = None) -> None:
        """Starts the workers named (by default all whose `lifecycle` lets them start); those that run already go on. Raises `Error` when the bundle store fails."""
        self._programs.publish()
        wanted = None if only is None else set(only)
        logs.quiet()
        if self._threads is None:
            self._threads = Activations()
        for entry in _started(self._registry):
            if entry.id not in self._served and (wanted is None or entry.id in wanted):
                self._begin(entry)

    def _begin(self, entry: TemporalWorker) -> None:
        place = self._registry.resolve(entry).client, queue_of(self._registry, entry)
        # The SDK refuses two workers of one process on a queue: what waits there meanwhile waits on the server.
        after = [served for served in self._leaving if served.place == place]
        mark = _mark(self._registry, entry)
        states = self._process_host.services.states
        life = _Life(
            self._registry.resolve(entry).lifecycle,
            states.of(entry.id),
            states.awaited(self._registry, entry.id),
        )
        self._served[entry.id] = _Served(self._build, self._host(entry), place, mark, life, after, self._ended)

    def _host(self, entry: TemporalWorker) -> WorkflowHost:
        chosen = entry.worker_options.shadow
        shadow = self._shadow if chosen is None else chosen
        return WorkflowHost(
            self._registry,
            self._programs,
            entry.id,
            replace(declared(self._registry, entry.client), register=self._registering(entry.client)),
            shadow=shadow,
            pool=HibernationPool(entry.worker_options.max_live_interpreters),
            streams=self._streams(),
        )

    def _streams(self) -> Streams:
        streams = self._process_host.streams
        streams.queue.begin()
        return streams

    def _registering(self, client_id: str) -> Callable[[str, str], str] | None:
        """For the threads of runs. One that waits too long fails its task, and finds it done when that is tried again."""
        if not self._new_attributes:
            return None
        loop, known = asyncio.get_running_loop(), dict[str, str]()

        def register(name: str, kind: str) -> str:
            if name not in known:
                asked = asyncio.run_coroutine_threadsafe(self._clients.registered(client_id, name, kind), loop)
                known[name] = asked.result(MAX_REGISTERING)
            return known[name]

        return register

    async def _build(self, host: WorkflowHost) -> Worker:
        entry = self._registry.resolve(self._registry[host.worker_id])
        assert isinstance(entry, TemporalWorker)
        await self._clients.prepare(entry.client)
        host.stored = self._clients.travel(entry.client).threshold
        client = await self._clients.get(entry.client)
        arguments = worker_options(self._registry, entry)
        if host.stored is None:  # the SDK would make a task for each value all the same, to store several at once
            arguments["max_workflow_task_external_storage_concurrency"] = 1
        worker = Worker(
            client,
            workflows=[LuaWorkflow],
            interceptors=[Interceptor()],
            unsandboxed_workflow_runner=LuaRunner(host),
            activities=lua_activities(self._process_host, self._workflows, host.stored),
            workflow_task_executor=self._threads,
            **arguments,
        )
        leave_time_to(worker)
        outlive_warnings(worker)
        return worker

    def _ended(self, worker: str, error: BaseException) -> None:
        _log.critical("worker %s ended: %s", worker, error, exc_info=error)
        if self._on_fatal is not None:
            self._on_fatal(error)

    def use(self, registry: Registry, programs: Programs) -> None:
        """From now on runs and activities use these entries, whose bundles are published already.

        A worker whose entry is new starts. One whose entry is gone, or is not started any more, takes no more tasks and ends what it has; one whose entry, or client, says
        something else does so too, and another takes its place. Raises `Error` INVALID, and changes nothing, when an entry cannot be resolved.
        """
        marks = {entry.id: _mark(registry, entry) for entry in _started(registry)}
        self._registry, self._programs = registry, programs
        for served in [*self._served.values(), *self._leaving]:
            served.host.use(registry, programs)
        ended = [served for id, served in self._served.items() if marks.get(id) != served.mark]
        self._served = {id: served for id, served in self._served.items() if marks.get(id) == served.mark}
        for served in ended:
            self._leaving[served] = asyncio.create_task(self._left(served), name=f"worker {served.host.worker_id} ends")
        if self._threads is not None:
            for entry in _started(registry):
                if entry.id not in self._served:
                    self._begin(entry)

    async def _left(self, served: _Served) -> None:
        await served.stop()
        self._leaving.pop(served, None)

    @property
    def polling(self) -> list[str]:
        """The workers that are connected and take tasks."""
        return [name for name, served in self._served.items() if served.polling]

    @property
    def waiting(self) -> list[str]:
        """The workers that were started and do not take tasks (yet, or any more)."""
        return [name for name, served in self._served.items() if not served.polling]

    @property
    def counts(self) -> Mapping[str, HibernationCounts]:
        """How many runs of each worker have an interpreter, and how many sleep."""
        return {name: served.host.pool.counts for name, served in self._served.items()}

    async def stop(self) -> None:
        """Takes no new tasks, gives running activities their `graceful_shutdown_timeout`, and ends. Idempotent."""
        served, self._served = list(self._served.values()), {}
        await asyncio.gather(*(item.stop() for item in [*served, *self._leaving]))
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


@dataclass(frozen=True, slots=True)
class _Life:
    """How a worker starts: what its entry says of that, who hears of it, and what must be up before."""

    lifecycle: Lifecycle
    state: ServiceState
    needed: Sequence[ServiceState]

    def backoff(self) -> Backoff:
        """The usual pauses of what waits for a server, unless the entry says otherwise."""
        if "restart" not in self.lifecycle.model_fields_set:
            return Backoff()
        restart = self.lifecycle.restart
        return Backoff(restart.initial_delay.total_seconds(), restart.max_delay.total_seconds(), restart.backoff_factor)

    @property
    def start_timeout(self) -> float | None:
        """Seconds; None where only a connection's own limits hold, whose errors say more."""
        own = "start_timeout" in self.lifecycle.model_fields_set
        return self.lifecycle.start_timeout.total_seconds() if own else None

    def is_given_up(self, failures: int) -> bool:
        most = self.lifecycle.restart.max_attempts
        return bool(most) and failures >= most


class _Served:
    """One worker entry being served."""

    def __init__(
        self,
        build: Callable[[WorkflowHost], Any],
        host: WorkflowHost,
        place: tuple[str, str],
        mark: Any,
        life: _Life,
        after: Sequence[_Served],
        ended: Callable[[str, BaseException], None],
    ) -> None:
        self.host = host
        self.place = place
        self.mark = mark
        self.polling = False
        self._life = life
        self._after = after
        self._build = build
        self._ended = ended
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._serve(), name=f"worker {host.worker_id}")

    async def _serve(self) -> None:
        worker = await self._connected()
        if worker is None:
            return
        running = asyncio.create_task(worker.run(), name=f"worker {self.host.worker_id} run")
        stopping = asyncio.create_task(self._stopping.wait())
        self.polling = True
        self._life.state.is_up()
        try:
            await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await worker.shutdown()
            await running
        except Exception as error:
            self._ended(self.host.worker_id, error)
        finally:
            self.polling = False
            if not self._stopping.is_set():
                self._life.state.has_failed()
            stopping.cancel()
            self.host.close()

    async def _connected(self) -> Worker | None:
        """The worker once its server answers; None when stopped before that."""
        for other in self._after:
            await other.ended()
        await self._needed_are_up()
        backoff = self._life.backoff()
        while not self._stopping.is_set():
            try:
                return await self._attempt()
            except Error as error:
                if error.kind != UNAVAILABLE:
                    self._ended(self.host.worker_id, error)
                    return None
                self._life.state.has_failed()
                if self._life.is_given_up(backoff.failures + 1):
                    _log.error(
                        "worker %s stays down, for so its restart.max_attempts says: %s", self.host.worker_id, error
                    )
                    return None
                if not backoff.failures:
                    _log.warning("worker %s waits for its server: %s", self.host.worker_id, error)
                await backoff.pause(until=self._stopping)
            except Exception as error:
                self._ended(self.host.worker_id, error)
                return None
        return None

    async def _needed_are_up(self) -> None:
        """Returns when it is asked to stop, too."""
        if not all(needed.up.is_set() for needed in self._life.needed):
            self._life.state.tried.set()  # nobody is to wait for what waits itself
        waiting = asyncio.create_task(all_up(self._life.needed))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        stopping.cancel()

    async def _attempt(self) -> Worker:
        limit = self._life.start_timeout
        try:
            async with asyncio.timeout(limit):
                worker: Worker = await self._build(self.host)
        except TimeoutError:
            raise unavailable(f"it did not start within {limit or 0:g} s") from None
        return worker

    async def stop(self) -> None:
        self._stopping.set()
        self._life.state.has_ended()  # at once: another may take its place before it has ended
        await self._task

    async def ended(self) -> None:
        await asyncio.wait([self._task])


def _started(registry: Registry) -> list[TemporalWorker]:
    return [entry for entry in registry.of_kind(TemporalWorker) if entry.id in registry.services.started]


def _mark(registry: Registry, entry: TemporalWorker) -> Any:
    """Equal for a worker that can go on as it is. Raises `Error` INVALID when its entry cannot be resolved."""
    resolved = registry.resolve(entry)
    client = registry.get(resolved.client)
    if client is not None:
        registry.resolve(client)
    return entry.definition, client.definition if client is not None else None, namespaces(registry)


def worker_options(registry: Registry, entry: TemporalWorker) -> dict[str, Any]:
    """The arguments of the SDK's worker for a resolved entry."""
    given = entry.worker_options
    arguments: dict[str, Any] = {
        "task_queue": queue_of(registry, entry),
        "max_concurrent_workflow_tasks": given.max_concurrent_workflow_task_execution_size,
        "max_concurrent_activities": given.max_concurrent_activity_execution_size,
        "max_concurrent_local_activities": given.max_concurrent_local_activity_execution_size,
        "max_cached_workflows": given.max_cached_workflows,
        "sticky_queue_schedule_to_start_timeout": given.sticky_schedule_to_start_timeout,
        "max_activities_per_second": given.worker_activities_per_second,
        "max_task_queue_activities_per_second": given.task_queue_activities_per_second,
        "graceful_shutdown_timeout": entry.graceful_shutdown_timeout,
        "identity": given.identity or Serving.of(registry).identity,
        "max_heartbeat_throttle_interval": timedelta(seconds=1),  # so that a cancellation is noticed soon
        "default_heartbeat_throttle_interval": timedelta(seconds=1),
    }
    if given.max_concurrent_workflow_task_pollers is not None:
        arguments["workflow_task_poller_behavior"] = PollerBehaviorSimpleMaximum(
            given.max_concurrent_workflow_task_pollers
        )
    if given.max_concurrent_activity_task_pollers is not None:
        arguments["activity_task_poller_behavior"] = PollerBehaviorSimpleMaximum(
            given.max_concurrent_activity_task_pollers
        )
    if given.deployment_name and given.build_id:
        arguments["deployment_config"] = WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(given.deployment_name, given.build_id),
            use_worker_versioning=given.use_versioning,
            default_versioning_behavior=VersioningBehavior.PINNED if given.use_versioning else _UNSPECIFIED,
        )
    elif given.build_id:
        arguments["build_id"] = given.build_id
    return arguments


_UNSPECIFIED = VersioningBehavior.UNSPECIFIED
