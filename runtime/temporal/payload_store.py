"""The stores of large payloads: a directory, or a bucket of an object store. What is kept is named by its hash, so that the same payload is kept once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from temporalio.api.common.v1 import Payload as Proto
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from runtime import errors
from runtime.errors import Error, invalid
from runtime.late import late
from runtime.registry import TemporalClient

if TYPE_CHECKING:
    from obstore import exceptions
    from obstore import store as object_stores
else:
    exceptions, object_stores = late("obstore.exceptions"), late("obstore.store")

#: The schemes of object stores: Amazon's S3 and what speaks like it, Google's and Azure's.
OBJECTS = ("s3", "gs", "az")
#: A task has some seconds; what is away longer is asked again by the next attempt.
_RETRIES = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}
_TIMES = {"timeout": "60s", "connect_timeout": "5s"}


def opened(entry: TemporalClient, url: str) -> StorageDriver:
    """The store at a path or URL. Raises `Error` INVALID for one that will not do; does not connect yet."""
    parts = urlsplit(url)
    if parts.scheme in OBJECTS:
        return Objects(entry, url)
    if parts.scheme not in ("", "file") or parts.netloc:
        known = ", ".join(f"{scheme}:" for scheme in OBJECTS)
        raise invalid(f"{entry.id}: payloads.store is a path, or a URL that begins with file:, {known}")
    return Directory(Path(entry.root, parts.path))


class Directory(StorageDriver):
    """A payload store in a directory. Each file is named by the hash of its payload, so that the same payload is kept once.

    Raises `Error` UNAVAILABLE when the file system does not do its part: the task is tried again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def name(self) -> str:
        return "evermoon.directory"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Proto]) -> list[StorageDriverClaim]:
        return [await asyncio.to_thread(self._put, payload.SerializeToString()) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Proto]:
        return [Proto.FromString(await asyncio.to_thread(self._get, claim)) for claim in claims]

    def _put(self, data: bytes) -> StorageDriverClaim:
        hash = hashlib.sha256(data).hexdigest()
        place = self._file(hash)
        try:
            if place.exists():
                os.utime(place)  # whoever deletes what is old keeps what is still sent
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                part = place.with_name(f"{hash}.{secrets.token_hex(8)}.part")
                with part.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(place)
        except OSError as error:
            raise _unavailable(self._path, error) from None
        return StorageDriverClaim({"sha256": hash})

    def _get(self, claim: StorageDriverClaim) -> bytes:
        hash = _hash_of(claim)
        try:
            data = self._file(hash).read_bytes()
        except OSError as error:
            raise _unavailable(self._path, error) from None
        return _unchanged(hash, data)

    def _file(self, hash: str) -> Path:
        return self._path / hash[:2] / hash


class Objects(StorageDriver):
    """A payload store in a bucket. Raises `Error` UNAVAILABLE when that does not answer, or refuses: the task is tried again."""

    def __init__(self, entry: TemporalClient, url: str) -> None:
        """Raises `Error` INVALID, also without the library, which comes with ``evermoon[objects]``."""
        self._place = f"the payload store {url}"
        options = entry.payloads.options
        is_plain = any(name.endswith("endpoint") and value.startswith("http:") for name, value in options.items())
        config: Any = options
        client: Any = {**_TIMES, "allow_http": is_plain}
        retries: Any = _RETRIES
        try:
            self._store = object_stores.from_url(url, config=config, client_options=client, retry_config=retries)
        except ImportError:
            raise invalid(
                f"{entry.id}: payloads.store {url} needs a library: pip install 'evermoon[objects]'"
            ) from None
        except (ValueError, exceptions.BaseError) as error:
            raise invalid(f"{entry.id}: payloads.store {url}: {_said(error)}") from None

    def name(self) -> str:
        return "evermoon.objects"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Proto]) -> list[StorageDriverClaim]:
        return list(await asyncio.gather(*(self._put(payload.SerializeToString()) for payload in payloads)))

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Proto]:
        return [Proto.FromString(data) for data in await asyncio.gather(*map(self._get, claims))]

    async def _put(self, data: bytes) -> StorageDriverClaim:
        hash = hashlib.sha256(data).hexdigest()
        try:
            await self._store.put_async(_key(hash), data)  # the same each time, so one that is there is written again
        except (OSError, exceptions.BaseError) as error:
            raise errors.unavailable(f"{self._place}: {_said(error)}") from None
        return StorageDriverClaim({"sha256": hash})

    async def _get(self, claim: StorageDriverClaim) -> bytes:
        hash = _hash_of(claim)
        try:
            found = await self._store.get_async(_key(hash))
            data = bytes(await found.bytes_async())
        except (OSError, exceptions.BaseError) as error:
            raise errors.unavailable(f"{self._place}: {_said(error)}") from None
        return _unchanged(hash, data)


def _key(hash: str) -> str:
    return f"{hash[:2]}/{hash}"


def _hash_of(claim: StorageDriverClaim) -> str:
    hash = claim.claim_data.get("sha256", "")
    if len(hash) != hashlib.sha256().digest_size * 2 or not hash.isalnum():
        raise invalid("a reference to a stored payload names none")
    return hash


def _unchanged(hash: str, data: bytes) -> bytes:
    if hashlib.sha256(data).hexdigest() != hash:
        raise errors.internal(f"the stored payload {hash} was changed", retryable=None)
    return data


def _said(error: Exception) -> str:
    """Its first line: behind that the library describes itself."""
    return str(error).strip().partition("\n")[0]


def _unavailable(path: Path, error: OSError) -> Error:
    return errors.unavailable(f"the payload store {path}: {error.strerror or error}")
