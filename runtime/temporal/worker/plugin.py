"""The Temporal plugin that adds Lua workflows and activities to any existing Python worker or replayer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.worker import ReplayerConfig, Worker, WorkerConfig, WorkflowRunner

from runtime.lua.hibernation import HibernationCounts, HibernationPool
from runtime.lua.program import Programs
from runtime.modules.stream.streams import Streams
from runtime.process.host import ProcessHost
from runtime.process.pids import new_node
from runtime.process.task_queues import worker_of
from runtime.registry import BundleStore, Registry, TemporalWorker, open_store
from runtime.settings import Settings
from runtime.temporal.client.clients import Clients, declared
from runtime.temporal.client.runs import Runs
from runtime.temporal.search_attributes import Declared
from runtime.temporal.worker.activations import Activations, leave_time_to
from runtime.temporal.worker.activities import lua_activities
from runtime.temporal.worker.interceptor import Interceptor
from runtime.temporal.worker.process_queue import Delivered, node_worker
from runtime.temporal.worker.sdk_warnings import outlive_warnings
from runtime.temporal.workflow import LuaRunner, LuaWorkflow, WorkflowHost


def _with_headers(client: Client) -> Client:
    """The same connection, with our headers on what functions start and send."""
    config = client.config()
    if not any(isinstance(interceptor, Interceptor) for interceptor in config["interceptors"]):
        config["interceptors"] = [*config["interceptors"], Interceptor()]
    return Client(**config)


def _plain(client: Client) -> Client:
    """The same connection without plugins: a worker made with it is nobody's but ours."""
    config = client.config()
    config["plugins"] = []
    return Client(**config)


class LuaPlugin(SimplePlugin):
    """A Temporal plugin: `Worker(client, task_queue=..., plugins=[LuaPlugin("config/registry.yaml")])` runs the registry's Lua workflows and activities.

    Give it to the worker, or to the client (the SDK then passes it on to that client's workers), not to both. `environ` is
    what placeholders in the registry see; default: the process's environment as settings read it, so pass your own in tests.
    `bundles` is the bundle store, or its directory or URL (default: EVERMOON_BUNDLES, else `.evermoon/bundles`).
    `max_live_interpreters` is how many runs of a worker may wait with an interpreter (default: what the `temporal.worker` entry of the
    queue says, else as many as Lua needs 256 MiB for); the others sleep.
    Workflow tasks run on threads that Evermoon limits, unless the worker has a `workflow_task_executor`; the SDK's deadlock
    detection acts after 30 s instead of 2, also for the worker's Python workflows, since a Lua step that obeys its limits may take longer.
    The runs' PIDs name the `temporal.worker` entry that has the worker's task queue, else the queue.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        environ: Mapping[str, str] | None = None,
        bundles: BundleStore | str | Path | None = None,
        max_live_interpreters: int | None = None,
    ) -> None:
        settings = Settings.read(environ=environ)
        self._registry = Registry.load(path, environ=settings.environ)
        store = open_store(bundles if bundles is not None else settings.bundle_place)
        self._programs = Programs(self._registry, store)
        super().__init__("evermoon", interceptors=[Interceptor()])
        self._most = max_live_interpreters
        self._pools: dict[str, HibernationPool] = {}
        self._hosts: list[tuple[ProcessHost, Client]] = []

    @property
    def counts(self) -> Mapping[str, HibernationCounts]:
        """How many runs of each worker have an interpreter, and how many sleep, by task queue."""
        return {queue: pool.counts for queue, pool in self._pools.items()}

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        config = super().configure_worker(config)
        self._programs.publish()
        client, queue = config["client"], config["task_queue"]
        clients = Clients(self._registry, connected=_with_headers(client))
        runs = Runs(self._registry, clients, self._programs)
        host = ProcessHost(self._registry, self._programs, workflows=runs, node=new_node())
        self._hosts.append((host, _plain(client)))
        config["workflows"] = [*config.get("workflows", []), LuaWorkflow]
        config["unsandboxed_workflow_runner"] = self._runner(
            queue, config.get("unsandboxed_workflow_runner"), host.streams
        )
        config["activities"] = [*config.get("activities", []), *lua_activities(host, runs)]
        if config.get("workflow_task_executor") is None:
            config["workflow_task_executor"] = Activations()
        return config

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        config = super().configure_replayer(config)
        config["workflows"] = [*config.get("workflows", []), LuaWorkflow]
        config["unsandboxed_workflow_runner"] = self._runner("replay", config.get("unsandboxed_workflow_runner"))
        return config

    def _runner(self, queue: str, others: WorkflowRunner | None, streams: Streams | None = None) -> LuaRunner:
        worker = self._registry.get(worker_of(self._registry, queue))
        attributes = Declared()
        shadow, most = False, self._most
        if isinstance(worker, TemporalWorker):
            attributes = declared(self._registry, worker.client)
            shadow = bool(worker.worker_options.shadow)
            most = worker.worker_options.max_live_interpreters if most is None else most
        pool = self._pools[queue] = HibernationPool(most)
        served = worker_of(self._registry, queue)
        host = WorkflowHost(
            self._registry, self._programs, served, attributes, shadow=shadow, pool=pool, streams=streams
        )
        return LuaRunner(host, others)

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        leave_time_to(worker)
        outlive_warnings(worker)
        async with AsyncExitStack() as stack:
            for host, client in self._hosts:
                host.streams.queue.begin()
                stack.push_async_callback(host.close, 0)
                await stack.enter_async_context(node_worker(client, host, Delivered()))
            await super().run_worker(worker, next)
