"""The runner of test files on the virtual host, and the reading of what a run of them answers on any host."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.errors import Error, invalid
from runtime.lua.check import lua_checks
from runtime.lua.program import Programs
from runtime.principal import Caller
from runtime.process.host_port import LogPort, log_line
from runtime.registry import Registry, RegistryError
from runtime.testing.lua_files import NAMESPACE, LuaFile, with_tests
from runtime.testing.mocked_runs import MockedRuns
from runtime.testing.registry_host import RegistryHost, new_world
from runtime.testing.world import StandIn

#: Of a test, whose runs are others.
_PID = "{test:worker|test}"
_log = logging.getLogger("evermoon.test")


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


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A test file whose body failed, so that nobody knows its cases."""

    file: LuaFile
    message: str
    stack: str = ""


class Suite:
    """A suite of test files beside the entries of a registry. `given` answers in place of functions; see `World`. `context`: what `ctx` shows.
    `log` gets the lines that tests and what they run write.

    Raises `RegistryError` for files that do not compile or list modules they may not have. Listing the cases runs the
    body of each file, and raises the `Error` of one that fails.
    """

    def __init__(
        self,
        registry: Registry,
        files: Sequence[LuaFile],
        *,
        given: Mapping[str, StandIn] | None = None,
        context: Mapping[str, Any] | None = None,
        log: LogPort = log_line,
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
        self._log = log

    @functools.cached_property
    def cases(self) -> list[Case]:
        return [case for file in self.files for case in self._cases_of(file)]

    @functools.cached_property
    def collected(self) -> list[Case | Unreadable]:
        """As `cases`, with a file that fails in the place of its cases."""
        return [item for file in self.files for item in self._collected_of(file)]

    def run(self, case: Case) -> Outcome:
        """Runs one case in an execution of its own, which must then replay to the same bytes.

        Whatever happens to it is its outcome: a fault of the host, too, with the place where it happened.
        """
        try:
            return self._run(case)
        except Error as error:
            return Outcome(case, False, *failure_of(case, error))
        except Exception as error:
            _log.exception("%s: the host failed", case.id)
            return Outcome(case, False, f"{case.at}: the host failed: {type(error).__name__}: {error}")

    def _run(self, case: Case) -> Outcome:
        runs = MockedRuns(self.registry, self._programs, self._log)
        host = self._host(case.file, runs.stands(), self._log)
        try:
            answer = host.run(request(case.file, [case], "virtual"))
            host.replay()
            return outcomes([case], answer)[0]
        finally:
            runs.close()
            host.close()

    def _collected_of(self, file: LuaFile) -> Iterable[Case | Unreadable]:
        try:
            return list(self._cases_of(file))
        except Error as error:
            return [Unreadable(file, f"{error}", error.stack or "")]

    def _cases_of(self, file: LuaFile) -> Iterable[Case]:
        host = self._host(file, {}, _unheard)
        try:
            listed = host.run()
        finally:
            host.close()
        if not isinstance(listed, list):
            raise invalid(f"{file.source.path} does not return test.describe(...)")
        for number, item in enumerate(listed, 1):
            on = frozenset((item.get("on") or " ".join(file.hosts)).split())
            yield Case(file, number, item["name"], item["at"], on & set(file.hosts), item["alone"])

    def _host(self, file: LuaFile, stands: Mapping[str, StandIn], log: LogPort) -> RegistryHost:
        given = {**self._given, **stands}
        world = new_world(self.registry, self._programs, given=given, log=log)
        return RegistryHost(world, file.id, caller=Caller(self._context), pid=_PID)


def _unheard(_level: str, _message: str, _about: Mapping[str, Any], /) -> None:
    """Nobody hears what the body of a file writes when it is listed: each of its cases writes that again."""


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
