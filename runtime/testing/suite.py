"""The runner of test files on the virtual host, and the reading of what a run of them answers on any host."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.errors import Error, invalid
from runtime.lua.check import lua_checks
from runtime.lua.program import Programs
from runtime.registry import Registry, RegistryError
from runtime.testing.lua_files import NAMESPACE, LuaFile, with_tests
from runtime.testing.mocked_runs import MockedRuns
from runtime.testing.registry_host import RegistryHost, Stand


@dataclass(frozen=True, slots=True)
class Case:
    """One ``test.it``. `number` is its place in the file, from 1; `at` its ``file:line``; `alone`: not with others in one run."""

    file: LuaFile
    number: int
    name: str
    at: str
    on: frozenset[str]
    alone: bool

    @property
    def id(self) -> str:
        return f"{self.file.name.removesuffix('_test')}: {self.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a case. `message` begins with the ``file:line`` of the expectation that failed."""

    case: Case
    ok: bool
    message: str = ""
    stack: str = ""


class Suite:
    """A suite of test files beside the entries of a registry. `given` answers in place of functions; see `RegistryHost`. `context`: what `ctx` shows.

    Raises `RegistryError` for files that do not compile or list modules they may not have. Listing the cases runs the
    body of each file, and raises the `Error` of one that fails.
    """

    def __init__(
        self,
        registry: Registry,
        files: Sequence[LuaFile],
        *,
        given: Mapping[str, Stand] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.registry = with_tests(registry, files)
        found = [item for item in lua_checks(self.registry) if (item.entry_id or "").startswith(f"{NAMESPACE}:")]
        problems = [item for item in found if item.severity == "error"]
        if problems:
            raise RegistryError(problems)
        self.files = list(files)
        self._programs = Programs(self.registry)
        self._given = dict(given or {})
        self._context = dict(context or {})

    @functools.cached_property
    def cases(self) -> list[Case]:
        return [case for file in self.files for case in self._cases_of(file)]

    def run(self, case: Case) -> Outcome:
        """Runs one case in an execution of its own, which must then replay to the same bytes."""
        runs = MockedRuns(self.registry, self._programs)
        host = self._host(case.file, runs.stands())
        try:
            try:
                answer = host.run(request(case.file, [case], "virtual"))
            except Error as error:
                return Outcome(case, False, *failure_of(case, error))
            host.replay()
            return outcomes([case], answer)[0]
        finally:
            runs.close()
            host.close()

    def _cases_of(self, file: LuaFile) -> Iterable[Case]:
        host = self._host(file, {})
        try:
            listed = host.run()
        finally:
            host.close()
        if not isinstance(listed, list):
            raise invalid(f"{file.source.path} does not return test.describe(...)")
        for number, item in enumerate(listed, 1):
            on = frozenset((item.get("on") or " ".join(file.hosts)).split())
            yield Case(file, number, item["name"], item["at"], on & set(file.hosts), item["alone"])

    def _host(self, file: LuaFile, stands: Mapping[str, Stand]) -> RegistryHost:
        given = {**self._given, **stands}
        return RegistryHost(self.registry, self._programs, file.id, given=given, context=self._context)


def request(file: LuaFile, cases: Sequence[Case], host: str) -> dict[str, Any]:
    """The argument that makes a test file run these cases of it."""
    assert all(case.file is file for case in cases)
    return {"run": [case.number for case in cases], "host": host}


def outcomes(cases: Sequence[Case], answer: Any) -> list[Outcome]:
    """What a test file answered to a `request` for these cases."""
    return [
        Outcome(case, item["ok"], item.get("message", ""), item.get("stack", ""))
        for case, item in zip(cases, answer, strict=True)
    ]


def failure_of(case: Case, error: Error) -> tuple[str, str]:
    """Message and stack for a case whose whole execution failed."""
    return f"{case.at}: the execution failed: {error.kind or 'error'}: {error}", error.stack or ""
