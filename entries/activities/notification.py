"""Telling people: the customer how the order ended, the staff that one waits for them. Called with each message of the queue `notifications`."""

from __future__ import annotations

from typing import Any

from entries.activities.service import post


async def tell(request: dict[str, Any]) -> None:
    """A message that comes again, since a process ended at the wrong moment, has the same id: the service tells nobody twice."""
    fields = ("saga_id", "recipient", "event", "text")
    await post("NOTIFICATION_URL", "/notifications", {name: request[name] for name in fields})
