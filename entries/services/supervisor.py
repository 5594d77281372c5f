"""The four services as four processes, for `make demo` and `evermoon dev`.

``python -m entries.services.supervisor [--state DIR]`` prints one JSON line ``{"env": {"ORDER_URL": ..., ...}}`` when all
answer, and stops them when its standard input ends, on SIGTERM and on Ctrl-C. Each service holds the reading end of a
pipe whose other end only the supervisor has, so they end with it even when it is killed. A service that dies is not
started again, and ends the others: half a shop is worse than none.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import click

from entries.services.process import stop_on_signals, stop_with_stdin

#: The environment variable that says where a service is.
VARIABLES = {
    "order": "ORDER_URL",
    "inventory": "INVENTORY_URL",
    "payment": "PAYMENT_URL",
    "notification": "NOTIFICATION_URL",
}
START_TIMEOUT = 60.0
STOP_TIMEOUT = 5.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Service:
    """A running service."""

    name: str
    url: str
    process: asyncio.subprocess.Process


@asynccontextmanager
async def services(state: Path, arguments: Sequence[str] = ()) -> AsyncIterator[dict[str, Service]]:
    """The four services by name, answering, with their files in the directory `state`; `arguments` go to payment."""
    processes: dict[str, asyncio.subprocess.Process] = {}
    try:
        for name in VARIABLES:
            processes[name] = await _start(name, state, arguments if name == "payment" else ())
        yield {name: Service(name, await _answering(name, process), process) for name, process in processes.items()}
    finally:
        await asyncio.gather(*(_stop(process) for process in processes.values()))


async def _start(name: str, state: Path, arguments: Sequence[str]) -> asyncio.subprocess.Process:
    command = ["-m", f"entries.services.{name}", "--db", str(state / f"{name}.db"), "--until-stdin-closes", *arguments]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C in a terminal goes to a whole process group; the services end when the supervisor says so.
        start_new_session=True,
    )


async def _answering(name: str, process: asyncio.subprocess.Process) -> str:
    """The service's URL, once it answers there."""
    assert process.stdout is not None
    async with asyncio.timeout(START_TIMEOUT):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"the {name} service did not start (exit code {await process.wait()})")
    url = str(json.loads(line)["url"])
    async with aiohttp.ClientSession(raise_for_status=True) as client, client.get(f"{url}/healthz"):
        return url


async def _stop(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _supervise(state: Path, arguments: Sequence[str]) -> int:
    stop = asyncio.Event()
    stop_on_signals(stop)
    stop_with_stdin(stop)
    async with services(state, arguments) as running:
        env = {VARIABLES[service.name]: service.url for service in running.values()}
        print(json.dumps({"env": env}), flush=True)
        stopped = asyncio.create_task(stop.wait())
        exits = {asyncio.create_task(s.process.wait()): s.name for s in running.values()}
        done, pending = await asyncio.wait({stopped, *exits}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        dead = [exits[task] for task in done if task in exits]
    if dead:
        print(f"{', '.join(dead)} ended by itself; the other services are stopped", file=sys.stderr)
    return 1 if dead else 0


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--state", type=click.Path(path_type=Path), help="where the SQLite files are kept; else thrown away")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(state: Path | None, arguments: tuple[str, ...]) -> None:
    """Runs the example's services until standard input ends. ARGUMENTS go to the payment service."""
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
        sys.exit(asyncio.run(_supervise(state, arguments)))
    with tempfile.TemporaryDirectory(prefix="evermoon-services-") as directory:
        sys.exit(asyncio.run(_supervise(Path(directory), arguments)))


if __name__ == "__main__":
    main()
