"""The conformance suite's registry, and its files on a real Temporal server and on the process host."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.contracts import StartRequest
from runtime.errors import Error
from runtime.lua.program import Programs
from runtime.payload import Payload
from runtime.principal import Caller
from runtime.process.host import ProcessHost
from runtime.registry import Registry
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients
from runtime.temporal.client.runs import Runs
from runtime.temporal.replay.replayer import replay
from runtime.temporal.worker.workers import Workers
from runtime.testing.lua_files import LuaFile, with_tests
from runtime.testing.suite import Case, Outcome, Suite, failure_of, outcomes, request
from tests.definitions import worker_entries
from tests.lua import outside
from tests.workers import Watch, WorkerEnded

SCRIPTS = Path(__file__).parent / "conformance"
FOR_EVER = 3600.0  # seconds: a busy machine is no failure, a worker that ends is told, and the test's own time limit ends what hangs
CONTEXT = {"tenant": "acme", "flags": {"beta": True}}

_OUTSIDE = {
    "temporal": {"activity": {"worker": "conformance:worker"}},
    "options": {"activity.retry_policy": {"maximum_attempts": 1}},
}
_POLICIES = [
    {"name": "callers", "kind": "security.policy", "groups": ["staff"],
     "policy": {"actions": ["funcs.call", "read"], "resources": ["fn:calls.add", "fn:secured.*", "doc:*"], "effect": "allow"}},
    {"name": "no_text", "kind": "security.policy", "groups": ["staff"],
     "policy": {"actions": "read", "resources": "*", "effect": "deny",
                "conditions": [{"field": "meta.kind", "operator": "eq", "value": "text"}]}},
]  # fmt: skip
_SAYS = re.compile(r"^-- (\w+): (.*)$", re.MULTILINE)


def write_registry(
    directory: Path, *, programs_as: str = "workflow.lua", options: Mapping[str, Any] | None = None
) -> Path:
    """A registry over the scripts: ``fn:<file>.<method>`` are activities, ``programs:<file>.<method>`` run by themselves.

    `options` are those of the worker. A file's own comments say its methods, modules and options (``-- methods:``, ``-- modules:``, ``-- local:``, …).
    """
    client, worker = worker_entries(f"conformance-{uuid.uuid4()}")
    run = {"name": "run", "kind": "library.lua", "source": "file://lib/run.lua", "modules": ["funcs", "workflow"]}
    somebody = {"name": "outside", "kind": "function.py", "source": "py://tests.lua.outside:act", "meta": _OUTSIDE}
    processes = {"name": "processes", "kind": "process.host"}
    sections = {
        "conformance": [
            client,
            {**worker, "worker_options": dict(options or {})},
            run,
            somebody,
            processes,
            *_POLICIES,
        ],
        "processes": [
            item for path in sorted((SCRIPTS / "processes").glob("*.lua")) for item in _entries(path, "process.lua")
        ],
        "fn": [item for path in sorted((SCRIPTS / "functions").glob("*.lua")) for item in _functions(path)],
        "programs": [
            item for path in sorted((SCRIPTS / "programs").glob("*.lua")) for item in _entries(path, programs_as)
        ],
    }
    for namespace, entries in sections.items():
        document = {"namespace": namespace, "root": str(SCRIPTS), "entries": entries}
        (directory / f"{namespace}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return directory


def load(directory: Path, **options: Any) -> Registry:
    return Registry.load(write_registry(directory, **options), environ={})


def _entries(path: Path, kind: str) -> list[dict[str, Any]]:
    says = dict(_SAYS.findall(path.read_text()))
    meta = {"temporal": {"workflow": {"worker": "conformance:worker"}}} if kind == "workflow.lua" else {}
    source = f"file://{path.relative_to(SCRIPTS).as_posix()}"
    modules = says.get("modules", "").split()
    return [
        {"name": f"{path.stem}.{method}", "kind": kind, "source": source, "modules": modules, "method": method, "meta": meta}
        for method in says["methods"].split()
    ]  # fmt: skip


def _functions(path: Path) -> list[dict[str, Any]]:
    says = dict(_SAYS.findall(path.read_text()))
    here = says.get("local", "").split()
    plain = says.get("plain", "").split()
    retries = {"maximum_attempts": 2, "initial_interval": "1ms"}
    for entry in (entries := _entries(path, "function.lua")):
        method = entry["method"]
        if method not in plain:
            entry["meta"] = {"temporal": {"activity": {"worker": "conformance:worker", "local": method in here}}}
            entry["meta"]["options"] = {"activity.retry_policy": retries}
            if method in says.get("heartbeats", "").split():
                entry["meta"]["options"]["activity.heartbeat_timeout"] = "10s"
    return entries


@dataclass
class TemporalSite:
    """Test files as workflows of real workers: everything runs side by side, for most of it is waiting."""

    registry: Registry
    runs: Runs
    workers: Workers
    outcomes: dict[Case, Outcome] = field(default_factory=dict)
    ended: WorkerEnded | None = None
    told: bool = False

    def outcome(self, case: Case) -> Outcome:
        """Where a worker ended, the first to ask is told so, and for the others there is nothing to say."""
        if self.ended is None:
            return self.outcomes[case]
        if self.told:
            pytest.skip("its worker ended")
        self.told = True
        raise self.ended

    async def run(self, cases: Sequence[Case]) -> None:
        """Runs the cases: those of a file in one run, each that must be alone in its own."""
        groups: dict[tuple[LuaFile, int], list[Case]] = {}
        for case in cases:
            groups.setdefault((case.file, case.number if case.alone else 0), []).append(case)
        answers = await asyncio.gather(*(self._run(file, group) for (file, _), group in groups.items()))
        self.outcomes = {outcome.case: outcome for answer in answers for outcome in answer}

    async def _run(self, file: LuaFile, cases: Sequence[Case]) -> list[Outcome]:
        argument = Payload.of(request(file, cases, "temporal"))
        run = await self.runs.start(StartRequest(file.id, [argument], caller=Caller(CONTEXT)))
        try:
            answer = outcomes(cases, (await self.runs.result(run.id, FOR_EVER)).value())
        except Error as error:
            answer = [Outcome(case, False, *failure_of(case, error)) for case in cases]
        replayed = await replay([await self.runs.history(run.id)], self.registry)
        if replayed[0].failure is None:
            return answer
        return [Outcome(case, False, f"{case.at}: the run does not replay: {replayed[0].failure}") for case in cases]


@asynccontextmanager
async def temporal_site(
    directory: Path, suite: Suite, address: str, *, options: Mapping[str, Any] | None = None
) -> AsyncIterator[TemporalSite]:
    """With every case of the suite run that is for Temporal. `options` are those of the worker."""
    registry = with_tests(load(directory, options=options), suite.files, worker="conformance:worker")
    programs = Programs(registry)
    clients = Clients(registry, address=address)
    runs = Runs(registry, clients, programs)
    host = ProcessHost(registry, programs, workflows=runs)
    watch = Watch()
    workers = Workers(registry, clients, programs, host, runs, on_fatal=watch)
    await workers.start()
    outside.use(runs)
    try:
        site = TemporalSite(registry, runs, workers)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(rpc, "TIMEOUT", timedelta(seconds=FOR_EVER))
                async with watch:
                    await site.run([case for case in suite.cases if "temporal" in case.on])
        except WorkerEnded as ended:
            site.ended = ended
        yield site
    finally:
        await workers.stop()
        await host.close(0)


@dataclass
class ProcessSite:
    """Test files as functions of a process host; every case its own call."""

    host: ProcessHost

    async def outcome(self, case: Case) -> Outcome:
        argument = Payload.of(request(case.file, [case], "process"))
        try:
            answer = await self.host.call(case.file.id, [argument], caller=Caller(CONTEXT))
        except Error as error:
            return Outcome(case, False, *failure_of(case, error))
        return outcomes([case], answer.value())[0]


@asynccontextmanager
async def process_site(directory: Path, files: Sequence[LuaFile]) -> AsyncIterator[ProcessSite]:
    registry = with_tests(load(directory, programs_as="function.lua"), files, as_functions=True)
    host = ProcessHost(registry, Programs(registry))
    try:
        yield ProcessSite(host)
    finally:
        await host.close(0)
