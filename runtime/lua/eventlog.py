"""What a run was told, kept so that it can be told again: its boot, then every step with the answers the host gave in it.

What was told last is kept as it came; the rest is packed, in chunks, so that a step never packs the whole log again. The
log lives in the memory of one worker and is read by the process that wrote it, so its form is nobody else's concern.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from io import BytesIO
from typing import Any, NamedTuple

from runtime.lua.protocol import Batch, Clock, Event

#: A log that is longer is not kept: telling it again would take longer than a replay is worth, or as much memory as an
#: interpreter. Steps; seconds of processor time that they took; bytes, packed.
MAX_STEPS, MAX_SECONDS, MAX_BYTES = 1000, 0.5, 64 * 1024

#: What is kept as it came, at most: steps, and bytes of values.
_RECENT_STEPS, _RECENT_BYTES = 128, 64 * 1024
#: A packed chunk of fewer bytes is opened again for what comes next: many small chunks take more than a large one.
_SMALL = 4 * 1024


class Answer(NamedTuple):
    """A question that a step put to its host, and what it was told: a value, or the kind and message of an error."""

    name: str
    args: tuple[Any, ...]
    value: Any = None
    error: tuple[str, str] | None = None


class Told(NamedTuple):
    """One step."""

    events: tuple[Event, ...]
    clock: Clock
    answers: tuple[Answer, ...]


def fingerprint(batch: Batch) -> bytes:
    """What two steps have in common exactly when they went alike."""
    return batch.frame


def rolled(digest: bytes, batch: Batch) -> bytes:
    """The digest of all answers so far, with one more."""
    return blake2b(digest + fingerprint(batch), digest_size=16).digest()


class EventLog:
    """Of one run; not thread-safe. `steps` counts them, `digest` is of all that they answered.

    `kept` is False once the log has become too long, or was given up for another reason: what it held is gone for good.
    """

    __slots__ = ("_bytes", "_packed", "_recent", "_seconds", "digest", "kept", "steps")

    def __init__(self, boot: Mapping[str, Any]) -> None:
        self._packed: list[bytes] = []
        self._recent: list[Any] = [dict(boot)]
        self._bytes = 0
        self._seconds = 0.0
        self.steps = 0
        self.digest = b""
        self.kept = True

    @property
    def size(self) -> int:
        """Bytes of what is packed."""
        return sum(map(len, self._packed))

    def add(self, told: Told, batch: Batch, seconds: float) -> None:
        """A step that took that much processor time, and what came of it."""
        self.steps += 1
        self._seconds += seconds
        if self.steps > MAX_STEPS or self._seconds > MAX_SECONDS:
            self.give_up()
        if not self.kept:
            return
        self.digest = rolled(self.digest, batch)
        self._recent.append(told)
        self._bytes += sum(map(_weight, told.events))
        if len(self._recent) > _RECENT_STEPS or self._bytes > _RECENT_BYTES:
            self.pack()

    def give_up(self) -> None:
        self.kept = False
        self._packed, self._recent = [], []

    def pack(self) -> None:
        """Leaves nothing as it came. A log that is too large even so, or nested too deeply, is given up."""
        if not self._recent:
            return
        try:
            data = pickle.dumps(self._recent, pickle.HIGHEST_PROTOCOL)
        except RecursionError:
            self.give_up()
            return
        self._recent, self._bytes = [], 0
        if self._packed and len(self._packed[-1]) < _SMALL:
            data = zlib.decompress(self._packed.pop()) + data
        self._packed.append(zlib.compress(data, 1))
        if self.size > MAX_BYTES:
            self.give_up()

    def read(self) -> Iterator[Any]:
        """The boot, then each `Told` in order."""
        for chunk in self._packed:
            yield from _unpacked(zlib.decompress(chunk))
        yield from self._recent


def _unpacked(data: bytes) -> Iterator[Any]:
    stream = BytesIO(data)
    while stream.tell() < len(data):
        yield from pickle.load(stream)


def _weight(event: Event) -> int:
    """Bytes of the values of an event."""
    values: Sequence[Any] = event.get("args") or ()
    value = event.get("value")
    return sum(len(each.data) for each in values) + (len(value.data) if value is not None else 0)
