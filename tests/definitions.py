"""Definition files of tests: what most of them have in common, and how they are written."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

#: Where no Temporal server answers: a test that has one says where it is.
NOWHERE = "127.0.0.1:1"
NAME = "registry.yaml"


def with_worker(entries: str = "", *, namespace: str = "app", address: str = NOWHERE, queue: str = "QUEUE") -> str:
    """A definition file of these lines, after a `temporal.client` named temporal and a `temporal.worker` named worker."""
    lines = entries.removeprefix("\n")
    return f"""\
namespace: {namespace}
entries:
  - {{name: temporal, kind: temporal.client, address: "{address}"}}
  - {{name: worker, kind: temporal.worker, client: temporal, task_queue: {queue}}}
{lines}"""


def worker_entries(queue: str) -> list[dict[str, Any]]:
    """The same two, as values."""
    return [
        {"name": "temporal", "kind": "temporal.client", "address": NOWHERE},
        {"name": "worker", "kind": "temporal.worker", "client": "temporal", "task_queue": queue},
    ]


def write(directory: Path, text: str) -> Path:
    """The definition file of that text in a directory. Its QUEUE is a task queue that no other test has."""
    path = directory / NAME
    path.write_text(text.replace("QUEUE", f"test-{uuid.uuid4()}"))
    return path


def write_entries(directory: Path, entries: Sequence[Mapping[str, Any]], namespace: str = "app") -> Path:
    return write(directory, yaml.safe_dump({"namespace": namespace, "entries": list(entries)}))
