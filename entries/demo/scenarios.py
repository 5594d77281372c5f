"""What the demo shows. Each scenario returns what goes into its report, and raises `Unexpected` when a claim fails."""

from __future__ import annotations

from typing import Any

from entries.demo.shop import Say, Shop, expect
from entries.demo.worker import Worker

STEPS = ["create_order", "reserve_stock", "create_payment"]
SLOW_GATEWAY = 6.0  # seconds; longer than it takes to kill a worker


async def completed(shop: Shop) -> dict[str, Any]:
    id = await shop.order("demo-a", "tea", quantity=2, price=450)
    result = await shop.result(id)
    expect("the order completed", (result["success"], result["status"]), (True, "completed"))
    expect("it is confirmed", await shop.order_status(id), "confirmed")
    (payment,) = await shop.payments(id)
    expect("the payment is the one reported", payment["payment_id"], result["payment_id"])
    return result


async def out_of_stock(shop: Shop) -> dict[str, Any]:
    id = await shop.order("demo-b", "moonstone", quantity=1, price=99900)
    result = await shop.result(id)
    expect("the order failed where stock was reserved", (result["success"], result["step"]), (False, "reserve_stock"))
    expect("three attempts", await shop.calls("inventory", "reserve_stock", id), ["refused"] * 3)
    expect("it says so", result["attempts"], 3)
    await _undone(shop, result, STEPS[:1])
    return result


async def compensated(shop: Shop) -> dict[str, Any]:
    id = await shop.order("demo-c", "samovar", quantity=1, price=48000, customer="penniless")
    result = await shop.result(id)
    expect("the payment was declined", (result["success"], result["step"]), (False, "approve_payment"))
    expect("a refusal is not repeated", await shop.calls("payment", "approve_payment", id), ["refused"])
    await _undone(shop, result, STEPS)
    (payment,) = await shop.payments(id)
    expect("the payment is refunded", payment["status"], "refunded")
    return result


async def approved(shop: Shop) -> dict[str, Any]:
    id = await shop.order("demo-d", "samovar", quantity=5, price=48000)
    await shop.follow(id, lambda run: run["details"] == "waiting for approval")
    await shop.approve(id, by="ops")
    result = await shop.result(id)
    expect("the order completed", (result["success"], result["status"]), (True, "completed"))
    return result


async def crash(shop: Shop, worker: Worker, say: Say) -> dict[str, Any]:
    await shop.delay_gateway(SLOW_GATEWAY)
    id = await shop.order("demo-e", "teapot", quantity=1, price=3200)
    await shop.gateway_is_busy()
    say(f"create_payment is under way; kill -9 {worker.pid}")
    await worker.kill()
    await shop.delay_gateway(0)
    await worker.start()
    say(f"a new worker: {worker.pid}; Temporal gives it the run, and create_payment again after a missed heartbeat")
    result = await shop.result(id)
    expect("the order completed", (result["success"], result["status"]), (True, "completed"))
    creates = await shop.calls("order", "create_order", id)
    expect("create_order ran once", creates, ["done"])
    expect("reserve_stock ran once", await shop.calls("inventory", "reserve_stock", id), ["done"])
    expect(
        "create_payment was asked for again", await shop.calls("payment", "create_payment", id), ["done", "repeated"]
    )
    payments = await shop.payments(id)
    expect("there is one payment", len(payments), 1)
    say("create_order and reserve_stock ran once; create_payment was asked for twice and paid once")
    return {"result": result, "payments": len(payments), "order_creates": len(creates)}


async def _undone(shop: Shop, result: dict[str, Any], steps: list[str]) -> None:
    expect("the steps done", result["steps"], steps)
    expect("undone last first", result["compensations"], steps[::-1])
    expect("the order is cancelled", await shop.order_status(result["order_id"]), "cancelled")
