"""Telling people: the customer how the order ended, the staff that one waits for them."""

from __future__ import annotations

from typing import Any

from entries.activities.service import post


async def notify(request: dict[str, Any]) -> dict[str, Any]:
    fields = ("saga_id", "recipient", "event", "text")
    return await post("NOTIFICATION_URL", "/notifications", {name: request[name] for name in fields})
