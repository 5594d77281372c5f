"""Why there is no connection: each cause has a sentence of its own, with the mend, and none has the words of a library."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from runtime import errors
from runtime.errors import Error
from runtime.registry import Registry
from runtime.temporal.client import rpc
from runtime.temporal.client.clients import Clients
from runtime.temporal.client.runs import Runs
from runtime.temporal.dev_server import DevServer
from tests.temporal.client.authority import Authority, listening, refuses_calls, relays, says_http, says_nothing, shown

REGISTRY = """\
version: "1.0"
namespace: t
entries:
  - {name: temporal, kind: temporal.client, address: "ADDRESS"MORE}
"""
TLS = ", tls: {ca_file: ours.pem}"
MTLS = TLS + ", auth: {type: mtls, cert_file: CERT.pem, key_file: KEY.key}"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    ours, theirs = Authority(made, "ours"), Authority(made, "theirs")
    for name in ("good", "client"):
        ours.issue(name)
    ours.issue("expired", valid=(-3, -2))
    ours.issue("early", valid=(2, 3))
    ours.issue("elsewhere", names=("temporal.example", "other.example"))
    theirs.issue("stranger")
    (made / "none.pem").write_text("nonsense")
    (made / "none.key").write_text("nonsense")
    return made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of use where nothing is ever answered; what is answered at all may take its time."""
    monkeypatch.setattr(rpc, "TIMEOUT", timedelta(seconds=3))


def clients(directory: Path, address: str, more: str = "") -> Clients:
    file = directory / "registry.yaml"
    file.write_text(REGISTRY.replace("ADDRESS", address).replace("MORE", more))
    return Clients(Registry.load(file, environ={}))


async def refusal(directory: Path, address: str, more: str) -> Error:
    with pytest.raises(Error) as refused:
        await clients(directory, address, more).get()
    return refused.value


def mtls(certificate: str, key: str) -> str:
    return MTLS.replace("CERT", certificate).replace("KEY", key)


@asynccontextmanager
async def place(kind: str, directory: Path) -> AsyncGenerator[str]:
    """An address where that is what there is."""
    if kind in PLACES:
        yield PLACES[kind]
        return
    if kind == "clients only":
        listener = listening(says_nothing, shown(directory, "good", clients_of="ours"))
    elif kind in TALKS:
        listener = listening(TALKS[kind])
    else:
        listener = listening(says_nothing, shown(directory, kind))
    async with listener as address:
        yield address


PLACES = {"nobody": "127.0.0.1:1", "no name": "nowhere.invalid:7233"}
TALKS = {
    "silence": says_nothing,
    "http": says_http,
    "unauthenticated": refuses_calls(16),
    "forbidden": refuses_calls(7),
}
CAUSES = {
    "refused": ("nobody", "", ["does not answer at 127.0.0.1:1, the address of t:temporal in ", "nobody listens there, so start it"]),
    "refused with tls": ("nobody", TLS, ["nobody listens there"]),
    "unknown name": ("no name", "", ["the name in nowhere.invalid:7233", "not known to DNS"]),
    "silence": ("silence", "", ["takes the connection and does not answer", "gRPC"]),
    "silence with tls": ("silence", TLS, ["takes the connection and does not answer"]),
    "not temporal": ("http", "", ["not a Temporal server but another one answers", "7233"]),
    "plain client, tls server": ("good", "", ["speaks TLS, and t:temporal does not", "tls: {enabled: true}"]),
    "tls client, plain server": ("http", TLS, ["speaks no TLS, and t:temporal asks for it", "tls: {enabled: false}"]),
    "wrong authority": ("stranger", TLS, ["of an authority that is not trusted", "ours.pem, the `tls.ca_file` of t:temporal"]),
    "no authority": ("good", ", tls: {}", ["of an authority that is not trusted", "as `tls.ca_file`"]),
    "expired": ("expired", TLS, ["has expired on ", "renew"]),
    "not valid yet": ("early", TLS, ["is valid only from ", "clocks"]),
    "another name": ("elsewhere", TLS, ["is for temporal.example, other.example", "tls.server_name"]),
    "no client certificate": ("clients only", TLS, ["wants a client certificate", "auth: {type: mtls"]),
    "client of another authority": ("clients only", mtls("stranger", "stranger"), ["that of t:temporal is not taken"]),
    "unknown key": ("unauthenticated", ", auth: {type: api_key, api_key: k}, tls: {enabled: false}", ["does not know the credentials", "renew the key"]),
    "forbidden": ("forbidden", "", ["does not let t:temporal in"]),
}  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
async def test_each_cause_has_its_sentence(cause: str, directory: Path) -> None:
    kind, more, parts = CAUSES[cause]
    async with place(kind, directory) as address:
        error = await refusal(directory, address, more)
    assert (error.kind, error.retryable) == (errors.UNAVAILABLE, True)
    assert [part for part in parts if part not in error.message] == []
    assert address in error.message
    assert not re.search(r"::|Error\(|Status \{|Some\(|transport|get_system_info", error.message)
    assert "\n" not in error.message


UNUSABLE = {
    "a key of another": (mtls("client", "good"), "auth.key_file good.key is not the key of the certificate beside it"),
    "no key": (mtls("client", "none"), "auth.key_file none.key is no private key in PEM"),
    "no certificate": (mtls("none", "client"), "auth.cert_file none.pem is no certificate in PEM"),
    "no authority": (", tls: {ca_file: none.pem}", "tls.ca_file none.pem is no certificate in PEM"),
    "no file": (", tls: {ca_file: missing.pem}", "cannot read missing.pem: "),
}


@pytest.mark.parametrize("what", UNUSABLE)
async def test_files_that_will_not_do_are_named_before_anything_is_sent(what: str, directory: Path) -> None:
    more, message = UNUSABLE[what]
    error = await refusal(directory, PLACES["nobody"], more)
    assert (error.kind, error.retryable) == (errors.INVALID, False)
    assert "t:temporal: " in error.message
    assert message in error.message


async def test_a_silent_network_is_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No address is sure to swallow what is sent to it on every machine, so the connection is made to take for ever."""

    async def never(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(asyncio, "open_connection", never)
    error = await refusal(directory, PLACES["nobody"], "")
    assert "connecting to 127.0.0.1:1, the address of t:temporal in " in error.message
    assert " timed out: the address is wrong, or a firewall drops what is sent there" in error.message


@pytest.mark.parametrize("more", [TLS, mtls("client", "client")], ids=["tls", "mtls"])
async def test_what_is_right_connects(directory: Path, temporal_server: DevServer, more: str) -> None:
    asked = shown(directory, "good", clients_of="ours" if "mtls" in more else None)
    async with listening(relays(temporal_server.address), asked) as address:
        assert await clients(directory, address, more).away() is None


async def test_a_namespace_that_is_not_there_is_not_a_run_that_is_not_there(
    directory: Path, temporal_server: DevServer
) -> None:
    error = await refusal(directory, temporal_server.address, ", namespace: nowhere")
    assert (error.kind, error.retryable) == (errors.UNAVAILABLE, True)
    assert 'has no namespace "nowhere": correct `namespace` of the temporal.client' in error.message
    gone = await Client.connect(temporal_server.address, namespace="nowhere")
    registry = Registry.load(directory / "registry.yaml", environ={})
    runs = Runs(registry, Clients(registry, connected=gone))
    with pytest.raises(Error, match='has no namespace "nowhere"'):
        await runs.describe("some-run")
