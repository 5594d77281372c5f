"""The events of a stream: as they are published, as a store keeps them, and which of them a store takes.

A store keeps one log for each chain of runs. Its events have numbers that rise by one, and each is marked with the number of the
history's latest event at that time: mark and number together are its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from runtime.contracts import Cursor, RunEvent

STREAM, RESTARTED = "stream", "stream.restarted"


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes: `id` is the same for all attempts of one activity, and for one execution elsewhere."""

    id: str
    attempt: int = 1
    entry: str = ""
    activity_id: str = ""

    @property
    def about(self) -> dict[str, Any]:
        told = {"activity": self.entry, "activity_id": self.activity_id} if self.activity_id else {"by": self.entry}
        return {**{name: text for name, text in told.items() if text}, "attempt": self.attempt}


class Published(NamedTuple):
    """One event on its way. `data` is JSON text, `at` milliseconds since 1970; `is_placed` says that its author chose the position."""

    publisher: Publisher
    name: str
    data: bytes
    position: int
    is_placed: bool
    at: int


class Batch(NamedTuple):
    """Events for one log, in order. `mark`: so many events the history has at least."""

    log: str
    mark: int
    events: Sequence[Published]


class Source(NamedTuple):
    """How far one publisher is with one name: its latest attempt, and the position of the last event of that."""

    attempt: int
    position: int
    is_placed: bool


Sources = dict[tuple[str, str], Source]


def admitted(sources: Sources, events: Iterable[Published]) -> list[bytes]:
    """The events that are new, each as JSON text; `sources` are brought up to date.

    A position that is there already is dropped, and so is what an attempt says after a later one has begun. An attempt that does not say
    where it goes on begins anew, which is an event of its own.
    """
    found: list[bytes] = []
    for event in events:
        key = (event.publisher.id, event.name)
        before = sources.get(key)
        attempt = event.publisher.attempt
        if before is not None and attempt < before.attempt:
            continue
        if before is not None and attempt > before.attempt and not (event.is_placed and before.is_placed):
            found.append(_restarted(event))
            before = None
        if before is not None and event.position <= before.position:
            continue
        sources[key] = Source(attempt, event.position, event.is_placed)
        found.append(_text(event))
    return found


def _text(event: Published) -> bytes:
    head = _head(event.publisher, event.name)
    return b'{%s,"data":%s,"position":%d,"at":%d}' % (head, event.data, event.position, event.at)


def _restarted(event: Published) -> bytes:
    return b'{"restarted":true,%s,"at":%d}' % (_head(event.publisher, event.name), event.at)


@lru_cache(maxsize=4096)
def _head(publisher: Publisher, name: str) -> bytes:
    """What all events of one stream have alike."""
    return json.dumps({"name": name, **publisher.about}).encode()[1:-1]


class Row(NamedTuple):
    """What a store keeps of a batch: the events `first` to `last`, JSON texts with commas between."""

    mark: int
    first: int
    last: int
    body: bytes

    @classmethod
    def of(cls, mark: int, first: int, texts: Sequence[bytes]) -> Row:
        return cls(mark, first, first + len(texts) - 1, b",".join(texts))

    def after(self, cursor: Cursor) -> list[RunEvent]:
        """As those who follow the run hear of them."""
        events = [_event(self.mark, self.first + number, told) for number, told in enumerate(self._told())]
        return [event for event in events if event.id is not None and event.id > cursor]

    def _told(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = json.loads(b"[" + self.body + b"]")
        return told


def _event(mark: int, seq: int, told: Mapping[str, Any]) -> RunEvent:
    data = dict(told)
    name = RESTARTED if data.pop("restarted", False) else STREAM
    at = datetime.fromtimestamp(data.pop("at") / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return RunEvent(Cursor(mark, seq), name, {"at": at, "seq": seq, **data})
