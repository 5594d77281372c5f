"""What each service promises: a key acts once, stock is never oversold, a balance is never overdrawn, undoing is safe."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.entries.shop import Shop


def order(saga: str, **changes: Any) -> dict[str, Any]:
    items = [{"sku": "tea", "quantity": 2, "price": 450}]
    return {"saga_id": saga, "order_id": saga, "customer": "ann", "amount": 900, "items": items, **changes}


def payment(saga: str, amount: int = 900, customer: str = "ann") -> dict[str, Any]:
    return {"saga_id": saga, "order_id": saga, "customer": customer, "amount": amount}


async def quantity(shop: Shop, sku: str) -> tuple[int, int]:
    (row,) = [row for row in await shop.get("inventory", "/stock") if row["sku"] == sku]
    return row["quantity"], row["version"]


async def payment_status(shop: Shop, saga: str) -> list[str]:
    return [row["status"] for row in await shop.get("payment", "/payments", saga_id=saga)]


async def test_a_repeated_key_gets_the_stored_answer_and_changes_nothing(shop: Shop) -> None:
    first = await shop.post("payment", "/payments", payment("repeat"), "repeat-1")
    second = await shop.post("payment", "/payments", payment("repeat"), "repeat-1")
    assert (first.status, first.repeated) == (200, False)
    assert (second.status, second.repeated) == (200, True)
    assert second.json == first.json
    assert await payment_status(shop, "repeat") == ["created"]


async def test_twenty_repeats_at_once_make_one_payment(shop: Shop) -> None:
    posts = [shop.post("payment", "/payments", payment("crowd"), "crowd-1") for _ in range(20)]
    answers = await asyncio.gather(*posts)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["payment_id"] for answer in answers}) == 1
    assert [answer.repeated for answer in answers].count(False) == 1
    assert await payment_status(shop, "crowd") == ["created"]
    outcomes = [call["outcome"] for call in await shop.get("payment", "/calls", saga_id="crowd")]
    assert sorted(outcomes) == ["done"] + ["repeated"] * 19


async def test_a_key_used_for_another_request_is_refused(shop: Shop) -> None:
    await shop.post("order", "/orders", order("reuse"), "reuse-1")
    answer = await shop.post("order", "/orders", order("reuse", customer="bob"), "reuse-1")
    assert (answer.status, answer.json["kind"]) == (422, "KeyReused")
    elsewhere = await shop.post("order", "/orders/cancel", {"saga_id": "reuse"}, "reuse-1")
    assert elsewhere.status == 422
    assert (await shop.get("order", "/orders/reuse"))["status"] == "created"


async def test_the_order_of_json_keys_does_not_make_another_request(shop: Shop) -> None:
    body = order("shuffled")
    await shop.post("order", "/orders", body, "shuffled-1")
    answer = await shop.post("order", "/orders", dict(reversed(body.items())), "shuffled-1")
    assert answer.repeated


async def test_a_call_without_a_key_is_refused(shop: Shop) -> None:
    answer = await shop.post("order", "/orders", order("keyless"), None)
    assert (answer.status, answer.json["kind"]) == (400, "Invalid")
    assert "X-Idempotency-Key" in answer.json["detail"]


async def test_a_bad_body_is_refused_with_each_fault_named(shop: Shop) -> None:
    bad = order("bad", amount="900", items=[{"sku": "tea", "quantity": 0, "price": 1}])
    answer = await shop.post("order", "/orders", bad, "bad-1")
    assert answer.status == 400
    assert "amount" in answer.json["detail"]
    assert "items.0.quantity" in answer.json["detail"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/stock", 405)])
async def test_routing_errors_are_problems_too(shop: Shop, method: str, path: str, status: int) -> None:
    answer = await shop.post("inventory", path, None, None, method=method)
    assert answer.status == answer.json["status"] == status


async def test_an_order_is_created_confirmed_and_cancelled(shop: Shop) -> None:
    await shop.post("order", "/orders", order("life"), "life-1")
    assert (await shop.get("order", "/orders/life"))["items"] == order("life")["items"]
    again = await shop.post("order", "/orders", order("life"), "life-2")
    assert (again.status, again.json["kind"]) == (409, "AlreadyExists")
    for step, status in (("confirm", "confirmed"), ("cancel", "cancelled")):
        answer = await shop.post("order", f"/orders/{step}", {"saga_id": "life"}, f"life-{step}")
        assert answer.json == {"order_id": "life", "status": status}
    late = await shop.post("order", "/orders/confirm", {"saga_id": "life"}, "life-late")
    assert (late.status, late.json["kind"]) == (409, "Conflict")


async def test_confirming_what_does_not_exist_is_not_found(shop: Shop) -> None:
    for service, path in (("order", "/orders"), ("inventory", "/reservations"), ("payment", "/payments")):
        answer = await shop.post(service, f"{path}/confirm", {"saga_id": "ghost"}, f"ghost-{service}")
        assert (answer.status, answer.json["kind"]) == (404, "NotFound")


async def test_a_reservation_takes_stock_and_cancelling_gives_it_back_once(shop: Shop) -> None:
    before, version = await quantity(shop, "samovar")
    body = {"saga_id": "hold", "items": [{"sku": "samovar", "quantity": 3}]}
    assert (await shop.post("inventory", "/reservations", body, "hold-1")).status == 200
    assert await quantity(shop, "samovar") == (before - 3, version + 1)
    for key in ("hold-2", "hold-2", "hold-3"):
        assert (await shop.post("inventory", "/reservations/cancel", {"saga_id": "hold"}, key)).status == 200
    assert await quantity(shop, "samovar") == (before, version + 2)


async def test_out_of_stock_takes_nothing_and_is_judged_anew_when_repeated(shop: Shop) -> None:
    before = await quantity(shop, "teapot")
    items = [{"sku": "teapot", "quantity": 1}, {"sku": "comet", "quantity": 1}]
    body = {"saga_id": "short", "items": items}
    added = await shop.post("inventory", "/stock/comet", {"quantity": 0, "version": 0}, "comet-1", method="PUT")
    refused = await shop.post("inventory", "/reservations", body, "short-1")
    assert (refused.status, refused.json["kind"]) == (409, "Conflict")
    assert refused.json["details"] == {"reason": "out_of_stock", "sku": "comet", "available": 0, "asked": 1}
    assert await quantity(shop, "teapot") == before
    delivery = {"quantity": 5, "version": added.json["version"]}
    await shop.post("inventory", "/stock/comet", delivery, "comet-2", method="PUT")
    assert (await shop.post("inventory", "/reservations", body, "short-1")).status == 200
    outcomes = [call["outcome"] for call in await shop.get("inventory", "/calls", saga_id="short")]
    assert outcomes == ["refused", "done"]


async def test_stock_is_set_only_under_the_version_that_was_read(shop: Shop) -> None:
    await shop.post("inventory", "/stock/urn", {"quantity": 5, "version": 0}, "urn-1", method="PUT")
    stale = await shop.post("inventory", "/stock/urn", {"quantity": 9, "version": 0}, "urn-2", method="PUT")
    assert (stale.status, stale.json["kind"], stale.json["details"]) == (409, "Conflict", {"version": 1})
    assert await quantity(shop, "urn") == (5, 1)


async def test_concurrent_reservations_never_oversell(shop: Shop) -> None:
    await shop.post("inventory", "/stock/scarce", {"quantity": 5, "version": 0}, "scarce", method="PUT")
    items = [{"sku": "scarce", "quantity": 1}]
    posts = [shop.post("inventory", "/reservations", {"saga_id": f"s{n}", "items": items}, f"s{n}") for n in range(12)]
    statuses = [answer.status for answer in await asyncio.gather(*posts)]
    assert (statuses.count(200), statuses.count(409)) == (5, 7)
    assert (await quantity(shop, "scarce"))[0] == 0


async def test_a_payment_is_approved_confirmed_and_refunded(shop: Shop) -> None:
    await shop.post("payment", "/payments", payment("pay"), "pay-create")
    for step, status in (("approve", "approved"), ("confirm", "confirmed"), ("refund", "refunded")):
        answer = await shop.post("payment", f"/payments/{step}", {"saga_id": "pay"}, f"pay-{step}")
        assert (answer.status, answer.json["status"]) == (200, status)


async def test_approval_is_declined_over_the_balance_and_a_refund_frees_it(shop: Shop) -> None:
    for saga in ("rich-1", "rich-2"):
        await shop.post("payment", "/payments", payment(saga, 600_000, "croesus"), f"{saga}-create")
    assert (await shop.post("payment", "/payments/approve", {"saga_id": "rich-1"}, "r1")).status == 200
    declined = await shop.post("payment", "/payments/approve", {"saga_id": "rich-2"}, "r2")
    assert (declined.status, declined.json["kind"], declined.json["retryable"]) == (400, "Invalid", False)
    assert declined.json["details"] == {"reason": "declined", "amount": 600_000, "left": 400_000}
    assert await payment_status(shop, "rich-2") == ["created"]
    await shop.post("payment", "/payments/refund", {"saga_id": "rich-1"}, "r3")
    assert (await shop.post("payment", "/payments/approve", {"saga_id": "rich-2"}, "r4")).status == 200


async def test_the_gateway_serves_no_more_at_once_than_its_limit(shop: Shop) -> None:
    delay = await shop.post("payment", "/gateway", {"delay": 0.05}, "slow", method="PUT")
    assert delay.json == {"delay": 0.05}
    await asyncio.gather(*(shop.post("payment", "/payments", payment(f"q{n}"), f"q{n}") for n in range(6)))
    await shop.post("payment", "/gateway", {"delay": 0.0}, "fast", method="PUT")
    gateway = await shop.get("payment", "/gateway")
    assert (gateway["limit"], gateway["peak"], gateway["busy"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("service", "path", "undo", "body"),
    [
        ("order", "/orders", "/orders/cancel", order("late")),
        (
            "inventory",
            "/reservations",
            "/reservations/cancel",
            {"saga_id": "late", "items": [{"sku": "tea", "quantity": 1}]},
        ),
        ("payment", "/payments", "/payments/refund", payment("late")),
    ],
)
async def test_what_arrives_after_it_was_undone_is_refused(
    shop: Shop, service: str, path: str, undo: str, body: dict[str, Any]
) -> None:
    assert (await shop.post(service, undo, {"saga_id": "late"}, f"{service}-undo")).status == 200
    late = await shop.post(service, path, body, f"{service}-do")
    assert (late.status, late.json["kind"]) == (409, "AlreadyExists")


async def test_notifications_are_kept_once_each(shop: Shop) -> None:
    body = {"saga_id": "told", "recipient": "ann", "event": "completed", "text": "on its way"}
    for _ in range(2):
        assert (await shop.post("notification", "/notifications", body, "told-1")).status == 200
    told = await shop.get("notification", "/notifications", saga_id="told")
    assert [(row["recipient"], row["event"]) for row in told] == [("ann", "completed")]
