"""The registry that a worker serves, told by the worker's identity: the one thing about a poller that a server tells everybody.

So whoever starts a run can see that nobody would take it up, or that somebody would with the scripts of another project.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from runtime.registry import Registry, StartableWorkflow, WorkflowLua
from runtime.temporal import wire

#: The server refuses an identity of more than 1,000 bytes, so what would be longer than this is not told.
_LENGTH = 400


@dataclass(frozen=True)
class Serving:
    """What an identity says: whose process it is, and of the workflows of its registry the namespaces, and digests of the directories that
    their sources lie in, each as it is named and as it is. None: not told, as the directories where the files came by a deploy."""

    pid: str
    host: str
    roots: frozenset[str] | None
    namespaces: frozenset[str] | None

    @classmethod
    def of(cls, registry: Registry) -> Serving:
        workflows = registry.of_kind(WorkflowLua)
        roots = None if registry.deployed else frozenset[str]().union(*(_digests(entry.root) for entry in workflows))
        return cls(str(os.getpid()), socket.gethostname(), roots, namespaces(registry))

    @classmethod
    def read(cls, identity: str) -> Serving | None:
        """None: the identity of a worker that is not ours, or that somebody gave a name."""
        match identity.split(" "):
            case [who, wire.SERVING, roots, names] if "@" in who:
                pid, _, host = who.partition("@")
                return cls(pid, host, _read(roots), _read(names))
        return None

    @property
    def identity(self) -> str:
        return f"{self.pid}@{self.host} {wire.SERVING} {_written(self.roots)} {_written(self.namespaces)}"

    def is_other_than(self, entry: WorkflowLua, *, deployed: bool) -> str | None:
        """Why runs of `entry` are not to be left to this worker, as the end of a sentence; None when they may be.

        `deployed`: where code is deployed, so that the files here may be those of an author.
        """
        if self.namespaces is not None and entry.namespace not in self.namespaces:
            names = ", ".join(sorted(self.namespaces)) or "none"
            return f"process {self.pid} on {self.host} serves another registry, with workflows of {names}"
        here = self.host == socket.gethostname() and not deployed
        if here and self.roots is not None and not self.roots & _digests(entry.root):
            return f"process {self.pid} on this machine serves another registry, whose files lie elsewhere"
        return None


def namespaces(registry: Registry) -> frozenset[str]:
    """The namespaces of the workflows of a registry."""
    return frozenset(entry.namespace for entry in registry.of_kind(WorkflowLua))


def unserved(entry: StartableWorkflow, queue: str, pollers: Sequence[str], *, deployed: bool) -> str | None:
    """Why a run of `entry` is not to be started on a queue with these pollers, given by their identities; None when it may be.

    Whoever is none of ours is trusted to know what it does.
    """
    if not pollers:
        return f"no worker polls its task queue {queue}"
    if not isinstance(entry, WorkflowLua):  # it runs elsewhere
        return None
    workers = [Serving.read(identity) for identity in pollers]
    reasons = [worker.is_other_than(entry, deployed=deployed) if worker else None for worker in workers]
    return None if None in reasons else f"on its task queue {queue} {reasons[0]}"


@lru_cache(maxsize=256)
def _digests(root: Path) -> frozenset[str]:
    places = (root.absolute(), root.resolve())
    return frozenset(blake2b(bytes(place), digest_size=4).hexdigest() for place in places)


def _written(names: frozenset[str] | None) -> str:
    text = "*" if names is None else ",".join(sorted(names)) or "-"
    return text if len(text) <= _LENGTH else "*"


def _read(text: str) -> frozenset[str] | None:
    return None if text == "*" else frozenset(() if text == "-" else text.split(","))
