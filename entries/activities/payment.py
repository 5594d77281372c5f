"""The payment service's part of the saga."""

from __future__ import annotations

from typing import Any

from entries.activities.service import heartbeats, post

URL = "PAYMENT_URL"
Request = dict[str, Any]


async def create(request: Request) -> Request:
    """May take as long as the gateway likes, so it says that it lives."""
    async with heartbeats():
        return await post(
            URL, "/payments", {name: request[name] for name in ("saga_id", "order_id", "customer", "amount")}
        )


async def approve(request: Request) -> Request:
    return await post(URL, "/payments/approve", {"saga_id": request["saga_id"]})


async def confirm(request: Request) -> Request:
    return await post(URL, "/payments/confirm", {"saga_id": request["saga_id"]})


async def refund(request: Request) -> Request:
    return await post(URL, "/payments/refund", {"saga_id": request["saga_id"]})
