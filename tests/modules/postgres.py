"""A PostgreSQL server for a test session: a cluster of its own in a directory of its own, on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "evermoon"


def _program(name: str) -> str:
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (directory / name).exists():
            return str(directory / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"NOT TESTED on PostgreSQL: there is no {name} here; install Debian's package postgresql")
    return found


def _as_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server() -> Iterator[str]:
    """The URL of its database `postgres`."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    directory = Path(tempfile.mkdtemp(prefix="evermoon-pg-"))
    data, port, user = directory / "data", _free_port(), _as_user()
    if user:
        shutil.chown(directory, user)
    options = f"-p {port} -k {directory} -c listen_addresses=127.0.0.1 -c fsync=off"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=user, cwd=directory, stdout=subprocess.DEVNULL, timeout=60)

    try:
        run(initdb, "-D", str(data), "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C")
        run(pg_ctl, "-D", str(data), "-w", "-l", str(directory / "log"), "-o", options, "start")
        try:
            yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        finally:
            run(pg_ctl, "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
