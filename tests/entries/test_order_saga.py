"""The whole example: HTTP, the workflow, its activities and the services, on a real Temporal server."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from yarl import URL

from entries.services.supervisor import VARIABLES
from runtime import Runtime
from runtime.errors import ALREADY_EXISTS, CANCELED, INVALID, NOT_FOUND, Error
from runtime.temporal.dev_server import DevServer
from tests.entries.drive import REGISTRY
from tests.entries.shop import Shop
from tests.waiting import eventually

STEPS = ["create_order", "reserve_stock", "create_payment"]
PATIENCE = 300.0


@dataclass(frozen=True)
class Stage:
    runtime: Runtime
    shop: Shop

    @property
    def url(self) -> str:
        return self.runtime.urls["app:http"]

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        async with self.shop.client.post(self.url + path, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def post_with(self, headers: dict[str, str], path: str, body: Any) -> tuple[int, Any, str | None]:
        """Status, answer, and whether the answer is that of a repeat."""
        async with self.shop.client.post(self.url + path, json=body, headers=headers) as response:
            replayed = response.headers.get("Idempotency-Replayed")
            return response.status, await response.json(content_type=None), replayed

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.shop.client.get(self.url + path) as response:
            return response.status, await response.json(content_type=None)

    async def place(self, id: str, sku: str, price: int, **changes: Any) -> str:
        items = [{"sku": sku, "quantity": 1, "price": price}]
        status, answer = await self.post("/orders", {"id": id, "customer": "ann", "items": items, **changes})
        assert (status, answer["id"], answer["pid"]) == (202, id, f"{{app:worker|{id}}}"), answer
        return id

    async def result(self, id: str) -> Any:
        return await self.runtime.result(id, timeout=PATIENCE)

    async def waiting_for_approval(self, id: str) -> None:
        await eventually(
            lambda: self.runtime.describe(id), lambda seen: seen.details == "waiting for approval", every=0.05
        )

    async def calls(self, service: str, operation: str, saga: str) -> list[str]:
        calls = await self.shop.get(service, "/calls", operation=operation, saga_id=saga)
        return [call["outcome"] for call in calls]

    async def activities(self, id: str) -> list[str]:
        """The activities that the run asked for, as its history has them."""
        events = (await self.runtime.history(id))["events"]
        scheduled = [event.get("activityTaskScheduledEventAttributes") for event in events]
        return [attributes["activityType"]["name"] for attributes in scheduled if attributes]


@pytest.fixture(scope="module")
async def stage(
    shop: Shop, temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    urls = {VARIABLES[name]: service.url for name, service in shop.running.items()}
    database = str(tmp_path_factory.mktemp("order-saga") / "shop.db")
    environ = {**os.environ, **urls, "PORT": "0", "SHOP_DB": database}
    shadowed = ["app:worker:worker_options.shadow=true"]
    async with Runtime.open(
        REGISTRY, temporal=temporal_server.address, http=True, environ=environ, overrides=shadowed
    ) as runtime:
        yield Stage(runtime, shop)


async def test_an_order_completes(stage: Stage) -> None:
    id = await stage.place("saga-good", "tea", 450)
    result = await stage.result(id)
    (payment,) = await stage.shop.get("payment", "/payments", saga_id=id)
    assert result == {
        "success": True,
        "status": "completed",
        "order_id": id,
        "payment_id": payment["payment_id"],
        "workflow_id": id,
    }
    assert payment["status"] == "confirmed"
    status, order = await stage.get(f"/orders/{id}")
    assert (status, order["status"], order["amount"]) == (200, "confirmed", 450)
    (told,) = await eventually(lambda: stage.shop.get("notification", "/notifications", saga_id=id))
    assert (told["recipient"], told["event"]) == ("ann", "order_completed")


async def test_order_http_endpoint_takes_an_idempotency_key_as_one_order(stage: Stage) -> None:
    order = {"customer": "ann", "items": [{"sku": "tea", "quantity": 1, "price": 450}]}
    key = {"Idempotency-Key": f"key-{uuid.uuid4().hex}"}
    answers = [await stage.post_with(key, "/orders", order) for _ in range(3)]
    assert [status for status, _, _ in answers] == [202, 202, 202]
    [id] = {answer["id"] for _, answer, _ in answers}
    assert [replayed for _, _, replayed in answers] == [None, "true", "true"]
    assert (await stage.post_with(key, "/orders", {**order, "customer": "bob"}))[0] == 422
    assert (await stage.result(id))["success"]
    assert await stage.calls("order", "create_order", id) == ["done"]
    assert (await stage.post_with(key, "/orders", order))[1]["id"] == id
    other = await stage.post("/orders", order)
    assert other[1]["id"] != id
    assert (await stage.result(other[1]["id"]))["success"]


async def test_out_of_stock_is_tried_three_times_then_undone(stage: Stage) -> None:
    id = await stage.place("saga-stock", "moonstone", 900)
    result = await stage.result(id)
    assert (result["success"], result["status"], result["step"]) == (False, "failed", "reserve_stock")
    assert "out of stock" in result["error"]
    assert (result["attempts"], result["steps"], result["compensations"]) == (3, STEPS[:1], STEPS[:1])
    assert await stage.calls("inventory", "reserve_stock", id) == ["refused"] * 3
    assert (await stage.get(f"/orders/{id}"))[1]["status"] == "cancelled"


async def test_a_declined_payment_undoes_everything_last_first(stage: Stage) -> None:
    id = await stage.place("saga-declined", "teapot", 900, customer="penniless")
    result = await stage.result(id)
    assert (result["step"], result["kind"]) == ("approve_payment", INVALID)
    assert (result["steps"], result["compensations"]) == (STEPS, STEPS[::-1])
    assert await stage.calls("payment", "approve_payment", id) == ["refused"]
    undone = ["app:refund_payment", "app:cancel_reservation", "app:cancel_order"]
    assert (await stage.activities(id))[-3:] == undone
    (payment,) = await stage.shop.get("payment", "/payments", saga_id=id)
    assert payment["status"] == "refunded"


async def test_a_large_order_goes_on_when_it_is_approved(stage: Stage) -> None:
    id = await stage.place("saga-large", "samovar", 200_000)
    await stage.waiting_for_approval(id)
    assert await stage.calls("order", "confirm_order", id) == []
    status, answer = await stage.post(f"/orders/{id}/approve", {"by": "ops"})
    assert (status, answer) == (202, {"id": id, "sent": "approve"})
    assert (await stage.result(id))["success"]


async def test_a_large_order_is_undone_when_it_is_refused(stage: Stage) -> None:
    id = await stage.place("saga-fraud", "samovar", 200_000)
    await stage.waiting_for_approval(id)
    await stage.post(f"/orders/{id}/cancel", {"reason": "fraud"})
    result = await stage.result(id)
    assert (result["step"], result["error"]) == ("approval", "the order was canceled: fraud")
    assert (result["steps"], result["compensations"]) == (STEPS, STEPS[::-1])


async def test_a_canceled_run_is_undone_and_closes_as_canceled(stage: Stage) -> None:
    id = await stage.place("saga-canceled", "samovar", 200_000)
    await stage.waiting_for_approval(id)
    await stage.runtime.cancel(id)
    with pytest.raises(Error) as raised:
        await stage.result(id)
    assert raised.value.kind == CANCELED
    assert (await stage.runtime.describe(id)).status == "CANCELED"
    assert (await stage.get(f"/orders/{id}"))[1]["status"] == "cancelled"


async def test_an_order_is_placed_once(stage: Stage) -> None:
    id = await stage.place("saga-once", "tea", 450)
    await stage.result(id)
    items = [{"sku": "tea", "quantity": 1, "price": 450}]
    status, problem = await stage.post("/orders", {"id": id, "customer": "ann", "items": items})
    assert (status, problem["kind"]) == (409, ALREADY_EXISTS)
    assert await stage.calls("order", "create_order", id) == ["done"]


@pytest.mark.parametrize("body", [{"customer": "ann", "items": []}, {"items": [{"sku": "tea"}]}, []])
async def test_a_bad_order_is_refused_and_nothing_starts(stage: Stage, body: Any) -> None:
    status, problem = await stage.post("/orders", body)
    assert (status, problem["kind"]) == (400, INVALID)
    assert problem["detail"].startswith("order: ")


async def test_deciding_about_an_order_nobody_placed_is_not_found(stage: Stage) -> None:
    for path in ("/orders/nobody/approve", "/orders/nobody/cancel"):
        status, problem = await stage.post(path, {})
        assert (status, problem["kind"]) == (404, NOT_FOUND)
    assert (await stage.get("/orders/nobody"))[0] == 404


@pytest.mark.parametrize("id", ["%2e%2e%2Fcalls", "a%2F..%2F..%2Fcalls", "a%7Db", "a%20b"])
async def test_an_id_that_no_order_can_have_reaches_no_service(stage: Stage, id: str) -> None:
    url = URL(f"{stage.url}/orders/{id}", encoded=True)
    async with stage.shop.client.get(url) as response:
        assert (response.status, (await response.json())["kind"]) == (404, NOT_FOUND)
