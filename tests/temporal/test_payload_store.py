"""Large values in an object store, which a small server of the same protocol stands in for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from temporalio.api.common.v1 import Payload as Proto
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext

from runtime.errors import INTERNAL, INVALID, UNAVAILABLE, Error
from runtime.registry import TemporalClient
from runtime.temporal import payload_store
from runtime.temporal.dev_server import DevServer
from runtime.temporal.payloads import travel
from tests.temporal.stage import Files, staged

KEYS = {"aws_access_key_id": "evermoon", "aws_secret_access_key": "secret", "aws_region": "eu-central-1"}
STORE, RETRIEVE = StorageDriverStoreContext(), StorageDriverRetrieveContext()


@dataclass
class Bucket:
    """What S3 does with objects, as far as it is asked here: `objects` by their path, bucket first."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    is_away: bool = False

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        assert "evermoon" in request.headers["Authorization"]
        if self.is_away:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        if request.method == "PUT":
            self.objects[request.path] = await request.content.read()
            return web.Response(headers={"ETag": '"1"'})
        found = self.objects.get(request.path)
        if found is None:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        return web.Response(body=found, headers={"ETag": '"1"', "Last-Modified": "Sun, 29 Nov 2026 12:00:00 GMT"})


@asynccontextmanager
async def bucket() -> AsyncIterator[Bucket]:
    made = Bucket()
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def client(files: Files, url: str, **options: str) -> TemporalClient:
    registry = files.client(payloads={"store": url, "threshold": "64KiB", "options": {**KEYS, **options}}).load()
    entry = registry["t:temporal"]
    assert isinstance(entry, TemporalClient)
    return entry


async def test_what_is_kept_is_found_and_kept_once(files: Files) -> None:
    async with bucket() as made:
        store = payload_store.opened(client(files, "s3://values/large", aws_endpoint=made.url), "s3://values/large")
        payloads = [Proto(metadata={"encoding": b"json/plain"}, data=data) for data in (b"1", b"2", b"1")]
        claims = await store.store(STORE, payloads)
        assert await store.retrieve(RETRIEVE, claims) == payloads
        assert len(made.objects) == 2
        hash = claims[0].claim_data["sha256"]
        assert f"/values/large/{hash[:2]}/{hash}" in made.objects


def test_what_is_sent_again_is_as_new_as_what_was_written(tmp_path: Path) -> None:
    """So that what is old may be deleted."""
    store = payload_store.Directory(tmp_path)
    for _ in range(2):
        asyncio.run(store.store(STORE, [Proto(data=b"1")]))
        [kept] = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert kept.stat().st_mtime > 1000
        os.utime(kept, (1000, 1000))


async def test_what_is_wrong_with_what_was_kept_is_told(files: Files) -> None:
    async with bucket() as made:
        store = payload_store.opened(client(files, "s3://values", aws_endpoint=made.url), "s3://values")
        [claim] = await store.store(STORE, [Proto(data=b"1")])
        [path] = made.objects
        made.objects[path] = b"other"
        for given, kind in (
            (claim, INTERNAL),
            (StorageDriverClaim({"sha256": "../x"}), INVALID),
            (StorageDriverClaim({"sha256": "a" * 64}), UNAVAILABLE),
        ):
            with pytest.raises(Error) as told:
                await store.retrieve(RETRIEVE, [given])
            assert told.value.kind == kind
        made.is_away = True
        for asked in (lambda: store.retrieve(RETRIEVE, [claim]), lambda: store.store(STORE, [Proto(data=b"2")])):
            with pytest.raises(Error, match="the payload store s3://values") as away:
                await asked()
            assert away.value.kind == UNAVAILABLE
            assert "\n" not in away.value.message


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("ftp://host/values", {}, r"is a path, or a URL that begins with file:, s3:, gs:, az:"),
        ("s3:values", {}, "payloads.store s3:values"),
        ("s3://values", {"aws_regoin": "x"}, "payloads.store s3://values"),
    ],
)
def test_what_will_not_do_is_refused(url: str, options: dict[str, str], said: str, files: Files) -> None:
    with pytest.raises(Error, match=said) as refused:
        travel(files.client(payloads={"store": url, "options": options}).load(), "t:temporal")
    assert refused.value.kind == INVALID


async def test_large_values_of_a_run_are_in_the_bucket(files: Files, temporal_server: DevServer) -> None:
    async with bucket() as made:
        client(files, "s3://values", aws_endpoint=made.url)
        files.activity("echo", "return { main = function(input) return input end }").worker(shadow=False)
        files.workflow(
            "main",
            "return { main = function(text) return assert(funcs.call('t:echo', text)) end }",
            limits={"memory": "256MiB"},
        )
        large: Any = "x" * (3 * 1024 * 1024)
        async with staged(files, temporal_server.address) as stage:
            assert await stage.run("main", large) == large
            assert max(map(len, made.objects.values())) > len(large)
