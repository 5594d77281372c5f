"""Runs on a Temporal server, by way of a registry: what starts them, speaks to them and looks at them, and runs nothing itself.

A command that acts on runs needs no more than this; a `Runtime` is one with hosts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runtime.app.options import EMBEDDED, RuntimeOptions
from runtime.contracts import Cursor, EventFeed, RunDescription, RunPosition, Started, StartRequest
from runtime.errors import Error, invalid, not_found
from runtime.late import late
from runtime.loading import load_registry, say_problems
from runtime.lua.program import Programs
from runtime.modules.options import WorkflowOptions, workflow_options
from runtime.modules.stream.streams import Streams
from runtime.payload import Payload
from runtime.principal import Caller, Principal
from runtime.process import operations as commands
from runtime.registry import (
    BundleStore,
    DirectoryStore,
    MemoryStore,
    Registry,
    RegistryError,
    Releases,
    StartableWorkflow,
    TemporalClient,
    open_store,
)
from runtime.registry.problems import did_you_mean
from runtime.settings import Settings
from runtime.temporal.client.clients import Clients
from runtime.temporal.client.listing import of_types
from runtime.temporal.client.runs import Runs

if TYPE_CHECKING:
    from runtime.temporal.client import bundle_use
    from runtime.temporal.schedules import operations
else:
    bundle_use, operations = late("runtime.temporal.client.bundle_use"), late("runtime.temporal.schedules.operations")


class Operation:
    """A command that was accepted, in Python's hands; `id` is the id of the run that carries it out."""

    def __init__(self, runs: Runs, id: str) -> None:
        self._runs = runs
        self.id = id

    async def show(self) -> dict[str, Any]:
        """Command, state, who, when, and what each attempt came to."""
        return await commands.document(self._runs, self.id)

    async def state(self) -> str:
        """PENDING, IN_PROGRESS, COMPLETED or FAILED."""
        return commands.state_of((await self._runs.describe(self.id)).state)

    async def result(self, timeout: float | None = None) -> Any:
        """Waits for it; seconds. Raises its failure, and TIMEOUT with `details.waiting` when it still runs."""
        return (await self._runs.result(self.id, timeout)).value()


class Remote:
    """Made by `from_settings`, of options without workers, HTTP and a server; usable until its context is left.

    A run is addressed by its PID or by its workflow id. Values are JSON values; failures are `runtime.errors.Error`.
    """

    def __init__(self, settings: Settings, options: RuntimeOptions) -> None:
        self._settings = settings
        self._options = options
        self._registry: Registry
        self._clients: Clients
        self._runs: Runs
        self._programs: Programs
        self._streams: Streams
        self._store: BundleStore | None = None
        self._deployed = False

    @classmethod
    @asynccontextmanager
    async def from_settings(cls, settings: Settings, options: RuntimeOptions) -> AsyncGenerator[Self, None]:
        """For hosts that have read their settings already."""
        made = cls(settings, options)
        async with AsyncExitStack() as stack:
            await made._bring_up(stack)
            yield made

    @property
    def registry(self) -> Registry:
        return self._registry

    @property
    def bundles(self) -> BundleStore | None:
        """The bundle store, if this runtime has one."""
        return self._store

    @property
    def streams_file(self) -> Path | None:
        """The file with what is published to runs, where the registry names no store for that."""
        state = self._options.state
        return self._options.streams or (state / "streams.db" if state is not None else None)

    @property
    def current_bundles(self) -> frozenset[str]:
        """Hashes of the bundles of the registry's workflows as they are now."""
        return frozenset(self._programs.current)

    @property
    def current_kernels(self) -> frozenset[str]:
        """Hashes of the kernels that the bundles of the registry's workflows refer to."""
        return self._programs.kernels

    async def bundle_use(self) -> bundle_use.BundleUse:
        """Which bundles open runs need, in the namespaces of all the registry's clients."""
        return await bundle_use.bundle_use(self._registry, self._clients)

    @property
    def schedules(self) -> operations.Schedules:
        """The schedules on the servers of the registry's workers."""
        return operations.Schedules(self._registry, self._clients)

    @property
    def address(self) -> str | None:
        """The Temporal server in use; None when the registry names none."""
        if self._server_address is not None:
            return self._server_address
        clients = self.registry.of_kind(TemporalClient)
        return self.registry.resolve(clients[0]).address if clients else None

    def on_assumption(self, say: Callable[[str], None]) -> None:
        """Calls `say` with the server and namespace of each connection that is made to where nobody said, but a default."""

        def connected(client_id: str, _client: object) -> None:
            assumed = self._clients.assumed(client_id)
            if assumed is not None:
                say(assumed)

        self._clients.on_connect(connected)

    async def start(
        self,
        entry: str,
        *args: Any,
        id: str | None = None,
        worker: str | None = None,
        context: Mapping[str, Any] | None = None,
        actor: str | Mapping[str, Any] | None = None,
        scope: Sequence[str] | None = None,
        **options: Any,
    ) -> Started:
        """Starts a run: each argument is one payload; `options` are workflow options without prefix, e.g. `execution_timeout="1h"`.

        `timeout` among them is the run's time budget (`budget`) in seconds, or as a Go duration.

        With an `id`, an open run of that id is used and its PID given back, unless `id_conflict_policy` says otherwise.
        `actor` (an id, or {id, meta}) is for whom it acts, `scope` (ids of policies and groups) what it may do; None: anything.
        """
        caller = Caller(context or {}, Principal.of(actor, scope))
        payloads = [Payload.of(arg) for arg in args]
        return await self._start(StartRequest(entry, payloads, id=id, worker=worker, options=options, caller=caller))

    async def operation(
        self,
        entry: str,
        command: Mapping[str, Any],
        *,
        timeout: float | None = None,
        context: Mapping[str, Any] | None = None,
        actor: str | Mapping[str, Any] | None = None,
        scope: Sequence[str] | None = None,
    ) -> Operation:
        """Has a command carried out by a workflow, once for its domain, idem_key and actor, within `timeout` seconds.

        Raises `Error`: INVALID for what is no command, CONFLICT for a key that was used with another command.
        """
        startable = self.registry.find_startable(entry)
        if startable is None:
            raise not_found("workflow", entry)
        said = commands.checked(dict(command))
        options = {"budget": round(timeout * 1000)} if timeout is not None else {}
        caller = Caller(context or {}, Principal.of(actor, scope))
        start = commands.start_of(startable.id, said, Payload.of(said), options, caller)
        return Operation(self._runs, (await commands.begin(self._runs, start)).started.id)

    async def _start(self, request: StartRequest) -> Started:
        """Of a workflow, whose options are as somebody who writes Python gives them."""
        options = dict(request.options)
        known = {*WorkflowOptions.model_fields, "timeout"}
        for name in options:
            if name not in known:
                hint = did_you_mean(name, known)
                raise invalid(f'unknown argument "{name}"{f"; {hint}" if hint else ""}', option=name)
        if "timeout" in options:
            timeout = options.pop("timeout")
            options["budget"] = timeout if isinstance(timeout, str) else timeout * 1000
        given = {f"workflow.{name}": value for name, value in options.items()}
        meant = workflow_options(given)
        if options.get("budget") is not None and "budget" not in meant:
            raise invalid(
                "a time budget of 0 leaves the run no time: leave it out for a run without one", option="budget"
            )
        if request.id == "":
            raise invalid("an empty text is no id of a run: leave it out for one of Evermoon's making", option="id")
        return await self._runs.start(replace(request, options=meant))

    async def send(self, run: str, topic: str, *args: Any) -> None:
        """A message to a run: a signal named `topic`."""
        await self._runs.signal(run, topic, [Payload.of(arg) for arg in args])

    async def query(self, run: str, name: str, *args: Any) -> Any:
        return (await self._runs.query(run, name, [Payload.of(arg) for arg in args])).value()

    async def update(self, run: str, name: str, *args: Any) -> Any:
        return (await self._runs.update(run, name, [Payload.of(arg) for arg in args])).value()

    async def result(self, run: str, timeout: float | None = None) -> Any:
        """The run's result, through continue-as-new. Raises its failure; TIMEOUT when it still runs after `timeout` seconds."""
        return (await self._runs.result(run, timeout)).value()

    async def cancel(self, run: str, reason: str = "", by: str = "") -> None:
        """`by` says who asks, as people know them; else it is this process."""
        await self._runs.cancel(run, reason, by)

    async def terminate(self, run: str, reason: str = "", by: str = "") -> None:
        await self._runs.terminate(run, reason, by)

    async def describe(self, run: str, *, stack: bool = False, replayed: bool = False) -> RunDescription:
        """A run with a long history is asked for details and stack only if it may be `replayed` for that."""
        return await self._runs.describe(run, stack=stack, replayed=replayed)

    async def brief(self, run: str) -> RunDescription:
        """A run as `list` has it, without a question to it or a look at what is pending."""
        return await self._runs.brief(run)

    async def unserved(self, run: str) -> str | None:
        """The task queue of the run, when no worker polls it."""
        return await self._runs.unserved(run)

    async def list(self, query: str = "", limit: int = 50) -> AsyncIterator[RunDescription]:
        """Runs as a visibility query finds them, newest first. Open ones are looked at, as far as they are not too many."""
        for run in await self._runs.look([run async for run in self._runs.list(query, limit)]):
            yield run

    async def unserved_start(self, entry: str, worker: str | None = None) -> str | None:
        """Why a run of the workflow would wait in vain, or be taken up by somebody else's scripts; None when it may be started.

        Raises `Error` as `start` does for a workflow or a worker that is not there.
        """
        return await self._runs.unserved_start(entry, worker, deployed=self._deployed)

    async def own(self, query: str = "", limit: int = 50) -> Sequence[RunDescription]:
        """As `list`, of the types of this registry's workflows, as far as they could be read: of nobody else's, whatever is wrong with it."""
        types = [
            self._registry.workflow_type(entry)
            for entry in self._registry.entries.values()
            if isinstance(entry, StartableWorkflow)
        ]
        return [run async for run in self.list(of_types(types, query), limit)] if types else []

    async def history(self, run: str) -> dict[str, Any]:
        """The history, in the form `evermoon replay` reads."""
        return await self._runs.history(run)

    def follow(
        self, run: str, after: Cursor | None = None, *, wait: bool = True
    ) -> AbstractAsyncContextManager[EventFeed]:
        """What happens to the run, as `RunEvent`s, through continue-as-new: `async with … as feed: async for event in feed`.

        Begins after a cursor (the `id` of an event), or with the start; ends with the run, without `wait` with what has happened so far.
        """
        return self._runs.follow(run, after, wait=wait)

    async def _bring_up(self, stack: AsyncExitStack) -> None:
        self._registry = load_for(self._settings, self._options, served=False)
        self._connect(stack)

    def _connect(self, stack: AsyncExitStack) -> None:
        """What the registry's runs are reached with; nothing is said to a server yet."""
        registry, options = self._registry, self._options
        self._store = _store(self._settings, options)
        if self._store is not None and self._store is not options.bundles:
            stack.callback(self._store.close)
        self._deployed = not options.workers and self._store is not None and _is_deployed_to(self._store)
        self._programs = Programs(registry, self._store)
        self._streams = Streams(registry, self._position, default=self.streams_file)
        stack.push_async_callback(self._streams.close)
        self._clients = Clients(registry, address=self._server_address, namespace=options.namespace)
        self._runs = Runs(registry, self._clients, self._pinning(self._programs), self._streams.store)

    async def _position(self, run: str, run_id: str | None) -> RunPosition:
        return await self._runs.position(run, run_id)

    def _pinning(self, programs: Programs) -> Programs | None:
        """What starts are pinned with: a bundle that nobody else could find would keep the run from going on.

        Where code is deployed, whoever only starts runs leaves the choice to the workers: the files here may be those of an author.
        """
        return programs if self._store is not None and not self._deployed else None

    @property
    def _server_address(self) -> str | None:
        """The address that replaces the registry's, if one does."""
        return self._options.temporal


def load_for(settings: Settings, options: RuntimeOptions, *, served: bool = True) -> Registry:
    """What options say of loading a registry; `served` as `load_registry` takes it."""
    checked, files = options.checked, options.files
    try:
        registry = load_registry(
            settings, checked=checked, served=served, lenient=options.lenient, files=files, selection=options.selection
        )
        say_problems(registry)
        return registry
    except RegistryError as error:
        if not options.lenient or options.namespace is None:
            raise
        return Registry(settings.registry, {}, environ=settings.environ, notes=error.problems)


def _store(settings: Settings, options: RuntimeOptions) -> BundleStore | None:
    if options.bundles is not None:
        return open_store(options.bundles)
    if settings.bundles is not None:
        return open_store(settings.bundles)
    if options.state is not None:
        return DirectoryStore(options.state / "bundles")
    if options.temporal == EMBEDDED:
        return MemoryStore()
    return open_store(settings.bundle_place) if options.workers else None


def _is_deployed_to(store: BundleStore) -> bool:
    """A store that does not answer is no place to publish what a start is pinned to, either."""
    try:
        return Releases(store).newest() > 0
    except Error:
        return True
