"""The table of the functions that carry out commands."""

from __future__ import annotations

from runtime.temporal.workflow.commands import activities, children, messages, metadata, timers
from runtime.temporal.workflow.publishing import publish
from runtime.temporal.workflow.run import Handler

HANDLERS: dict[str, Handler] = {
    "call": activities.call,
    "timer": timers.timer,
    "cancel": timers.cancel,
    "spawn": children.spawn,
    "exec": children.execute,
    "send": messages.send,
    "cancel_process": messages.cancel_process,
    "terminate": messages.terminate,
    "attrs": metadata.attrs,
    "status": metadata.status,
    "publish": publish,
    "handler": metadata.handler,
    "log": metadata.log,
    "update_accepted": metadata.update_accepted,
    "update_done": metadata.update_done,
}
