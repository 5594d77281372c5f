"""The limits of a Temporal server, as they are by default. What is more is refused before it is sent: a refused command never comes back to
the script, it fails its task for ever or terminates the run. docs/limits.md has a line for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runtime.errors import Error, invalid, limit_exceeded
from runtime.payload import Payload

#: Bytes of the values of one command, event or answer: the server takes 2 MiB, envelopes included (`limit.blobSize.error`), and the memo of a
#: run has as much (`limit.memoSize.error`).
MAX_BLOB = MAX_MEMO = 2 * 1024 * 1024 - 16 * 1024
#: What a value may have that is kept in a payload store, and about what its reference takes.
MAX_STORED = 64 * 1024 * 1024
REFERENCE = 512
#: Bytes that a value takes besides its data, at most: a codec's envelope is the largest.
ENVELOPE = 250
#: Bytes of a request, such as all commands of a workflow task together: gRPC takes 4 MiB, and so does a transaction of the server. What a
#: command takes without its values is in it too; the rest is for what the SDK adds.
ROOM = 256 * 1024
MAX_REQUEST = 4 * 1024 * 1024 - ROOM
#: Bytes of what arrives for a run while it has a workflow task (`system.maximumBufferedEventsSizeInBytes`). The server writes that together with
#: the task's commands, and terminates a run whose sum is more than a transaction, so commands share the rest.
MAX_BUFFERED = 2 * 1024 * 1024
MAX_COMMANDS = MAX_REQUEST - MAX_BUFFERED
COMMAND = 250
#: Bytes of ids, of names of types, signals, updates and task queues (`limit.maxIDLength`).
MAX_NAME = 1000
#: Of search attributes: bytes of one value, of all (less what the SDK adds to them), and how many.
MAX_ATTRIBUTE, MAX_ATTRIBUTES, MAX_ATTRIBUTE_COUNT = 2048, 40 * 1024 - 4096, 100
#: How many activities of a run may be under way, or children, or signals to others; a few are for the host's own.
MAX_PENDING = 2000 - 50

#: Characters of which UTF-8 makes no more bytes than a name may have.
SHORT = MAX_NAME // 4
_FEW = 64  # values, whose envelopes have room beside `MAX_BLOB`


def is_small(payloads: Sequence[Payload]) -> bool:
    """Whether they are within every limit, whatever a store does."""
    return sum([len(payload.data) for payload in payloads]) <= MAX_BLOB and len(payloads) <= _FEW


def check_size(what: str, payloads: Sequence[Payload], stored: int | None = None) -> None:
    """Raises `Error` INVALID when Temporal would refuse these values.

    Values of more than `stored` bytes travel by reference, up to `MAX_STORED` each; None where no store takes them.
    """
    sizes = [len(payload.data) for payload in payloads]
    if stored is not None and max(sizes, default=0) > MAX_STORED:
        text = (
            f"{what}: {_bytes(sizes, max(sizes))} are more than a payload store takes ({MAX_STORED} bytes): send less"
        )
        raise invalid(text, size=max(sizes), limit=MAX_STORED)
    size = weight(payloads, stored)
    envelopes = len(sizes) * ENVELOPE if len(sizes) > _FEW else 0
    if size + envelopes > MAX_BLOB:
        mend = "send less" if stored is not None else "send less, or give the temporal.client a payloads.store"
        text = (
            f"{what}: {_bytes(sizes, size + envelopes)} are more than Temporal takes at once ({MAX_BLOB} bytes): {mend}"
        )
        raise invalid(text, size=size + envelopes, limit=MAX_BLOB)


def weight(payloads: Sequence[Payload], stored: int | None = None) -> int:
    """Bytes that the data of values takes as they travel, those in a store by their references."""
    sizes = [len(payload.data) for payload in payloads]
    return sum(sizes) if stored is None else sum(REFERENCE if size >= stored else size for size in sizes)


def _bytes(sizes: Sequence[int], size: int) -> str:
    """The size, and which of several values it is most of."""
    largest = max(sizes, default=0)
    if len(sizes) < 2 or largest < size // 2:
        return f"{size} bytes" if len(sizes) < 2 else f"{len(sizes)} values of {size} bytes"
    return f"{size} bytes, of which argument {sizes.index(largest) + 1} has {largest},"


def check_request(what: str, size: int) -> None:
    """Raises `Error` INVALID for what one request cannot hold, although each part of it is small enough."""
    if size > MAX_REQUEST:
        text = f"{what}: {size} bytes with its context, memo and messages are more than a request to Temporal holds"
        raise invalid(f"{text} ({MAX_REQUEST} bytes): send less of them", size=size, limit=MAX_REQUEST)


def check_name(what: str, name: str) -> None:
    """Raises `Error` INVALID for a longer one than the server takes."""
    if len(name) > SHORT and len(name.encode("utf-8", "replace")) > MAX_NAME:
        size = len(name.encode("utf-8", "replace"))
        text = f'{what} "{name[:80]}...": {size} bytes are more than Temporal takes in a name ({MAX_NAME} bytes)'
        raise invalid(text, size=size, limit=MAX_NAME)


def check_memo(what: str, sizes: Iterable[tuple[str, int]]) -> None:
    """Raises `Error` INVALID when that is more than the memo of a run may be; `sizes` are of its values, by their names."""
    size = sum(len(name.encode("utf-8", "replace")) + length + ENVELOPE for name, length in sizes)
    if size > MAX_MEMO:
        text = (
            f"{what}: {size} bytes, with what it holds already, are more than Temporal takes at once ({MAX_MEMO} bytes)"
        )
        raise invalid(f"{text}: remember less", size=size, limit=MAX_MEMO)


def check_depth(depth: int, most: int, starter: str) -> None:
    """Raises `Error` LIMIT_EXCEEDED for what would be the start of number `depth` in a row, each by what the one before started."""
    if depth > most:
        text = f"{depth} runs and processes would have started one another in a row, and limits.depth of {starter} is {most}"
        raise limit_exceeded(
            f"{text}: start them side by side, or let one continue as a new run", limit="depth", depth=depth
        )


def reached(what: str, most: int, entry: str) -> Error:
    """Of one more child, activity or timer than its entry lets a run have under way."""
    text = f"{most} {what} of this run are under way, which is as many as limits.{what} of {entry} allows: wait for some first"
    return limit_exceeded(text, limit=what)


def too_many_signals(run: str) -> Error:
    """Of one more message to a run than the server lets it have (`history.maximumSignalsPerExecution`)."""
    return limit_exceeded(
        f"workflow {run} has been sent as many messages as Temporal lets one run have (10,000, unless the server says otherwise): "
        "let it begin anew in time, with process.upgrade",
        limit="signals",
        workflow_id=run,
    )


def too_many(what: str) -> Error:
    """Of one more activity, child or signal than a run may have under way."""
    return invalid(
        f"{MAX_PENDING} {what} of this run are under way, which is as many as Temporal takes: wait for some first",
        limit=MAX_PENDING,
    )
