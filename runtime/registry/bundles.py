"""Bundles: the code a run began with, whole, and identified by the hash of its stored form.

A bundle holds everything that decides what a script does: its source and all it imports, what each file may require, the
method, the limits, and the hash of the kernel it runs on. Nothing of the registry is needed to run one later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from runtime.errors import invalid
from runtime.registry.kinds.lua import LuaEntry, RunnableLua, WorkflowLua
from runtime.registry.registry import Registry
from runtime.registry.units import thawed

#: Part of every bundle, so of every hash; changes with the shape of the stored form.
FORMAT = 2

#: What stands for a hash where a run takes the newest code at any time.
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Script:
    """One file of a bundle: its chunk name (path relative to the root), its text, and what it may require."""

    name: str
    source: str
    modules: tuple[str, ...]
    imports: Mapping[str, str]


@dataclass(frozen=True)
class Bundle:
    """The code of a workflow. `scripts` holds the entry's own file and all it reaches, by entry id. `kernel` is the hash of the stored form of a
    kernel: of those of its files that the scripts can load, so that a change of another module is none of the bundle's.

    `calls` is what the entries that a workflow may call said when it began (`runtime.modules.calls`); None where nothing of
    the kind is kept. `input_schema` judges the input of its runs; None where there is none, and in bundles that are older than that.
    """

    entry: str
    method: str
    kernel: str
    memory: int
    instructions: int
    scripts: Mapping[str, Script]
    calls: Mapping[str, Mapping[str, Any]] | None = None
    input_schema: Mapping[str, Any] | bool | None = None

    @classmethod
    def of(
        cls,
        registry: Registry,
        entry_id: str,
        kernel_of: Callable[[frozenset[str]], str],
        calls: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Bundle:
        """The bundle of an entry as the registry has it now: only names relative to a root enter it.

        `kernel_of` gives the hash of the kernel for the modules that the entry and its libraries list.
        Raises `Error` NOT_FOUND for an unknown entry, INVALID for one that is not Lua or whose limits lack an
        environment variable.
        """
        entry = _lua(registry, entry_id)
        scripts = _scripts(registry, entry_id)
        return cls(
            entry=entry_id,
            method=entry.method if isinstance(entry, RunnableLua) else "",
            kernel=kernel_of(_listed(scripts)),
            memory=entry.limits.memory,
            instructions=entry.limits.instructions,
            scripts=scripts,
            calls=calls,
            input_schema=thawed(entry.input_schema) if isinstance(entry, WorkflowLua) else None,
        )

    @classmethod
    def read(cls, data: bytes) -> Bundle:
        """The inverse of `data`. Raises `Error` INVALID for a form this version does not know."""
        try:
            document = json.loads(data)
            if document["format"] != FORMAT:
                raise invalid(f"a bundle of format {document['format']!r} needs another version of Evermoon")
            limits = document["limits"]
            scripts = {id: _script(item) for id, item in document["scripts"].items()}
            return cls(
                document["entry"],
                document["method"],
                document["kernel"],
                limits["memory"],
                limits["instructions"],
                scripts,
                document.get("calls"),
                document.get("input_schema"),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise invalid(f"this is no bundle: {error!r}") from None

    @property
    def modules(self) -> frozenset[str]:
        """What its scripts may require."""
        return _listed(self.scripts)

    @cached_property
    def data(self) -> bytes:
        """The stored form: canonical JSON, the same on every machine that has the same files."""
        calls = {} if self.calls is None else {"calls": self.calls}
        schema = {} if self.input_schema is None else {"input_schema": self.input_schema}
        return canonical(
            {
                **calls,
                **schema,
                "format": FORMAT,
                "entry": self.entry,
                "method": self.method,
                "kernel": self.kernel,
                "limits": {"memory": self.memory, "instructions": self.instructions},
                "scripts": {
                    id: {
                        "name": script.name,
                        "source": script.source,
                        "modules": list(script.modules),
                        "imports": dict(script.imports),
                    }
                    for id, script in self.scripts.items()
                },
            }
        )

    @cached_property
    def hash(self) -> str:
        return sha256(self.data)


def canonical(value: Any) -> bytes:
    """JSON in the one form that is stored and hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _script(item: Mapping[str, Any]) -> Script:
    return Script(item["name"], item["source"], tuple(item["modules"]), dict(item["imports"]))


def _listed(scripts: Mapping[str, Script]) -> frozenset[str]:
    return frozenset(name for script in scripts.values() for name in script.modules)


def _scripts(registry: Registry, entry_id: str) -> dict[str, Script]:
    """The entry and all it imports, by id."""
    found: dict[str, Script] = {}
    waiting = [entry_id]
    while waiting:
        id = waiting.pop()
        if id in found:
            continue
        entry = _lua(registry, id)
        modules = tuple(sorted(set(entry.modules)))
        found[id] = Script(entry.source.name, entry.source.text, modules, dict(entry.imports))
        waiting.extend(entry.imports.values())
    return found


def _lua(registry: Registry, id: str) -> LuaEntry:
    entry = registry.resolve(registry[id])
    if not isinstance(entry, LuaEntry):
        raise invalid(f"{id} is a {entry.kind}, and has no bundle")
    return entry
