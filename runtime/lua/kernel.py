"""The Lua that every script runs on: kernel and modules, as one object that can be stored and brought back.

A run keeps the kernel it began with, so there may be several in one process; each compiles its own files when first used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable

from runtime.errors import invalid
from runtime.lua.compiling import without_tail_calls
from runtime.lua.interpreter import compile_stripped
from runtime.modules.catalogue import ALWAYS
from runtime.registry.bundles import canonical, sha256

_PACKAGES = ("kernel", "modules")
_BOOT = "kernel/boot"
#: Files with functions that scripts call.
_CALLED = ("modules/", "kernel/future", "kernel/payload")
#: What `kernel/boot` loads at once, and is therefore put into one chunk with it.
_USED = re.compile(r'^ *(?:local \w+ = )?K\.use\("(kernel/\w+)"\)$', re.MULTILINE)
#: What a kernel says of itself and of how its scripts are compiled, a file of the modules' files that it loads, and of what it gives.
_KEEPS_LINES = "-- Its scripts keep the lines of tail calls.\n"
_COUNTS_GIVEN = "-- Its memory is what it holds, and what it is given counts.\n"
_SPEAKS = re.compile(r"^-- Speaks protocol (\d+)\.$", re.MULTILINE)
_LOADS = re.compile(r'"(modules/[\w/]+)"')
_GIVES = re.compile(r"^-- On first use of: (.+)$", re.MULTILINE)


class Kernel:
    """The sources of a kernel and its modules. `sources` are by chunk name (``kernel/limits``, ``modules/time``). `data` is the stored form, `hash` its SHA-256,
    `protocol` how it is spoken to, `keeps_lines` whether scripts are compiled for it so that calls of the API keep their lines,
    `counts_given` whether events and answers of the host end a run that has no memory for them. Thread-safe.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = dict(sources)
        self._chunks: dict[str, bytes] = {}
        self.data = canonical(self._sources)
        self.hash = sha256(self.data)
        boot = self._sources.get(_BOOT, "")
        self.keeps_lines = _KEEPS_LINES in boot
        self.counts_given = _COUNTS_GIVEN in boot
        spoken = _SPEAKS.search(boot)
        self.protocol = int(spoken[1]) if spoken else 1

    @classmethod
    def read(cls, data: bytes) -> Kernel:
        """The inverse of `data`. Raises `Error` INVALID for what is no kernel."""
        try:
            sources = json.loads(data)
        except ValueError:
            sources = None
        if not isinstance(sources, dict) or _BOOT not in sources:
            raise invalid("this is no kernel")
        return cls(sources)

    def part(self, modules: Iterable[str]) -> Kernel:
        """What a script that lists these modules can ever load of it, and those that every script has: what decides how it runs."""
        return self._part(frozenset(modules))

    @lru_cache(maxsize=256)  # noqa: B019 - of the current kernel only, which is there for as long as the process
    def _part(self, modules: frozenset[str]) -> Kernel:
        found: dict[str, str] = {}
        waiting = [name for name in self._sources if name.startswith("kernel/")]
        waiting += [f"modules/{name}" for name in (*ALWAYS, *modules)]
        while waiting:
            name = waiting.pop()
            if name not in found and name in self._sources:
                found[name] = self._sources[name]
                waiting += _LOADS.findall(found[name])
        return Kernel(found)

    def chunk(self, name: str) -> bytes:
        """Bytecode of a file; a name without a package is a module's. Raises KeyError for no such file."""
        code = self._chunks.get(name)
        if code is None:
            full = name if name.partition("/")[0] in _PACKAGES else f"modules/{name}"
            source = self._sources[full]
            if full == _BOOT:
                source = self._core() + source
            elif self.protocol > 1:  # every program of an interpreter has an environment of its own
                source = f"return {_of_its_environment(source)}"
            # Stripped: it loads in half the time, and frames without a source are how the kernel tells its own from a script's.
            code = compile_stripped(source.encode(), f"=evermoon/{full}".encode())
            if self.keeps_lines and full.startswith(_CALLED):
                code = without_tail_calls(code)
            self._chunks[name] = code
        return code

    @cached_property
    def _givers(self) -> Mapping[str, str]:
        return {
            given: file
            for file, source in self._sources.items()
            for line in _GIVES.findall(source)
            for given in line.split()
        }

    def giver(self, name: str) -> str | None:
        """The file that gives this name of the kernel's, for one that loads its files on demand."""
        return self._givers.get(name)

    def _core(self) -> str:
        """Text that puts the core into a local of the chunk it begins. A kernel of protocol 1 knows no such local and asks for each file."""
        names = _USED.findall(self._sources[_BOOT])
        functions = "".join(f'["{name}"] = {_of_its_environment(self._sources[name])},\n' for name in names)
        return f"local CORE = {{\n{functions}}}\n" if self.protocol > 1 else ""


def _of_its_environment(source: str) -> str:
    """A file as an expression: a function that runs it in an environment."""
    return f"function(_ENV) {source}\nend"


@cache
def current_kernel() -> Kernel:
    """The kernel of this version of Evermoon, as its files were when first asked for."""
    home = resources.files("runtime")
    return Kernel({name: text for package in _PACKAGES for name, text in _sources(home.joinpath(package), package)})


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, str]]:
    """The Lua files of a folder by chunk name; `init.lua` is that of the folder itself, as in Lua's own search path."""
    for path in folder.iterdir():
        stem, _, kind = path.name.rpartition(".")
        if kind == "lua":
            yield name if stem == "init" else f"{name}/{stem}", path.read_text(encoding="utf-8")
        elif path.is_dir():
            yield from _sources(path, f"{name}/{path.name}")
