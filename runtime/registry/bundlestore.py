"""Where bundles are kept: by hash, for every host that may have to go on with a run.

A store holds two sorts of objects, bundles and the kernels they refer to, each under the SHA-256 of its bytes, and for each
entry which bundles it has had. What is read is checked against its hash: a store is shared, and a run must not be
continued with code that somebody changed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeVar
from urllib.parse import quote, unquote

from runtime.errors import INVALID, NOT_FOUND, UNAVAILABLE, Error
from runtime.registry.bundles import Bundle, sha256

T = TypeVar("T")

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """A bundle that is kept: of which entry, and when it was last published (seconds since the epoch)."""

    hash: str
    entry: str
    published: float


class BundleStore(Protocol):
    """Any number of threads, processes and machines may use one store at once.

    Every method raises `Error` UNAVAILABLE when the store cannot be reached. The methods that read raise NOT_FOUND, retryable
    and naming the hash, for what is not there, and INVALID for what does not match its hash.
    """

    def put_kernel(self, data: bytes) -> None: ...

    def put(self, bundle: Bundle) -> None:
        """Keeps a bundle, whose kernel is kept already. One that is there counts as published now."""

    def kernel(self, hash: str) -> bytes: ...

    def bundle(self, hash: str) -> Bundle: ...

    def of(self, entry: str) -> Sequence[str]:
        """Hashes of the bundles an entry has had, the one published last first."""

    def stored(self) -> Sequence[Stored]:
        """All bundles, the one published last first."""

    def remove(self, hash: str) -> None:
        """Forgets a bundle. Harmless when it is not there."""


class MemoryStore:
    """Bundles of one process, gone with it."""

    def __init__(self) -> None:
        self._kernels: dict[str, bytes] = {}
        self._bundles: dict[str, tuple[bytes, Stored]] = {}
        self._lock = Lock()
        self._puts = 0

    def put_kernel(self, data: bytes) -> None:
        self._kernels[sha256(data)] = data

    def put(self, bundle: Bundle) -> None:
        with self._lock:
            self._puts += 1
            self._bundles[bundle.hash] = (bundle.data, Stored(bundle.hash, bundle.entry, float(self._puts)))

    def kernel(self, hash: str) -> bytes:
        return verified("kernel", hash, self._kernels.get(hash), "the memory of this process")

    def bundle(self, hash: str) -> Bundle:
        data, _ = self._bundles.get(hash, (None, None))
        return Bundle.read(verified("bundle", hash, data, "the memory of this process"))

    def of(self, entry: str) -> Sequence[str]:
        return [item.hash for item in self.stored() if item.entry == entry]

    def stored(self) -> Sequence[Stored]:
        with self._lock:
            return newest_first([item for _, item in self._bundles.values()])

    def remove(self, hash: str) -> None:
        with self._lock:
            self._bundles.pop(hash, None)


class DirectoryStore:
    """Bundles as files, in a directory that hosts may share.

    `kernels/<hash>.json` and `bundles/<hash>.json` hold the objects; an empty file `entries/<entry id>/<hash>` says which
    entry had a bundle, and by its time when it was last published. A file appears whole or not at all. Made when first written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def put_kernel(self, data: bytes) -> None:
        self._write(self._file("kernels", sha256(data)), data)

    def put(self, bundle: Bundle) -> None:
        self._write(self._file("bundles", bundle.hash), bundle.data)
        self._write(self._mark(bundle.entry, bundle.hash), b"")

    def kernel(self, hash: str) -> bytes:
        return verified("kernel", hash, self._read("kernels", hash), str(self.path))

    def bundle(self, hash: str) -> Bundle:
        return Bundle.read(verified("bundle", hash, self._read("bundles", hash), str(self.path)))

    def of(self, entry: str) -> Sequence[str]:
        return [item.hash for item in self._marks(self.path / "entries" / _folder(entry))]

    def stored(self) -> Sequence[Stored]:
        folders = self._listed(self.path / "entries")
        return newest_first([item for folder in folders for item in self._marks(folder)])

    def remove(self, hash: str) -> None:
        """The bundle first: an entry that lists a hash without a bundle is harmless."""
        if _HASH.fullmatch(hash):
            self._guarded(partial(self._file("bundles", hash).unlink, missing_ok=True))
            for folder in self._listed(self.path / "entries"):
                self._guarded(partial((folder / hash).unlink, missing_ok=True))

    def _file(self, sort: str, hash: str) -> Path:
        return self.path / sort / f"{hash}.json"

    def _mark(self, entry: str, hash: str) -> Path:
        return self.path / "entries" / _folder(entry) / hash

    def _marks(self, folder: Path) -> list[Stored]:
        entry = unquote(folder.name)
        found = []
        for mark in self._listed(folder):
            if _HASH.fullmatch(mark.name):
                try:
                    found.append(Stored(mark.name, entry, mark.stat().st_mtime))
                except FileNotFoundError:  # removed by somebody else just now
                    continue
        return newest_first(found)

    def _listed(self, folder: Path) -> list[Path]:
        def listed() -> list[Path]:
            return list(folder.iterdir()) if folder.is_dir() else []

        return self._guarded(listed)

    def _read(self, sort: str, hash: str) -> bytes | None:
        if not _HASH.fullmatch(hash):
            return None
        try:
            return self._guarded(self._file(sort, hash).read_bytes)
        except FileNotFoundError:
            return None

    def _write(self, file: Path, data: bytes) -> None:
        """Under a name of its own, then renamed. What is there and whole only gets the present time; what is not is mended."""

        def write() -> None:
            if file.is_file() and file.read_bytes() == data:
                with suppress(PermissionError):  # another user's file: it is there, which is what matters
                    os.utime(file)
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, fresh = tempfile.mkstemp(prefix=".", dir=file.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                Path(fresh).chmod(0o644)  # other users' processes may share the directory
                Path(fresh).replace(file)
            except BaseException:
                Path(fresh).unlink(missing_ok=True)
                raise

        self._guarded(write)

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            raise Error(UNAVAILABLE, f"bundle store {self.path}: {reason}", retryable=True) from None


def verified(sort: str, hash: str, data: bytes | None, where: str) -> bytes:
    """`data` when it is what `hash` says. Raises `Error` as `BundleStore` promises."""
    if data is None:
        raise Error(NOT_FOUND, f"{sort} {hash} is not in {where}", retryable=True, details={"bundle": hash})
    if sha256(data) != hash:
        text = f"{sort} {hash} in {where} does not match its hash: it was changed or is damaged"
        raise Error(INVALID, text, retryable=True, details={"bundle": hash})
    return data


def newest_first(items: list[Stored]) -> list[Stored]:
    return sorted(items, key=lambda item: (-item.published, item.hash))


def _folder(entry: str) -> str:
    """An entry id as the name of a directory, on every file system."""
    return quote(entry, safe="")
