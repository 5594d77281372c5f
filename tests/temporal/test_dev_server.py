"""The embedded server: it keeps its data, finds ports, and never outlives its host."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from temporalio.client import Client

from runtime.errors import Error
from runtime.temporal.dev_server import DevServer
from tests.waiting import eventually

HOST = """
import asyncio, pathlib, signal, sys
from runtime.temporal.dev_server import DevServer

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background of a shell inherits that it is ignored

async def main():
    server = DevServer(pathlib.Path(sys.argv[1]), port=int(sys.argv[2]))
    await asyncio.to_thread(lambda: asyncio.run(server.start()))  # forked from a thread that then ends
    print(server.address, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def _free_port() -> int:
    """Not the usual port: other tests' servers would take that over as soon as it is free, and it would never be quiet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _host(state: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A host process of its own with an embedded server; its address."""
    host = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOST,
        str(state),
        str(_free_port()),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert host.stdout is not None
    address = (await host.stdout.readline()).decode().strip()
    assert address
    return host, address


async def _gone(address: str) -> None:
    """Waits until nobody listens on the address any more."""
    host, port = address.split(":")

    def listens() -> bool:
        try:
            with socket.create_connection((host, int(port)), timeout=1):
                return True
        except OSError:
            return False

    await eventually(listens, lambda answered: not answered, every=0.05)


async def test_it_serves_grpc_and_its_ui(temporal_server: DevServer) -> None:
    client = await Client.connect(temporal_server.address)
    assert await client.service_client.check_health()
    assert temporal_server.ui_url is not None


async def test_two_servers_find_ports_of_their_own(temporal_server: DevServer) -> None:
    async with DevServer(ui=False, port=_free_port()) as other:
        assert other.address != temporal_server.address
        assert other.ui_url is None
    await _gone(other.address)


async def test_a_killed_host_leaves_no_server_and_the_next_start_finds_its_data(tmp_path: Path) -> None:
    host, address = await _host(tmp_path)
    client = await Client.connect(address)
    await client.start_workflow("anything", id="kept", task_queue="nobody")
    host.send_signal(signal.SIGKILL)
    await host.wait()
    async with DevServer(tmp_path) as server:
        if server.address != address:
            await _gone(address)
        again = await Client.connect(server.address)
        assert (await again.get_workflow_handle("kept").describe()).id == "kept"


async def test_a_ctrl_c_in_the_terminal_does_not_reach_the_server(tmp_path: Path) -> None:
    host, address = await _host(tmp_path)
    try:
        os.killpg(host.pid, signal.SIGINT)  # what a terminal does
        await host.wait()
    finally:
        if host.returncode is None:
            host.kill()
    await _gone(address)


async def test_a_killed_watchdog_takes_the_server_with_it() -> None:
    server = DevServer(ui=False)
    await server.start()
    assert server.watchdog_pid is not None
    os.kill(server.watchdog_pid, signal.SIGKILL)
    await _gone(server.address)
    await server.stop()


async def test_a_state_directory_in_use_is_refused_by_name(tmp_path: Path) -> None:
    async with DevServer(tmp_path):
        with pytest.raises(Error, match=str(os.getpid())) as refused:
            await DevServer(tmp_path, port=_free_port()).start()
        assert refused.value.kind == "Conflict"
        assert str(tmp_path) in refused.value.message


async def test_stopping_twice_is_harmless_and_starting_again_works(tmp_path: Path) -> None:
    server = DevServer(tmp_path)
    await server.start()
    await server.stop()
    await server.stop()
    await server.start()
    await server.stop()
    await _gone(server.address)


async def test_further_namespaces_exist_when_it_answers() -> None:
    async with DevServer(namespaces=["team"], ui=False) as server:
        client = await Client.connect(server.address, namespace="team")
        assert [item async for item in client.list_workflows()] == []


async def test_servers_started_at_once_are_each_ones_own(tmp_path: Path) -> None:
    servers = [DevServer(tmp_path / str(number)) for number in range(3)]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        assert len({server.address for server in servers}) == 3
        for server in servers:
            client = await Client.connect(server.address)
            # A second server behind the same address would say that the run exists.
            await client.start_workflow("nobody", id="only-here", task_queue="none")
    finally:
        await asyncio.gather(*(server.stop() for server in servers))


async def test_its_ui_knows_where_values_are_decoded() -> None:
    async with DevServer(codec="http://127.0.0.1:8080/api/v1/codec") as server, aiohttp.ClientSession() as session:

        async def settings() -> dict[str, Any]:
            try:
                async with session.get(f"{server.ui_url}/api/v1/settings") as answer:
                    found: dict[str, Any] = await answer.json()
                    return found
            except aiohttp.ClientError:  # it comes up behind the server
                return {}

        found = await eventually(settings, every=0.1)
        assert found["Codec"]["Endpoint"] == "http://127.0.0.1:8080/api/v1/codec"
