"""Database servers for a test session: each in a directory of its own, on loopback, and stopped with the session.

`tests/servers.sh` installs what is needed. Where it is missing the tests that want it are skipped, and say so.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

USER = "evermoon"
_START = 60  # seconds a server may take


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of the database `postgres` of a PostgreSQL server."""
    package = "postgresql"
    initdb, pg_ctl = _program(package, "initdb"), _program(package, "pg_ctl")
    # PostgreSQL refuses to run as root.
    with _directory("postgres") as (directory, user):
        data, port = directory / "data", _free_port()
        options = f"-p {port} -k {directory} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run(directory, user, initdb, "-D", str(data), "-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C")
        _run(directory, user, pg_ctl, "-D", str(data), "-w", "-l", str(directory / "log"), "-o", options, "start")
        try:
            yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        finally:
            _run(directory, user, pg_ctl, "-D", str(data), "-w", "-m", "immediate", "stop")


@contextmanager
def mysql() -> Iterator[str]:
    """The URL of the database `test` of a MariaDB server, which speaks MySQL's protocol."""
    package = "mariadb-server"
    install, mariadbd = _program(package, "mariadb-install-db"), _program(package, "mariadbd")
    with _directory("mysql") as (directory, user):
        port = _free_port()
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
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen(
                [mariadbd, *common, *options], user=user, cwd=directory, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            _wait_for_mysql(server, port, directory / "log")
            yield f"mysql://{USER}@127.0.0.1:{port}/test?charset=utf8mb4"
        finally:
            server.kill()  # nobody wants what it would still write
            server.wait()


def _wait_for_mysql(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(pymysql.MySQLError):
            pymysql.connect(host="127.0.0.1", port=port, user=USER, database="test").close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"mariadbd did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _program(package: str, name: str) -> str:
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (directory / name).exists():
            return str(directory / name)
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"NOT TESTED: there is no {name} here; install Debian's package {package}, or run tests/servers.sh")
    return found


@contextmanager
def _directory(user: str) -> Iterator[tuple[Path, str | None]]:
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
        done: Sequence[str] = command
        code = subprocess.run(
            done, user=user, cwd=directory, stdout=output, stderr=subprocess.STDOUT, timeout=_START
        ).returncode
    if code != 0:
        raise RuntimeError(f"{command[0]} failed:\n{log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
