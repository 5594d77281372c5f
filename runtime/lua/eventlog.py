"""The log of what a run was told, kept so that it can be told again: its boot, then every step with the answers of the host.

The latest steps are kept one by one; the others are packed, in chunks, so that no step packs the whole log again. The
log lives in the memory of one worker and is read by the process that wrote it, so its form is nobody else's concern.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from runtime.lua.protocol import Batch, Clock, Event
from runtime.payload import Payload

#: A log that is longer is not kept: telling it again would take longer than a replay is worth, or as much memory as an
#: interpreter. Steps; seconds of processor time that they took; bytes, packed.
MAX_STEPS, MAX_SECONDS, MAX_BYTES = 1000, 0.5, 64 * 1024

#: What is kept one by one, at most: steps, and bytes.
_RECENT_STEPS, _RECENT_BYTES = 64, 32 * 1024
#: A packed chunk of fewer bytes is opened again for what comes next: many small chunks take more than a large one.
_SMALL = 4 * 1024


_SCALARS = frozenset({str, int, bytes, float, bool, type(None)})


class Answer(NamedTuple):
    """A question that a step put to its host, and what it was told: a value, or the kind and message of an error."""

    name: str
    args: tuple[Any, ...]
    value: Any = None
    error: tuple[str, str] | None = None


class Told(NamedTuple):
    """One step of the log. Its clock says that it replays."""

    events: list[Event]
    clock: Clock
    answers: list[Answer]


class Digest:
    """Of all answers of a run, in order: equal where the runs went alike."""

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)

    def add(self, batch: Batch) -> None:
        frame = batch.frame
        self._hash.update(b"%d %b" % (len(frame), frame))

    def value(self) -> bytes:
        return self._hash.digest()


class EventLog:
    """The log of one run; it is not thread-safe. `steps` counts them, `digest` is that of all their answers.

    `kept` is False once the log has become too long, or was given up for another reason: what it held is gone for good.
    """

    __slots__ = ("_packed", "_recent", "_recent_bytes", "_seconds", "digest", "kept", "steps")

    def __init__(self, boot: Mapping[str, Any]) -> None:
        self._packed: list[bytes] = []
        self._recent: list[bytes] = []
        self._recent_bytes = 0
        self._seconds = 0.0
        self.steps = 0
        self.digest = Digest()
        self.kept = True
        self._write(boot)

    @property
    def size(self) -> int:
        """Bytes of what it holds."""
        return sum(map(len, self._packed)) + self._recent_bytes

    def add(
        self, events: Sequence[Event], clock: Clock, answers: Sequence[Answer], batch: Batch, seconds: float
    ) -> None:
        """A step that took that much processor time, and what came of it. To be called while the log is kept."""
        self.steps += 1
        self._seconds += seconds
        if self.steps > MAX_STEPS or self._seconds > MAX_SECONDS:
            self.give_up()
            return
        self.digest.add(batch)
        self._write([_flat(event) for event in events], clock[:4], [tuple(answer) for answer in answers])

    def give_up(self) -> None:
        self.kept = False
        self._packed, self._recent, self._recent_bytes = [], [], 0

    def pack(self) -> None:
        """Leaves nothing as it came. A log that is too large even so is given up."""
        if not self._recent:
            return
        former = _opened(self._packed.pop()) if self._packed and len(self._packed[-1]) < _SMALL else []
        self._packed.append(zlib.compress(marshal.dumps(former + self._recent), 1))
        self._recent, self._recent_bytes = [], 0
        if self.size > MAX_BYTES:
            self.give_up()

    def boot(self) -> Any:
        return marshal.loads(next(self._written()))[0]

    def told(self) -> Iterator[Told]:
        """Every step, in order."""
        steps = self._written()
        next(steps)
        for step in steps:
            events, (now, length, size, suggested), answers = marshal.loads(step)
            clock = Clock(now, length, size, suggested, replaying=True)
            yield Told([_event(event) for event in events], clock, [Answer(*answer) for answer in answers])

    def _write(self, told: Any, *more: Any) -> None:
        try:
            written = _dumped(told, *more)
        except (ValueError, RecursionError):  # nested too deeply
            self.give_up()
            return
        self._recent.append(written)
        self._recent_bytes += len(written)
        if len(self._recent) > _RECENT_STEPS or self._recent_bytes > _RECENT_BYTES:
            self.pack()

    def _written(self) -> Iterator[bytes]:
        for chunk in self._packed:
            yield from _opened(chunk)
        yield from self._recent


def _opened(chunk: bytes) -> list[bytes]:
    steps: list[bytes] = marshal.loads(zlib.decompress(chunk))
    return steps


def _dumped(told: Any, *more: Any) -> bytes:
    try:
        return marshal.dumps((told, *more))  # as most are: of nothing but plain containers and scalars
    except ValueError:
        return marshal.dumps((_plain(told), *more))


def _pair(payload: Payload) -> tuple[str, bytes]:
    return (payload.encoding, payload.data)


def _flat(event: Event) -> Event:
    """The event with tuples for its payloads, which are where the protocol has them."""
    if "value" in event:
        return {**event, "value": _pair(event["value"])}
    if "args" in event:
        return {**event, "args": [_pair(payload) for payload in event["args"]]}
    return event


def _plain(value: Any) -> Any:
    """The value without classes; a payload is a tuple, and nothing else is."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is Payload:
        return _pair(value)
    if kind is list or kind is tuple:
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: item if type(item) in _SCALARS else _plain(item) for key, item in value.items()}
    return value


def _event(plain: dict[str, Any]) -> Event:
    """The event that became this. Payloads are where the protocol has them."""
    if "args" in plain:
        plain["args"] = [Payload(*item) for item in plain["args"]]
    if isinstance(plain.get("value"), tuple):
        plain["value"] = Payload(*plain["value"])
    return plain
