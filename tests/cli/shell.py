"""Running `evermoon` as a person would: as a process of its own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVERMOON = [sys.executable, "-m", "runtime.cli.main"]
_PATIENCE = 300.0


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "EVERMOON_"))}
    return {**kept, **(more or {})}


def evermoon(directory: Path, *words: str, env: Mapping[str, str] | None = None) -> Outcome:
    """The command, run to its end in `directory`."""
    done = subprocess.run(
        [*EVERMOON, *words], cwd=directory, env=environment(env), capture_output=True, text=True, timeout=_PATIENCE
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def on_terminal(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """What a command shows on a terminal of its own; it must end well."""
    ours, its = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(words, env=environ, stdin=its, stdout=its, stderr=its, start_new_session=True)
        os.close(its)
        shown = bytearray()
        with suppress(OSError):  # how Linux says that nobody has the other end any more
            while chunk := terminal.read(4096):
                shown += chunk
    assert process.wait(_PATIENCE) == 0, shown
    return shown.decode()


@contextmanager
def running(
    directory: Path, *words: str, env: Mapping[str, str] | None = None, log: str = "stderr.log"
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A command that stays, and the line of JSON it began with; `log` has what it says on standard error. Ended, if it has not been, by SIGTERM, with status 0."""
    told = directory / log
    with told.open("w") as stream:
        process = subprocess.Popen(
            [*EVERMOON, *words, "--json"],
            cwd=directory,
            env=environment(env),
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, told.read_text()
        yield process, json.loads(line)
        if process.poll() is None:
            process.terminate()
        assert process.wait(_PATIENCE) == 0, told.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
