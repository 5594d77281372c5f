"""Every name and shape that crosses to Temporal, in one place, so that the two ends of a wire cannot drift.

Headers carry what is not an argument: the context of a call, who sent it, and which run it belongs to. They are Temporal
payloads in JSON, so that any SDK and the UI can read them. The codec of a client encrypts them with
everything else; without one what authors put into a context is theirs to choose.

Values travel as the payloads they are (`json/plain` text written by the kernel, `binary/plain` bytes): the host wraps and
unwraps the envelope and never parses what is inside, so integers, floats and empty objects arrive as they left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf.internal.containers import MessageMap, RepeatedCompositeFieldContainer
from temporalio.api.common.v1 import Payload as Proto
from temporalio.api.history.v1 import HistoryEvent
from temporalio.common import RawValue

from runtime import limits
from runtime.contracts import End
from runtime.errors import Error, invalid
from runtime.lua.protocol import EXIT, LINK_DOWN, Event, process_exit
from runtime.payload import BINARY, JSON, NULL, Payload
from runtime.principal import NOBODY, Actor, Principal, read_scope

#: Context of a call (`ctx.get`), a JSON object. On starts, children, continued runs and activities.
CONTEXT = "evermoon-context"
#: For whom a run or activity acts: an actor, JSON {id, meta}, and its scope, a JSON array of names of policies and groups. They go where the
#: context goes. Whoever may start runs on the cluster may write them: the cluster is trusted, as it is with everything else in a history.
ACTOR = "evermoon-actor"
SCOPE = "evermoon-scope"
#: PID of who started a run, sent a signal or called an activity, JSON text.
SENDER = "evermoon-sender"
#: How many runs and processes started one another before this run, or the run of this activity; a JSON number, absent for none.
DEPTH = "evermoon-depth"
#: Hash of the bundle a run was started with, or `runtime.registry.LATEST`; JSON text.
BUNDLE = "evermoon-bundle"
#: First run id of the chain an activity's caller belongs to; part of the idempotency key, which must survive continue-as-new.
CHAIN = "evermoon-chain"
#: Unread messages that a run hands to its successor: JSON [{topic, from, at, args: [[encoding, bytes as latin-1 text]]}].
CARRIED = "evermoon-carried"
#: The same for process events: JSON [{kind, from, at, reason?, error?: an `Error` in wire form, value?: [encoding, latin-1]}].
CARRIED_EVENTS = "evermoon-carried-events"
#: On a query whose asker reads `ANSWER_ERROR`: true. Others get a failed query, of which the server keeps the text alone.
WHOLE_ERRORS = "evermoon-whole-errors"
#: Time budget of a run, JSON {budget, grace, deadline?} in milliseconds; `deadline` since 1970, of a run for which the server has no
#: end. On starts and continued runs.
BUDGET = "evermoon-budget"
#: On the starts of a schedule of ours: what it was made from, JSON {entry, definition, paused}. Nothing reads it in a run.
SCHEDULE = "evermoon-schedule"

#: In the identity of our workers, before what they serve; see `runtime.temporal.serving`.
SERVING = "evermoon"

#: Id of the schedule of an entry.
SCHEDULE_ID = "evermoon:{entry}"

#: Memo of a run: the bundle it was started with, so that listings can show it.
MEMO_BUNDLE = "evermoon_bundle"
#: Memo of a run: tells the starter whether signal-with-start created the run or found it.
MEMO_START = "evermoon_start"
#: Memo of a run that has spent its time budget, as a Go duration: for the server it has failed, to us it has timed out.
MEMO_BUDGET = "evermoon_budget_spent"

#: System activities: what a workflow asks of its host. The prefix is no valid entry id, so no entry can collide.
SYSTEM = "evermoon."
TERMINATE = f"{SYSTEM}terminate"
CANCEL = f"{SYSTEM}cancel"
FIND_RUN = f"{SYSTEM}find_run"
AWAIT_RUN = f"{SYSTEM}await_run"
HOW_ENDED = f"{SYSTEM}how_ended"
#: A local activity: what a run publishes. Argument: `{by: entry, chain, run_id, event: so far its history was, anew: of a run that was reset,
#: events: [{name, position, at: milliseconds, data}]}`.
PUBLISH = f"{SYSTEM}publish"
#: On a node's own queue: messages of a run to one process there. Arguments: `{to, messages: [{id, topic, args: count}]}`,
#: then the arguments of all messages, one after another.
DELIVER = f"{SYSTEM}deliver"
#: There, too: ends one process, in its turn among the messages to it. Arguments: `{to, id: as that of a message, reason}`.
CANCEL_PROCESS = f"{SYSTEM}cancel_process"
TERMINATE_PROCESS = f"{SYSTEM}terminate_process"
NODE_QUEUE = "evermoon.node.{node}"

#: Signal to a run that a process was linked with: how that ended. No script can send one of this name. Arguments: `{kind, at,
#: error?: an `Error` in wire form}`, and the value where it ended well; the sender is the process.
PROCESS_ENDED = "@evermoon.ended"

#: Markers (Temporal patches) that pin what a live run decided, so that a later deploy does not change a replay.
UNKNOWN_MARKER = "evermoon.unknown:{id}#{seq}"
#: What an unknown id was said to have meant: text that a run was told stays what it was told.
MEANT_MARKER = "evermoon.meant:{seq}="
REFUSED_MARKER = "evermoon.refused:{op}#{seq}"
#: A command that the scope did not allow: its number, and the number of the question among those it asks.
DENIED_MARKER = "evermoon.denied:{action}#{seq}.{number}"
#: A value that no command would hold was let pass, because a payload store takes it; `at` is a command's number or a word.
STORED_MARKER = "evermoon.stored:{at}"
#: The task was full when this command's turn came, so it goes with a later one (`workflow/pacing.py`); `at` says which of those with values it is.
FULL_MARKER = "evermoon.full:{at}"
VERSION_MARKER = "{id}@{version}"
PIN_MARKER = "evermoon.bundle:{hash}"
#: Of a run that cancels others through the activity, which can tell an ended run from one that was asked to end; a run that
#: has cancelled without it goes on with Temporal's own command.
CANCEL_MARKER = "evermoon.cancel:2"
#: Of a run that cancels and terminates processes of hosts; to one that has been told that there are none, there never are.
END_PROCESS_MARKER = "evermoon.end_process"
#: Of a run that was told of another that it has been sent as many signals as the server lets it.
SIGNALS_MARKER = "evermoon.signals_full"
#: Of a run that asks, when a message to another was not taken, whether that has ended.
ENDED_MARKER = "evermoon.how_ended"
#: Of a run that heeds the start delay of its children; one that has started such a child at once goes on doing so.
DELAY_MARKER = "evermoon.start_delay:2"

#: Of a run that nobody gave a budget but its entry, at its first task; `<milliseconds>+<grace>` follow.
BUDGET_MARKER = "evermoon.budget:"
#: Of a run with a budget that failed since an activity had no time left for another attempt.
STARVED_MARKER = "evermoon.starved"

#: Of a run that was ended because its history was full.
HISTORY_MARKER = "evermoon.history_full"
#: Of a run that was ended because one of its steps, by number, spent its time again and again; the line where that was.
OVERTIME_MARKER = "evermoon.overtime:{step}@{at}"

#: Marker in which the SDK records a patch, and the key of its details: JSON {id, deprecated}.
SDK_PATCH = "core_patch"
SDK_PATCH_DATA = "patch-data"

#: Key in the details of an ApplicationError that says: this object is an `Error` in wire form.
ERROR_MARK = "evermoon_error"
#: Error type of what has no kind (`UNKNOWN` is the empty string, which Temporal shows as nothing at all).
UNTYPED = "Internal"

#: Built-in queries that the kernel answers.
QUERY_STACK = "__lua_stack"
#: What it is asked with for the values of locals; kernels that know none of them tell the rest.
WITH_LOCALS = "locals"
QUERY_STATUS = "__status"
QUERY_INBOX = "__inbox"
#: Queries that Temporal's UI and CLI ask any run.
QUERY_STACK_TRACE = "__stack_trace"
QUERY_ENHANCED_STACK_TRACE = "__enhanced_stack_trace"
QUERY_METADATA = "__temporal_workflow_metadata"

_ENDS = {kind: kind for kind in (EXIT, LINK_DOWN)}
_ROOM = 4 * 1024
#: Encoding of the answer to a query that failed: the wire form of an `Error`, JSON.
ANSWER_ERROR = "json/evermoon-error"

#: In the metadata of a payload that no codec encrypts: what is not a value, and is read outside runs.
CLEAR = "evermoon-clear"

_ENCODING = "encoding"
_JSONS = (JSON.encode(), b"json/protobuf")
_NULL = NULL.encode()


def to_proto(payload: Payload) -> Proto:
    proto = Proto()  # a map given to the constructor takes ten times as long
    proto.metadata[_ENCODING] = payload.encoding.encode()
    proto.data = payload.data
    return proto


def from_proto(proto: Proto) -> Payload:
    """Whatever a Temporal client wrote. JSON of protobuf messages is JSON to a script; unknown encodings are bytes."""
    encoding = proto.metadata.get(_ENCODING, b"")
    if encoding in _JSONS:
        return Payload(JSON, proto.data)
    if encoding == _NULL:
        return Payload(JSON, b"null")
    return Payload(BINARY, proto.data)


def payloads(protos: Iterable[Proto]) -> list[Payload]:
    return [from_proto(proto) for proto in protos]


def put(payloads: Sequence[Payload], field: RepeatedCompositeFieldContainer[Proto]) -> None:
    """Values as the arguments of a command of the SDK's core."""
    for payload in payloads:
        proto = field.add()
        proto.metadata[_ENCODING] = payload.encoding.encode()
        proto.data = payload.data


def put_headers(headers: Mapping[str, Proto], field: MessageMap[str, Proto]) -> None:
    for name, proto in headers.items():
        field[name].CopyFrom(proto)


@lru_cache(maxsize=4096)
def summary(text: str) -> Proto:
    """A text as the SDK writes it, for the UI or the memo. Shared: copy it, never change it."""
    return to_proto(Payload(JSON, json.dumps(text).encode()))


def spent_budget(event: HistoryEvent) -> str | None:
    """The budget, in words, of an event that marks it as spent."""
    fields = event.workflow_properties_modified_event_attributes.upserted_memo.fields
    if MEMO_BUDGET not in fields:
        return None
    try:
        return str(json.loads(fields[MEMO_BUDGET].data))
    except ValueError:
        return ""


def raw(payload: Payload) -> RawValue:
    return RawValue(to_proto(payload))


def raws(payloads: Sequence[Payload]) -> list[RawValue]:
    return [raw(payload) for payload in payloads]


def unraw(value: RawValue | None) -> Payload:
    """The payload of a result; a result without a payload is null."""
    return Payload(JSON, b"null") if value is None else from_proto(value.payload)


def unraws(values: Sequence[RawValue]) -> list[Payload]:
    return [from_proto(value.payload) for value in values]


def whole_error(error: Error) -> Proto:
    """An error as the answer to a query that asks for `WHOLE_ERRORS`."""
    return to_proto(Payload(ANSWER_ERROR, Payload.of(error.to_wire()).data))


def answer(value: RawValue | None) -> Payload:
    """The inverse, and that of `raw`. Raises the `Error`."""
    if value is not None and value.payload.metadata.get(_ENCODING) == ANSWER_ERROR.encode():
        raise Error.from_wire(json.loads(value.payload.data))
    return unraw(value)


def end(kind: str, end: End) -> list[Payload]:
    """The arguments of `PROCESS_ENDED`. A value that a signal cannot hold is left out."""
    value = [end.value] if end.value is not None and len(end.value.data) <= limits.MAX_BLOB - _ROOM else []
    error = {} if end.error is None else {"error": end.error.to_wire()}
    return [Payload.of({"kind": kind, "at": end.at, **error}), *value]


def ended(args: Sequence[Payload], sender: str) -> Event | None:
    """The event that `PROCESS_ENDED` is; None for what nobody of ours has sent."""
    try:
        told = args[0].value()
        error = Error.from_wire(told["error"]) if "error" in told else None
        value = args[1] if len(args) > 1 else None
        return process_exit(sender, int(told["at"]), value, error, _ENDS[told["kind"]])
    except (Error, IndexError, KeyError, TypeError, ValueError, AttributeError):
        return None


def header(value: Any) -> Proto:
    return to_proto(Payload.of(value))


#: The bundle is the same for all starts of a workflow; senders and chains are each run's own. Whoever sends it takes a copy.
_bundle_header = lru_cache(maxsize=256)(header)


def clear_header(value: Any) -> Proto:
    """A header that the client's codec leaves alone."""
    proto = header(value)
    proto.metadata[CLEAR] = b"1"
    return proto


def read_header(headers: Mapping[str, Proto], name: str) -> Any:
    """The JSON value of a header, None when it is absent or not ours to read."""
    proto = headers.get(name)
    if proto is None:
        return None
    try:
        return from_proto(proto).value()
    except Error:
        return None


def context_of(headers: Mapping[str, Proto]) -> dict[str, Any]:
    value = read_header(headers, CONTEXT)
    return value if isinstance(value, dict) else {}


def sender_of(headers: Mapping[str, Proto]) -> str:
    return _text_of(headers, SENDER)


def depth_of(headers: Mapping[str, Proto]) -> int:
    value = read_header(headers, DEPTH)
    return value if isinstance(value, int) and value > 0 else 0


def bundle_of(headers: Mapping[str, Proto]) -> str:
    return _text_of(headers, BUNDLE)


def _text_of(headers: Mapping[str, Proto], name: str) -> str:
    proto = headers.get(name)
    return _text(from_proto(proto)) if proto is not None else ""


@lru_cache(maxsize=1024)
def _text(payload: Payload) -> str:
    """The same for all that a run sends, and every call of it."""
    try:
        value = payload.value()
    except Error:
        return ""
    return value if isinstance(value, str) else ""


def principal_of(headers: Mapping[str, Proto]) -> Principal:
    """A scope that is there but cannot be read allows nothing, rather than everything."""
    if SCOPE not in headers and ACTOR not in headers:
        return NOBODY
    scope = read_header(headers, SCOPE)
    if scope is None and SCOPE in headers:
        scope = []
    return Principal(Actor.read(read_header(headers, ACTOR)), read_scope(scope))


def headers(
    *, context: Mapping[str, Any] | None = None, principal: Principal = NOBODY, depth: int = 0, **texts: str | None
) -> dict[str, Proto]:
    """Headers of an outgoing call; `texts` by short name (`sender`, `bundle`, `chain`), the empty ones left out.

    Raises `Error` INVALID when Temporal would refuse them: the command would never come back to the script.
    """
    names = {"sender": SENDER, "bundle": BUNDLE, "chain": CHAIN}
    found = {
        names[name]: _bundle_header(text) if name == "bundle" else header(text) for name, text in texts.items() if text
    }
    if depth:
        found[DEPTH] = header(depth)
    if context:
        found[CONTEXT] = header(dict(context))
    if principal.actor is not None:
        found[ACTOR] = header(principal.actor.to_wire())
    if principal.scope is not None:
        found[SCOPE] = header(list(principal.scope))
    size = sum(len(proto.data) for proto in found.values())
    if size > limits.MAX_BLOB:
        text = (
            f"context, actor and scope of a call: {size} bytes are more than a header takes ({limits.MAX_BLOB} bytes)"
        )
        raise invalid(f"{text}: carry less with it", size=size, limit=limits.MAX_BLOB)
    return found


def carry(unread: Mapping[str, Any]) -> dict[str, Proto]:
    """What nobody has read (`messages`, `events`) as headers. Raises `Error` INVALID when it is more than a header may hold."""
    messages = [
        {
            "topic": message["topic"],
            "from": message.get("from", ""),
            "at": message.get("at", 0),
            "args": [_packed(arg) for arg in message.get("args") or []],
        }
        for message in unread.get("messages") or ()
    ]
    events = [
        {key: _packed(item) if isinstance(item, Payload) else item for key, item in event.items()}
        for event in unread.get("events") or ()
    ]
    found: dict[str, Proto] = {}
    for name, items in ((CARRIED, messages), (CARRIED_EVENTS, events)):
        packed = Payload(JSON, json.dumps(items, separators=(",", ":")).encode())
        limits.check_size("unread messages of a continued run", [packed])
        if items:
            found[name] = to_proto(packed)
    return found


def carried(headers: Mapping[str, Proto]) -> dict[str, Any]:
    """The inverse of `carry`."""
    if CARRIED not in headers and CARRIED_EVENTS not in headers:
        return {}
    messages, events = read_header(headers, CARRIED) or [], read_header(headers, CARRIED_EVENTS) or []
    return {
        "messages": [{**message, "args": [_unpacked(arg) for arg in message["args"]]} for message in messages],
        "events": [{**event, "value": _unpacked(event["value"])} if "value" in event else event for event in events],
    }


def _packed(payload: Payload) -> list[str]:
    return [payload.encoding, payload.data.decode("latin-1")]


def _unpacked(packed: Sequence[str]) -> Payload:
    encoding, data = packed
    return Payload(encoding, data.encode("latin-1"))
