"""The bundle stores in the memory of a process and in a directory; those in databases are in `sqlstore`."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from runtime.errors import unavailable
from runtime.late import late
from runtime.registry.bundlestore import BundleStore, Listed

if TYPE_CHECKING:
    from runtime.registry import sqlstore
else:
    sqlstore = late("runtime.registry.sqlstore")

T = TypeVar("T")


def open_store(place: BundleStore | str | Path) -> BundleStore:
    """A store by what names it: a directory, or the URL of a database. Raises `Error` INVALID for another URL."""
    if isinstance(place, BundleStore):
        return place
    return sqlstore.SqlStore(place) if isinstance(place, str) and "://" in place else DirectoryStore(place)


class MemoryStore(BundleStore):
    """A bundle store in the memory of one process, which is gone with it."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = Lock()
        self._last = 0.0

    @property
    def where(self) -> str:
        return "the memory of this process"

    def write_object(self, name: str, data: bytes) -> None:
        with self._lock:
            self._objects[name] = data, self._time()

    def create_object(self, name: str, data: bytes) -> bool:
        with self._lock:
            if name in self._objects:
                return False
            self._objects[name] = data, self._time()
            return True

    def read_object(self, name: str) -> bytes | None:
        data, _ = self._objects.get(name, (None, 0.0))
        return data

    def list_objects(self, prefix: str) -> Sequence[Listed]:
        with self._lock:
            return [Listed(name, at) for name, (_, at) in self._objects.items() if name.startswith(prefix)]

    def remove_object(self, name: str, written_by: float | None = None) -> bool:
        with self._lock:
            _, at = self._objects.get(name, (None, None))
            if at is None or (written_by is not None and at > written_by):
                return False
            del self._objects[name]
            return True

    def _time(self) -> float:
        """Later than any before it, so that what was written last is known."""
        self._last = max(time.time(), self._last + 1e-6)
        return self._last


class DirectoryStore(BundleStore):
    """A bundle store in a directory, which hosts may share.

    `kernels/<hash>.json` and `bundles/<hash>.json` hold the objects; an empty file `entries/<entry id>/<hash>` says which
    entry had a bundle, and by its time when it was last published. A file appears whole or not at all. Made when first written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def where(self) -> str:
        return str(self.path)

    def write_object(self, name: str, data: bytes) -> None:
        """Under a name of its own, then renamed. What is there and whole only gets the present time; what is not is mended."""
        file = self.path / name

        def write() -> None:
            if file.is_file() and file.read_bytes() == data:
                with suppress(PermissionError):  # another user's file: it is there, which is what matters
                    os.utime(file)
                return
            self._whole(file, data, lambda fresh: fresh.replace(file))

        self._guarded(write)

    def create_object(self, name: str, data: bytes) -> bool:
        file = self.path / name

        def create() -> bool:
            try:
                self._whole(file, data, lambda fresh: os.link(fresh, file))
            except FileExistsError:
                return False
            return True

        return self._guarded(create)

    def read_object(self, name: str) -> bytes | None:
        try:
            return self._guarded((self.path / name).read_bytes)
        except FileNotFoundError:
            return None

    def list_objects(self, prefix: str) -> Sequence[Listed]:
        return self._guarded(lambda: list(self._below(self.path / prefix)))

    def remove_object(self, name: str, written_by: float | None = None) -> bool:
        def remove() -> bool:
            file = self.path / name
            if written_by is not None and file.stat().st_mtime > written_by:
                return False
            file.unlink()
            return True

        try:
            return self._guarded(remove)
        except FileNotFoundError:
            return False

    def _below(self, folder: Path) -> Iterator[Listed]:
        """What others remove meanwhile is left out, and so is what is being written."""
        try:
            found = [item for item in os.scandir(folder) if not item.name.startswith(".")]
        except FileNotFoundError:
            return
        for item in found:
            if item.is_dir():
                yield from self._below(Path(item.path))
                continue
            with suppress(FileNotFoundError):
                yield Listed(Path(item.path).relative_to(self.path).as_posix(), Path(item.path).stat().st_mtime)

    @staticmethod
    def _whole(file: Path, data: bytes, place: Callable[[Path], object]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", dir=file.parent)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.chmod(0o644)  # other users' processes may share the directory
            place(fresh)
        finally:
            fresh.unlink(missing_ok=True)

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = error.strerror or str(error)
            raise unavailable(f"bundle store {self.path}: {reason}") from None
