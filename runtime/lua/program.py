"""Programs: an entry's script with everything it imports, compiled once and run many times."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from runtime.errors import Error, invalid
from runtime.lua.compiling import compile_script
from runtime.lua.interpreter import compile_lua
from runtime.lua.kernel import Kernel, current_kernel
from runtime.modules.calls import Calls, calls
from runtime.registry import LATEST, Bundle, BundleStore, FunctionLua, MemoryStore, ProcessLua, Registry, WorkflowLua
from runtime.registry.bundles import Script

_log = logging.getLogger(__name__)

#: Seconds after which a bundle that runs still begin with is published again, so that a store knows it to be in use.
PUBLISHED_FOR = 3600.0


@dataclass(frozen=True)
class Unit:
    """One file of a program: its chunk name (path relative to the root), bytecode, what it may require, and its text."""

    name: str
    code: bytes
    modules: tuple[str, ...]
    imports: Mapping[str, str]
    source: str = ""

    @cached_property
    def digest(self) -> bytes:
        """Of the bytecode: by which an interpreter knows it that has run it before."""
        return blake2b(self.code, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Program:
    """An entry ready to run. `units` holds it and every library it reaches, by entry id; `bundle` is its hash."""

    entry: str
    method: str
    bundle: str
    memory: int
    instructions: int
    units: Mapping[str, Unit]
    kernel: Kernel = field(default_factory=current_kernel)
    calls: Calls | None = None
    """What the entries it may call said when it began; None of a program that goes by what they say."""
    input_schema: Mapping[str, Any] | bool | None = None
    """What the input of a run must match."""


class Programs:
    """The programs of one registry, and those of every bundle that a store has.

    Each is compiled when first asked for. Thread-safe: building twice is harmless. Without a `store` bundles are kept in this
    process only.
    """

    def __init__(self, registry: Registry, store: BundleStore | None = None) -> None:
        self.store: BundleStore = store if store is not None else MemoryStore()
        self._registry = registry
        self._newest: dict[str, Program] = {}
        self._by_hash: dict[str, Program] = {}
        self._kernels: dict[str, Kernel] = {}
        self._published: dict[str, float] = {}
        self._workflows: Mapping[str, str] | None = None
        self._calls: Calls | None = None

    @property
    def calls(self) -> Calls:
        """What the entries of the registry say of calls of them."""
        if self._calls is None:
            self._calls = calls(self._registry)
        return self._calls

    def renewed(self, registry: Registry) -> Programs:
        """Those of another registry, on the same store; what is compiled already is not compiled again."""
        programs = Programs(registry, self.store)
        programs._by_hash, programs._kernels = self._by_hash, self._kernels
        return programs

    def get(self, entry_id: str) -> Program:
        """The newest program of an entry: what the registry says.

        Raises `Error`: NOT_FOUND for an unknown id, INVALID for one that holds no script or does not compile.
        """
        program = self._newest.get(entry_id)
        if program is None:
            program = self._newest[entry_id] = self._built(self._bundle(entry_id), current_kernel())
        return program

    def latest(self, entry_id: str, former: Registry | None) -> Program:
        """As `get`; for an entry that this registry has no more, as a former one said it: for a call that was under way already."""
        if former is None or entry_id in self._registry:
            return self.get(entry_id)
        return self._built(Bundle.of(former, entry_id, _kernel_of), current_kernel())

    def bundle(self, hash: str) -> Program:
        """The program of a bundle: of the registry when the hash matches, else of the store. Raises `Error` as stores do."""
        program = self._by_hash.get(hash)
        if program is not None:
            return program
        entry_id = self._workflows_by_hash().get(hash)
        if entry_id is not None:
            return self.get(entry_id)
        bundle = self.store.bundle(hash)
        return self._built(bundle, self._kernel(bundle))

    @property
    def kernels(self) -> frozenset[str]:
        """Hashes of the kernels that the bundles of the registry's workflows refer to."""
        return frozenset(self._bundle(entry_id).kernel for entry_id in self._workflows_by_hash().values())

    @property
    def current(self) -> Mapping[str, str]:
        """Entry ids of the registry's workflows by the hash of their bundle."""
        return self._workflows_by_hash()

    def known(self, entry_id: str) -> Sequence[str]:
        """Hashes of the bundles that runs of a workflow may have begun with, the likeliest first."""
        current = [hash for hash, id in self._workflows_by_hash().items() if id == entry_id]
        return [*current, *(hash for hash in self.store.of(entry_id) if hash not in current)]

    def pin(self, entry_id: str) -> str:
        """What a run of this workflow that starts now is to be pinned to: its newest bundle, published; or `LATEST`.

        Raises `Error` as `get`, and UNAVAILABLE when the bundle cannot be published: no other worker could go on with the run.
        """
        entry = self._registry[entry_id]
        if isinstance(entry, WorkflowLua) and not entry.workflow.pinned:
            return LATEST
        program = self.get(entry_id)
        if self._is_due(program.bundle):
            self._publish(self._bundle(entry_id))
        return program.bundle

    def publish(self) -> None:
        """Puts the bundles of all workflows of the registry into the store. Raises `Error` UNAVAILABLE."""
        for entry_id in self._workflows_by_hash().values():
            self._publish(self._bundle(entry_id))

    def _publish(self, bundle: Bundle) -> None:
        if self._is_due(bundle.kernel):
            self.store.put_kernel(current_kernel().part(bundle.modules).data)
            self._published[bundle.kernel] = time.monotonic()
        self.store.put(bundle)
        self._published[bundle.hash] = time.monotonic()

    def _is_due(self, hash: str) -> bool:
        return time.monotonic() - self._published.get(hash, -PUBLISHED_FOR) >= PUBLISHED_FOR

    def _bundle(self, entry_id: str) -> Bundle:
        entry = self._registry[entry_id]
        if not isinstance(entry, WorkflowLua | FunctionLua | ProcessLua):
            raise invalid(f"{entry_id} is a {entry.kind}, which is not a Lua program")
        kept = self.calls if isinstance(entry, WorkflowLua) else None
        return Bundle.of(self._registry, entry_id, _kernel_of, kept)

    def _workflows_by_hash(self) -> Mapping[str, str]:
        """Entry ids of the registry's workflows by the hash of their bundle. One that has none now is told of when it runs."""
        if self._workflows is None:
            found: dict[str, str] = {}
            for entry in self._registry.of_kind(WorkflowLua):
                try:
                    found[self._bundle(entry.id).hash] = entry.id
                except Error as error:
                    _log.warning("%s has no bundle: %s", entry.id, error)
            self._workflows = found
        return self._workflows

    def _kernel(self, bundle: Bundle) -> Kernel:
        """This version's own where it has the same files for the bundle; it has others besides, which the bundle cannot load."""
        if bundle.kernel == _kernel_of(bundle.modules):
            return current_kernel()
        kernel = self._kernels.get(bundle.kernel)
        if kernel is None:
            kernel = self._kernels[bundle.kernel] = Kernel.read(self.store.kernel(bundle.kernel))
        return kernel

    def _built(self, bundle: Bundle, kernel: Kernel) -> Program:
        program = self._by_hash.get(bundle.hash)
        if program is None:
            program = self._by_hash[bundle.hash] = _program(bundle, kernel)
        return program


def _kernel_of(modules: Iterable[str]) -> str:
    """The hash of what scripts that list these modules can load of the kernel of this version."""
    return current_kernel().part(modules).hash


def _compiled(script: Script, kernel: Kernel) -> bytes:
    if kernel.keeps_lines:
        return compile_script(script.source, script.name, script.modules, tuple(script.imports))
    return compile_lua(script.source.encode(), f"@{script.name}".encode())


def _program(bundle: Bundle, kernel: Kernel) -> Program:
    units = {
        id: Unit(
            script.name,
            _compiled(script, kernel),
            script.modules,
            script.imports,
            script.source,
        )
        for id, script in bundle.scripts.items()
    }
    return Program(
        entry=bundle.entry,
        method=bundle.method,
        bundle=bundle.hash,
        memory=bundle.memory,
        instructions=bundle.instructions,
        units=units,
        kernel=kernel,
        calls=bundle.calls,
        input_schema=bundle.input_schema,
    )
