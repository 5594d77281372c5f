"""Which function carries out which command."""

from __future__ import annotations

from runtime.temporal.commands import about, activities, children, messages, timers
from runtime.temporal.run import Handler

HANDLERS: dict[str, Handler] = {
    "call": activities.call,
    "timer": timers.timer,
    "cancel": timers.cancel,
    "spawn": children.spawn,
    "exec": children.execute,
    "send": messages.send,
    "cancel_process": messages.cancel_process,
    "terminate": messages.terminate,
    "attrs": about.attrs,
    "status": about.status,
    "handler": about.handler,
    "log": about.log,
    "update_accepted": about.update_accepted,
    "update_done": about.update_done,
}
