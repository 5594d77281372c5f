"""The events of a stream: as they are published, as a store keeps them, and which of them a store takes.

A store keeps one log for each chain of runs. Its events have numbers that rise by one, and each is marked with the number of the
history's latest event at that time: mark and number together are its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from runtime.contracts import Cursor, RunEvent

STREAM, RESTARTED = "stream", "stream.restarted"
#: What the names begin with, among those of streams, under which a host tells of what happens to a run before its history does.
LIVE = "\x01"


class Publisher(NamedTuple):
    """Who publishes: `id` is the same for all attempts of one activity, and for one execution elsewhere. `is_anew`: somebody else has
    published this before, namely the run that was reset."""

    id: str
    attempt: int = 1
    entry: str = ""
    activity_id: str = ""
    is_anew: bool = False

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


#: Whose event it is, and of which name.
_STREAM_OF = itemgetter(0, 1)


class PublishedBatch(NamedTuple):
    """Events for one log, in order. `mark`: so many events the history has at least."""

    log: str
    mark: int
    events: Sequence[Published]

    @property
    def is_live(self) -> bool:
        """Whether it is of interest only to those who follow the run already."""
        return all(event.name.startswith(LIVE) for event in self.events)


class Source(NamedTuple):
    """How far one publisher is with one name: its latest attempt, and the position of the last event of that."""

    attempt: int
    position: int
    is_placed: bool


Sources = dict[tuple[str, str], Source]


def admitted(sources: Sources, events: Iterable[Published]) -> list[bytes]:
    """The events that are new, each as JSON text; `sources` are brought up to date.

    A position that is there already is dropped, and so is what an attempt says after a later one has begun. An attempt that does not say
    where it goes on begins anew, which is an event of its own; so does a run that was reset.
    """
    found: list[bytes] = []
    for (publisher, name), group in groupby(events, _STREAM_OF):
        before = sources.get((publisher.id, name))
        if before is None or publisher.attempt >= before.attempt:
            count = len(found)
            after = _take(found, before, publisher, name, group)
            if len(found) > count:
                sources[publisher.id, name] = after
    return found


def _take(
    found: list[bytes], before: Source | None, publisher: Publisher, name: str, events: Iterable[Published]
) -> Source:
    """Adds the new ones of one publisher and name. How far that is then. Tens of thousands go through here in a second."""
    head, attempt = _head(publisher, name), publisher.attempt
    last, was_placed = (before.position, before.is_placed) if before is not None else (-1, True)
    is_anew = publisher.is_anew if before is None else False
    is_next = before is not None and attempt > before.attempt
    for _, _, data, position, is_placed, at in events:
        if is_anew or (is_next and not (is_placed and was_placed)):
            found.append(_restarted(head, position, at))
        elif position <= last:
            continue
        is_anew = is_next = False
        last, was_placed = position, is_placed
        found.append(b'{%b,"data":%b,"position":%d,"at":%d}' % (head, data, position, at))
    return Source(attempt, last, was_placed)


def _restarted(head: bytes, position: int, at: int) -> bytes:
    """It has the position with which it begins: what came before that stays true."""
    return b'{"restarted":true,%b,"position":%d,"at":%d}' % (head, position, at)


@lru_cache(maxsize=4096)
def _head(publisher: Publisher, name: str) -> bytes:
    """What all events of one stream have alike."""
    if name.startswith(LIVE):
        return json.dumps({"live": name.removeprefix(LIVE)}).encode()[1:-1]
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
    live = data.pop("live", None)
    name = live or (RESTARTED if data.pop("restarted", False) else STREAM)
    at = datetime.fromtimestamp(data.pop("at") / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"live": True, **data["data"]} if live else {"seq": seq, **data}
    return RunEvent(Cursor(mark, seq), name, {"at": at, **told})
