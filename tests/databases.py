"""Database servers for a test session: each in a directory of its own, on loopback, and stopped with the session.

`tests/servers.sh` installs what is needed. Where it is missing the tests that want it are skipped, and say so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pymysql
import pytest
from redis import Redis
from redis.exceptions import RedisError

USER = "evermoon"
_START = 120  # seconds a server may take
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of the database `postgres` of a PostgreSQL server."""
    initdb, server = _program("postgresql", "initdb"), _program("postgresql", "postgres")
    with directory_of("postgres") as (directory, user):
        data, port = str(directory / "data"), free_port()
        url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        _run(directory, user, initdb, "-D", data, "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C")
        options = ["-p", str(port), "-k", str(directory), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with _serving(directory, user, [server, "-D", data, *options], signal.SIGQUIT) as process:
            _wait(process, directory, lambda: psycopg.connect(url).close(), psycopg.Error)
            yield url


@contextmanager
def mysql() -> Iterator[str]:
    """The URL of the database `test` of a MariaDB server, which speaks MySQL's protocol."""
    install, server = _program("mariadb-server", "mariadb-install-db"), _program("mariadb-server", "mariadbd")
    with directory_of("mysql") as (directory, user):
        port = free_port()
        (directory / "init.sql").write_text(
            f"CREATE DATABASE test CHARACTER SET utf8mb4;\nCREATE USER {USER}@'127.0.0.1';\nGRANT ALL ON test.* TO {USER}@'127.0.0.1';\n"
        )
        common = ["--no-defaults", f"--datadir={directory / 'data'}", "--innodb-log-file-size=8M"]
        _run(directory, user, install, *common, "--auth-root-authentication-method=normal", "--skip-test-db")
        options = [
            f"--port={port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            f"--socket={directory / 'socket'}",
            f"--pid-file={directory / 'pid'}",
            f"--init-file={directory / 'init.sql'}",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=0",
        ]

        def connect() -> None:
            pymysql.connect(host="127.0.0.1", port=port, user=USER, database="test").close()

        with _serving(directory, user, [server, *common, *options], signal.SIGKILL) as process:
            _wait(process, directory, connect, pymysql.MySQLError)
            yield f"mysql://{USER}@127.0.0.1:{port}/test?charset=utf8mb4"


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis server that keeps what it is told on its disk."""
    with directory_of("redis") as (directory, user):
        port = free_port()
        with redis_on(directory, user, port):
            yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def redis_on(directory: Path, user: str | None, port: int) -> Iterator[None]:
    """A server that goes on with what is in the directory."""
    server = _program("redis-server", "redis-server")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--appendonly", "yes", "--save", ""]
    with _serving(directory, user, [server, *options], signal.SIGKILL) as process:
        _wait(process, directory, lambda: _ping(port), RedisError)
        yield


def _ping(port: int) -> None:
    with Redis(port=port) as client:
        client.ping()


@contextmanager
def _serving(
    directory: Path, user: str | None, command: list[str], stop: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is stopped, without a word to say about it, by `stop`: here, or when this process is killed."""
    libc = ctypes.CDLL(None)

    def die_with_the_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(stop))

    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command, user=user, cwd=directory, stdout=log, stderr=subprocess.STDOUT, preexec_fn=die_with_the_parent
        )
    try:
        yield process
    finally:
        process.send_signal(stop)
        process.wait()


def _wait(process: subprocess.Popen[bytes], directory: Path, connect: Callable[[], None], no: type[Exception]) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(no):
            connect()
            return
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{(directory / 'log').read_text(errors='replace')[-2000:]}")


def _program(package: str, name: str) -> str:
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (directory / name).exists():
            return str(directory / name)
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"NOT TESTED: there is no {name} here; install Debian's package {package}, or run tests/servers.sh")
    return found


@contextmanager
def directory_of(user: str) -> Iterator[tuple[Path, str | None]]:
    """A directory for a server, and the user to run it as: as root, that of its package; else whoever runs the tests."""
    owner = user if os.geteuid() == 0 else None
    try:
        pwd.getpwnam(user)
    except KeyError:
        if owner:
            pytest.skip(f"NOT TESTED: a server does not run as root, and there is no user {user} here")
    directory = Path(tempfile.mkdtemp(prefix=f"evermoon-{user}-"))
    try:
        if owner:
            shutil.chown(directory, owner)
        yield directory, owner
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(directory: Path, user: str | None, *command: str) -> None:
    """Raises with what the program said."""
    log = directory / "setup.log"
    with log.open("wb") as output:
        done = subprocess.run(
            command, user=user, cwd=directory, stdout=output, stderr=subprocess.STDOUT, timeout=_START
        )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
