"""outbox: messages that are sent when the transaction they were added in has been committed, and only then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runtime.contracts import ExecutionPort
from runtime.errors import invalid, not_found
from runtime.late import late
from runtime.modules.definition import HOST, HostCall, ModuleDef
from runtime.modules.queue.message import QueueMessage, admit
from runtime.payload import Payload
from runtime.registry.kinds import StartableWorkflow
from runtime.registry.kinds.outbox import OutboxRelay
from runtime.registry.kinds.queue import QueueEntry
from runtime.registry.problems import did_you_mean

if TYPE_CHECKING:
    from runtime.modules.outbox import letter
    from runtime.modules.sql import database as sql_database
    from runtime.registry import inputs
else:
    letter, sql_database = late("runtime.modules.outbox.letter"), late("runtime.modules.sql.database")
    inputs = late("runtime.registry.inputs")

MAX_HEADERS = 64 * 1024  # bytes, as JSON


async def add(call: HostCall) -> str:
    """The id of the message. Raises INVALID outside a transaction and for what its target would refuse, NOT_FOUND for an unknown target."""
    process, body = call.process, call.args[0]
    transaction = _transaction(process)
    relay = _relay(process, transaction.database.id)
    to = _destination(process, str(call.data["id"]), call.data, body)
    message = QueueMessage(body, to.to_wire(), process.context, process.pid, process.principal)
    message.id = str(call.data.get("message_id") or message.id)
    message.size = len(body.data)
    store = letter.store_of(transaction.database, relay)
    await transaction.run(
        lambda connection: store.insert_in(transaction, connection, letter.entry_of(relay).id, message)
    )
    return message.id


def _transaction(process: ExecutionPort) -> sql_database.Transaction:
    found = process.handles.every(sql_database.Transaction)
    if not found:
        raise invalid("outbox.add belongs into a transaction, and none is open here: begin one with db:begin()")
    if len(found) > 1:
        raise invalid("outbox.add does not know which transaction is meant: several are open here")
    return found[0]


def _relay(process: ExecutionPort, database: str) -> OutboxRelay:
    for entry in process.registry.of_kind(OutboxRelay):
        relay = process.registry.resolve(entry)
        if relay.database == database:
            return relay
    raise invalid(
        f"nothing sends on what is in an outbox of {database}: the registry has no outbox.relay with database {database}"
    )


def _destination(process: ExecutionPort, target: str, options: Any, body: Payload) -> letter.Destination:
    entry, signal = process.registry.get(target), str(options.get("signal") or "")
    delay = float(options.get("delay_ns") or 0) / 1e9
    headers = options.get("headers") or {}
    if isinstance(entry, QueueEntry):
        if len(json.dumps(headers)) > MAX_HEADERS:
            raise invalid(f"the headers of a message have at most {MAX_HEADERS} bytes")
        admit(process.registry.resolve(entry), QueueMessage(body, headers))
        return letter.Destination(entry.id, headers, delay)
    if headers or delay:
        raise invalid(f"headers and delay are for queues, and {target} is none")
    if signal:
        return letter.Destination(target, signal=signal)
    found = process.registry.find_startable(target)
    if found is None:
        known = [
            item.id for item in process.registry.entries.values() if isinstance(item, QueueEntry | StartableWorkflow)
        ]
        raise not_found("queue or workflow", target, did_you_mean(target, known))
    inputs.check_args(found.id, found.input_schema, [body])
    return letter.Destination(found.id, run=str(options.get("run") or ""))


MODULE = ModuleDef(
    name="outbox",
    classes=frozenset({HOST}),
    summary="messages that are sent when a transaction has been committed",
    commands={"outbox.add": add},
)
