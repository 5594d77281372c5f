from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from runtime import errors
from runtime.errors import Error
from runtime.registry import Registry
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients

REGISTRY = """\
version: "1.0"
namespace: t
entries:
  - {name: temporal, kind: temporal.client, address: "ADDRESS"}
"""


def clients(directory: Path, address: str) -> Clients:
    file = directory / "registry.yaml"
    file.write_text(REGISTRY.replace("ADDRESS", address))
    return Clients(Registry.load(file, environ={}))


async def test_a_server_that_takes_the_connection_and_says_nothing_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "TIMEOUT", timedelta(milliseconds=200))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Error) as refused:
            await clients(tmp_path, address).get()
    assert (refused.value.kind, refused.value.retryable) == (errors.UNAVAILABLE, True)
    assert address in refused.value.message
