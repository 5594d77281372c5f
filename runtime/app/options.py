"""The options of a runtime: what it brings up, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.registry import WHOLE, BundleStore, FileSet, Selection

if TYPE_CHECKING:
    from runtime.http import HttpOptions

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """What a runtime brings up, and how. Times in seconds."""

    temporal: str | None = None
    """`"embedded"` (a server of its own), `"host:port"`, or None: what the registry's `temporal.client` says."""

    state: Path | None = None
    """Where the embedded server keeps its database; None: in memory, gone with the runtime."""

    bundles: BundleStore | str | Path | None = None
    """Where bundles are kept: a store, or its directory or URL. None: where the settings say; else in `state`, for an embedded server without one in memory,
    and for a runtime without workers nowhere: whoever runs a workflow then pins it."""

    workers: bool = True
    """Whether to poll the task queues of the registry's workers."""

    http: HttpOptions | None = None
    """How to serve HTTP; None: not at all."""

    services: bool = True
    """Whether workers come with the `process.service` entries; those that are `everywhere` run in any case."""

    selection: Selection = WHOLE
    """The workers, HTTP services, services and consumers that this process is for, by id or `meta.group`; the others are left to other processes."""

    files: FileSet | None = None
    """What is served in place of the registry's files on this machine, until a reload."""

    shadow: bool = False
    """Whether workers execute every step twice and compare, where their entry does not say."""

    new_attributes: bool = False
    """Whether search attributes that a run sets and no client declares are registered with the server, by the type of their value: for development."""

    checked: bool = True
    """Whether a script that does not compile stops the start. What only acts on runs that exist can do without."""

    lenient: bool = False
    """Whether mistakes in the definition files stop the start only if they concern where runs live. For what only acts on runs that exist."""

    namespace: str | None = None
    """With `lenient`: the namespace on the server `temporal` to act in when even that cannot be read."""

    patient: bool = False
    """Whether to wait for a Temporal server that does not answer at start, rather than to fail."""

    grace: float = 5.0
    """What functions under way get when the runtime closes. Workers and HTTP have their own."""

    ports: tuple[int | None, int | None] = (None, None)
    """The ports of an embedded server and of its UI; None: the usual one, or a free one when that is taken."""

    streams: Path | None = None
    """The file with what is published to runs, where the registry names no store for that. None: `streams.db` in `state`; without that in memory."""
