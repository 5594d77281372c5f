"""The store of bundles by their hash, for every host that may have to go on with a run.

A store is a set of named objects, and `BundleStore` is what is kept in them and how: bundles and the kernels they refer to, each under
the SHA-256 of its bytes, and for each entry which bundles it has had. What is read is checked against its hash: a store is
shared, and a run must not be continued with code that somebody changed. A new sort of store is a subclass with six methods.
"""

from __future__ import annotations

import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from runtime.errors import invalid, not_deployed
from runtime.registry.bundles import Bundle, sha256

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A bundle that is kept: its entry, and when it was last published (seconds since the epoch)."""

    hash: str
    entry: str
    published: float


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of a store: its full name, and when it was last written, by the store's clock (seconds since the epoch)."""

    name: str
    written: float


class BundleStore(ABC):
    """A store of bundles. Any number of threads, processes and machines may use one store at once.

    Every method raises `Error` UNAVAILABLE when the store cannot be reached. The methods that read bundles and kernels raise NOT_FOUND,
    retryable and naming the hash, for what is not there, and INVALID for what does not match its hash. All block.
    """

    # -- what a sort of store has to have

    @property
    @abstractmethod
    def where(self) -> str:
        """The store as people are told of it; without secrets."""

    @abstractmethod
    def write_object(self, name: str, data: bytes) -> None:
        """Puts an object under `name`, a path with `/`: whole or not at all. Also when it is there, its time is now."""

    @abstractmethod
    def create_object(self, name: str, data: bytes) -> bool:
        """The same, but only if nothing has that name: of any number of callers exactly one is told True."""

    @abstractmethod
    def read_object(self, name: str) -> bytes | None:
        """None when nothing has that name."""

    @abstractmethod
    def list_objects(self, prefix: str) -> Sequence[Listed]:
        """The objects whose names begin with `prefix`, which ends with `/`; in any order."""

    @abstractmethod
    def remove_object(self, name: str, written_by: float | None = None) -> bool:
        """Removes an object, unless it was written after `written_by`. False when nothing was removed."""

    def close(self) -> None:  # noqa: B027 - most stores hold nothing
        """Lets go of connections; the next use makes new ones. Called by whoever opened the store."""

    # -- what is kept

    def put_kernel(self, data: bytes) -> None:
        self.write_object(_file("kernels", sha256(data)), data)

    def put(self, bundle: Bundle) -> None:
        """Keeps a bundle, whose kernel is kept already. One that is there counts as published now."""
        self.write_object(_file("bundles", bundle.hash), bundle.data)
        self.write_object(_mark(bundle.entry, bundle.hash), b"")

    def kernel(self, hash: str) -> bytes:
        return self._verified("kernel", hash)

    def bundle(self, hash: str) -> Bundle:
        return Bundle.read(self._verified("bundle", hash))

    def of(self, entry: str) -> Sequence[str]:
        """Hashes of the bundles an entry has had, the one published last first."""
        return [item.hash for item in self._marks(f"entries/{_folder(entry)}/")]

    def stored(self) -> Sequence[Stored]:
        """All bundles, the one published last first."""
        return self._marks("entries/")

    def kernels(self) -> Sequence[Listed]:
        """All kernels, each by its hash as `name`."""
        listed = [Listed(item.name[len("kernels/") : -len(".json")], item.written) for item in self._files("kernels/")]
        return [item for item in listed if _HASH.fullmatch(item.name)]

    def remove(self, hash: str, published_by: float | None = None) -> bool:
        """Forgets a bundle, unless somebody has published it after `published_by`. Harmless when it is not there.

        The bundle goes first: an entry that lists a hash without a bundle is harmless.
        """
        if not _HASH.fullmatch(hash):
            return False
        removed = self.remove_object(_file("bundles", hash), published_by)
        for item in self.list_objects("entries/"):
            if item.name.endswith(f"/{hash}"):
                self.remove_object(item.name, published_by)
        return removed

    def remove_kernel(self, hash: str, written_by: float | None = None) -> bool:
        return bool(_HASH.fullmatch(hash)) and self.remove_object(_file("kernels", hash), written_by)

    def now(self) -> float:
        """The store's clock, which times of objects are of: that of another machine, perhaps."""
        probe = f"clock/{uuid.uuid4().hex}"
        self.write_object(probe, b"")
        try:
            return next(item.written for item in self.list_objects("clock/") if item.name == probe)
        finally:
            self.remove_object(probe)

    def _verified(self, sort: str, hash: str) -> bytes:
        data = self.read_object(_file(f"{sort}s", hash)) if _HASH.fullmatch(hash) else None
        if data is None:
            raise not_deployed(sort, hash, f"it is not in {self.where}", bundle=hash)
        if sha256(data) != hash:
            text = f"{sort} {hash} in {self.where} does not match its hash: it was changed or is damaged"
            raise invalid(text, retryable=True, bundle=hash)
        return data

    def _files(self, prefix: str) -> list[Listed]:
        return [item for item in self.list_objects(prefix) if item.name.endswith(".json")]

    def _marks(self, prefix: str) -> list[Stored]:
        found = []
        for item in self.list_objects(prefix):
            _, folder, hash = item.name.split("/", 2)
            if _HASH.fullmatch(hash):
                found.append(Stored(hash, unquote(folder), item.written))
        return sorted(found, key=lambda stored: (-stored.published, stored.hash))


def _file(sort: str, hash: str) -> str:
    return f"{sort}/{hash}.json"


def _mark(entry: str, hash: str) -> str:
    return f"entries/{_folder(entry)}/{hash}"


def _folder(entry: str) -> str:
    """An entry id as the name of a directory, on every file system."""
    return quote(entry, safe="")
