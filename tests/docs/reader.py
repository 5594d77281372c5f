"""A reader who follows a page: writes its files, types its commands, and looks whether what is printed is what it says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.docs.pages import Block, commands, matches

#: Perhaps with variables before it and options behind it.
_DEV = re.compile(r"(\w+=\S+ )*evermoon dev( .+)?")
_PATIENCE = 300.0
_POLL = 0.05

#: Where the pages say `evermoon dev` listens; with the port taken it listens elsewhere, and says so.
_ADDRESSES = {"address": "127.0.0.1:7233", "ui": "127.0.0.1:8233", "http": "127.0.0.1:8080"}


class Reader:
    """Works in `directory`. `evermoon dev` runs until the page starts it again or the reader leaves; it must end with 0."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._log = directory / "dev.log"
        self._dev: subprocess.Popen[bytes] | None = None
        self._status = 0
        settings = ("TEMPORAL", "EVERMOON")
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
        self._environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self._environ['PATH']}"

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end_dev()

    def follow(self, block: Block) -> None:
        if block.language == "console":
            for command, expected in commands(block):
                self._type(block, command, expected)
        elif block.info:
            self._write(block)

    def _write(self, block: Block) -> None:
        path = self.directory / block.info
        path.parent.mkdir(parents=True, exist_ok=True)
        replaced = path.exists()
        reloads = self._log.read_text().count("reloaded") if self._dev else 0
        path.write_text(self._where_it_listens(block.text))
        if self._dev and replaced:
            self._wait(lambda log: log.count("reloaded") > reloads, block)

    def _type(self, block: Block, command: str, expected: str) -> None:
        if command.startswith("cd "):
            self.directory = self.directory / command[3:]
            return
        if command.startswith("export "):
            words = self._where_it_listens(command).split()[1:]
            self._environ.update({name: value for name, _, value in (word.partition("=") for word in words)})
            return
        if _DEV.fullmatch(command):
            self._start_dev(block, command, expected)
            return
        if command == "echo $?":
            assert str(self._status) == expected.strip(), block
            self._status = 0
            return
        assert self._status == 0, f"{block}: the command before {command!r} failed"
        done = subprocess.run(
            ["bash", "-c", self._where_it_listens(command)],
            cwd=self.directory,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        self._status = done.returncode
        assert matches(expected, done.stdout), f"{block}: $ {command}\n{done.stdout}\n--- instead of ---\n{expected}"

    def finish(self) -> None:
        assert self._status == 0, "the last command failed"
        assert self._end_dev() == 0, f"evermoon dev did not end well:\n{self._log.read_text()}"

    def _start_dev(self, block: Block, command: str, expected: str) -> None:
        assert self._end_dev() == 0, f"{block}: evermoon dev did not end well"
        with self._log.open("wb") as log:
            self._dev = subprocess.Popen(
                ["env", *command.split()],
                cwd=self.directory,
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait(lambda text: "ready;" in text, block)
        wanted = self._where_it_listens(expected)
        assert matches(wanted, self._log.read_text()), (
            f"{block}:\n{self._log.read_text()}\n--- instead of ---\n{wanted}"
        )

    def _end_dev(self) -> int:
        dev, self._dev = self._dev, None
        if dev is None:
            return 0
        dev.send_signal(signal.SIGINT)
        try:
            return dev.wait(_PATIENCE)
        finally:
            dev.kill()

    def _wait(self, arrived: Callable[[str], bool], block: Block) -> None:
        assert self._dev is not None
        until = time.monotonic() + _PATIENCE
        while not arrived(self._log.read_text()):
            assert self._dev.poll() is None, f"{block}: evermoon dev ended:\n{self._log.read_text()}"
            assert time.monotonic() < until, f"{block}: evermoon dev says\n{self._log.read_text()}"
            time.sleep(_POLL)

    def _where_it_listens(self, text: str) -> str:
        state = self.directory / ".evermoon" / "dev.json"
        if not state.exists():
            return text
        found = json.loads(state.read_text())
        actual = {"address": found["address"], "ui": found["ui"], "http": next(iter(found["http"].values()))}
        for name, address in _ADDRESSES.items():
            text = text.replace(address, actual[name].removeprefix("http://"))
        return text
