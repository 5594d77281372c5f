"""The follower of deploys, which looks for the newest release of the bundle store once a second and takes it up.

A release that cannot be taken up is refused whole: the process goes on with what it serves, and says so, in its log and in the
store, where `evermoon deploy` finds it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from runtime.app.runtime import Runtime
from runtime.errors import UNAVAILABLE, Error
from runtime.loading import load_registry
from runtime.registry import REPORT_EVERY, FileSet, RegistryError, Releases, Report, open_store
from runtime.settings import Settings

_log = logging.getLogger("evermoon.releases")
_LOOK_EVERY = 1.0
#: Seconds before a release that was refused for want of something that may come back is tried again.
_AGAIN_AFTER = 10.0


class DeployFollower:
    """The follower in one process. `serving` is the number of the release that it serves, or 0 for its own files."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._releases = Releases(open_store(settings.bundle_place))
        self._node = uuid.uuid4().hex[:12]
        self.serving = 0
        self._refused, self._problem = 0, ""
        self._again = 0.0
        self._reported = 0.0
        self._told = False

    async def first(self) -> FileSet | None:
        """The files to start with: those of the newest release that can be used here; None when there is none. Raises `Error`
        UNAVAILABLE when the store cannot be reached."""
        for release in await asyncio.to_thread(self._releases.listed):
            try:
                files = await asyncio.to_thread(self._releases.files, release)
                await asyncio.to_thread(load_registry, self._settings, files=files)
            except Error as error:
                if not self._refused:  # the newest is what matters to those who deploy
                    self._refuse(release.number, error)
                continue
            _log.info("release %d is served, not the files of %s", release.number, self._settings.registry)
            self.serving = release.number
            return files
        if self._refused:
            _log.error("no release can be used here: the files of %s are served", self._settings.registry)
        return None

    @asynccontextmanager
    async def following(self, runtime: Runtime) -> AsyncIterator[None]:
        """Looks for releases and reports, until the context is left."""
        await self._report()
        task = asyncio.create_task(self._follow(runtime), name="releases")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with suppress(Error):
                await asyncio.to_thread(self._releases.leave, self._node)

    async def _follow(self, runtime: Runtime) -> None:
        while True:
            try:
                await self._look(runtime)
                if time.monotonic() - self._reported >= REPORT_EVERY:
                    await self._report()
                self._told = False
            except Error as error:
                if not self._told:
                    _log.warning("releases are not seen: %s", error)
                self._told = True
            except Exception:
                _log.exception("releases could not be looked at")
            await asyncio.sleep(_LOOK_EVERY)

    async def _look(self, runtime: Runtime) -> None:
        number = await asyncio.to_thread(self._releases.newest)
        if number <= self.serving or (number == self._refused and time.monotonic() < self._again):
            return
        try:
            files = await asyncio.to_thread(self._files, number)
            await runtime.reload(files)
        except Error as error:
            self._refuse(number, error)
        else:
            self.serving, self._refused, self._problem = number, 0, ""
            _log.info("release %d is served", number)
        await self._report()

    def _files(self, number: int) -> FileSet:
        return self._releases.files(self._releases.get(number))

    def _refuse(self, number: int, error: Error) -> None:
        problem = _said(error)
        if (number, problem) != (self._refused, self._problem):
            for line in problem.splitlines():
                _log.error("%s", line)
            going_on = f": release {self.serving} goes on" if self.serving else ""
            _log.error("release %d is refused%s", number, going_on)
        self._refused, self._problem = number, problem
        self._again = time.monotonic() + _AGAIN_AFTER if error.kind == UNAVAILABLE else float("inf")

    async def _report(self) -> None:
        report = Report(self._node, socket.gethostname(), os.getpid(), self.serving, self._refused, self._problem)
        await asyncio.to_thread(self._releases.report, report)
        self._reported = time.monotonic()


def _said(error: Error) -> str:
    if isinstance(error, RegistryError):
        return "\n".join(str(problem) for problem in error.problems if problem.severity == "error")
    return str(error)
