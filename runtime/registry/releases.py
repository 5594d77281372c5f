"""The releases of a bundle store: numbered sets of files that were deployed, and which processes serve which of them.

A release is a record `releases/<number>.json` that names a set `filesets/<hash>.json`; the highest number is what is to be served, so going
back is a new release of an old set. Each process that follows a store says in `hosts/<node>.json` which one it serves. Nobody
who cannot write to the store can deploy, and nothing listens for deploys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from runtime.errors import invalid, not_found
from runtime.registry.bundles import canonical, sha256
from runtime.registry.bundlestore import BundleStore
from runtime.registry.file_set import FileSet

#: Seconds between two reports of a process, and after which one that says nothing counts as gone.
REPORT_EVERY = 5.0
GONE_AFTER = 30.0
#: Releases that pruning keeps, however old they are, so that one can go back.
KEPT = 10


@dataclass(frozen=True, slots=True)
class Release:
    """One release. `files` is the hash of the set, `bundles` those of its workflows by entry id, `at` seconds since the epoch."""

    number: int
    files: str
    at: float
    by: str = ""
    note: str = ""
    bundles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a process on itself. With `release` 0 it serves its own files. `refused` is the release that it could not take up, and `problem` why."""

    host: str
    machine: str
    pid: int
    release: int = 0
    refused: int = 0
    problem: str = ""


class Releases:
    """The releases in a bundle store. Every method blocks, and raises `Error` UNAVAILABLE when the store cannot be reached."""

    def __init__(self, store: BundleStore) -> None:
        self._store = store

    def publish(self, files: FileSet, bundles: Mapping[str, str], *, by: str = "", note: str = "") -> Release:
        """A new release, the newest. Of several who publish at once each gets a number of its own."""
        self._store.write_object(_set(files.hash), files.data)
        at = self._store.now()
        number = self.newest()
        while True:
            number += 1
            release = Release(number, files.hash, at, by, note, dict(bundles))
            if self._store.create_object(_record(number), canonical(asdict(release))):
                return release

    def newest(self) -> int:
        """The number of the newest release; 0 when there is none."""
        return max(self._numbers(), default=0)

    def get(self, number: int) -> Release:
        """Raises `Error` NOT_FOUND."""
        data = self._store.read_object(_record(number))
        if data is None:
            raise not_found("release", number, f"it is not in {self._store.where}")
        release: Release | None = _read(Release, data)
        if release is None:
            raise invalid(f"release {number} in {self._store.where} is damaged")
        return release

    def listed(self) -> list[Release]:
        """All that can be read, the newest first."""
        found = []
        for number in sorted(self._numbers(), reverse=True):
            data = self._store.read_object(_record(number))
            release = _read(Release, data) if data is not None else None
            if release is not None:
                found.append(release)
        return found

    def files(self, release: Release) -> FileSet:
        """Raises `Error`: NOT_FOUND when the set is gone, INVALID when it is not what its hash says."""
        data = self._store.read_object(_set(release.files))
        where = f"the files of release {release.number}, {release.files},"
        if data is None:
            raise not_found(
                "files", f"{release.files} of release {release.number}", f"they are not in {self._store.where}"
            )
        if sha256(data) != release.files:
            text = f"{where} do not match their hash in {self._store.where}: they were changed or are damaged"
            raise invalid(text)
        return FileSet.read(data)

    def report(self, report: Report) -> None:
        self._store.write_object(_host(report.host), canonical(asdict(report)))

    def leave(self, host: str) -> None:
        """A process that ends takes its report back."""
        self._store.remove_object(_host(host))

    def hosts(self) -> list[Report]:
        """The processes that have reported lately, in the order of machines and process ids."""
        since = self._store.now() - GONE_AFTER
        found = []
        for item in self._store.list_objects("hosts/"):
            data = self._store.read_object(item.name) if item.written >= since else None
            report = _read(Report, data) if data is not None else None
            if report is not None:
                found.append(report)
        return sorted(found, key=lambda report: (report.machine, report.pid, report.host))

    def needed_bundles(self) -> set[str]:
        """Those of the newest release, and of every one that a process serves."""
        served = {report.release for report in self.hosts()} | {self.newest()}
        return {hash for release in self.listed() if release.number in served for hash in release.bundles.values()}

    def prune(self, before: float) -> list[Release]:
        """Forgets releases that were published before a moment, but for the newest ten and those that are served; and sets without a release."""
        listed, served = self.listed(), {report.release for report in self.hosts()}
        old = [item for item in listed[KEPT:] if item.at <= before and item.number not in served]
        for release in old:
            self._store.remove_object(_record(release.number))
        kept = {_set(release.files) for release in self.listed()}
        for item in self._store.list_objects("filesets/"):
            if item.name not in kept:
                self._store.remove_object(item.name, before)
        for item in self._store.list_objects("hosts/"):
            self._store.remove_object(item.name, before)
        return old

    def _numbers(self) -> Sequence[int]:
        names = [
            item.name.removeprefix("releases/").removesuffix(".json") for item in self._store.list_objects("releases/")
        ]
        return [int(name) for name in names if name.isdigit()]


def _read(model: Any, data: bytes) -> Any:
    """None for what is not of that form. Fields that a newer version wrote are passed over."""
    try:
        document = json.loads(data)
        return model(**{item.name: document[item.name] for item in fields(model) if item.name in document})
    except (ValueError, TypeError):
        return None


def _record(number: int) -> str:
    return f"releases/{number:08d}.json"


def _set(hash: str) -> str:
    return f"filesets/{hash}.json"


def _host(node: str) -> str:
    return f"hosts/{node}.json"
