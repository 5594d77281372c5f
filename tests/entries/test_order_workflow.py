"""What the saga decides: which steps, in which order, what is undone, and how long it waits for approval."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runtime.errors import CANCELED, CONFLICT, INVALID, TIMEOUT, UNAVAILABLE, Error
from tests.entries.drive import Answer, Run

STEPS = ["create_order", "reserve_stock", "create_payment"]
PREPARED = [*STEPS, "approve_payment"]
CONFIRMED = ["confirm_order", "confirm_reservation", "confirm_payment"]
UNDONE = ["refund_payment", "cancel_reservation", "cancel_order"]

Driver = Callable[..., Run]


def order(price: int = 450, **changes: Any) -> dict[str, Any]:
    return {"id": "o-1", "customer": "ann", "items": [{"sku": "tea", "quantity": 2, "price": price}], **changes}


LARGE = order(price=60_000)


def refuses(kind: str, text: str = "no", **details: Any) -> Answer:
    def answer(_: dict[str, Any]) -> Any:
        raise Error(kind, text, details=details)

    return answer


@pytest.fixture
def drive() -> Iterator[Driver]:
    """Starts runs with the given answers; each must replay to the same bytes."""
    runs: list[Run] = []

    def new(**answers: Answer) -> Run:
        runs.append(Run({"create_payment": lambda _: {"payment_id": "pay_1"}, **answers}))
        return runs[-1]

    yield new
    for run in runs:
        run.host.replay()
        run.host.close()


def test_an_order_completes_and_the_customer_is_told(drive: Driver) -> None:
    run = drive().start(order())
    assert run.result == {
        "success": True,
        "status": "completed",
        "order_id": "o-1",
        "payment_id": "pay_1",
        "workflow_id": "o-1",
    }
    assert run.names == [*PREPARED, *CONFIRMED, "notify"]
    assert dict(run.calls)["notify"]["recipient"] == "ann"
    assert dict(run.calls)["create_order"]["amount"] == 900
    assert run.statuses[-1] == "completed"


def test_an_order_without_an_id_takes_the_workflows(drive: Driver) -> None:
    assert drive().start(order(id=None)).result["order_id"] == "o-1"


@pytest.mark.parametrize(
    ("failing", "done"),
    [
        ("create_order", 0),
        ("reserve_stock", 1),
        ("create_payment", 2),
        ("approve_payment", 3),
        ("confirm_order", 3),
        ("confirm_reservation", 3),
        ("confirm_payment", 3),
    ],
)
def test_a_refused_step_undoes_those_before_it_last_first(drive: Driver, failing: str, done: int) -> None:
    run = drive(**{failing: refuses(CONFLICT, "refused", attempt=3)}).start(order())
    assert run.result == {
        "success": False,
        "status": "failed",
        "order_id": "o-1",
        "workflow_id": "o-1",
        "step": failing,
        "error": "refused",
        "kind": CONFLICT,
        "attempts": 3,
        "steps": STEPS[:done],
        "compensations": STEPS[:done][::-1],
    }
    assert run.names[run.names.index(failing) + 1 :] == UNDONE[3 - done :]


@pytest.mark.parametrize(("failing", "undone"), [("create_order", 1), ("reserve_stock", 2), ("create_payment", 3)])
def test_a_step_that_may_have_happened_is_undone_too(drive: Driver, failing: str, undone: int) -> None:
    run = drive(**{failing: refuses(UNAVAILABLE)}).start(order())
    assert run.result["steps"] == STEPS[: undone - 1]
    assert run.result["compensations"] == STEPS[: undone - 1][::-1]
    assert run.names[-undone:] == UNDONE[3 - undone :]


def test_what_cannot_be_undone_is_named_and_the_rest_is_undone(drive: Driver) -> None:
    run = drive(approve_payment=refuses(INVALID), cancel_reservation=refuses(UNAVAILABLE, "gone")).start(order())
    assert run.names[-3:] == UNDONE
    assert run.result["compensations"] == ["create_payment", "create_order"]
    assert run.result["not_undone"] == [{"step": "reserve_stock", "error": "gone"}]


def test_that_nobody_could_be_told_does_not_undo_an_order(drive: Driver) -> None:
    assert drive(notify=refuses(UNAVAILABLE)).start(order()).result["success"]


def test_a_large_order_waits_and_goes_on_when_it_is_approved(drive: Driver) -> None:
    run = drive().start(LARGE)
    assert run.is_running
    assert run.names == PREPARED
    assert run.statuses[-1] == "waiting for approval"
    assert run.send("approve", {"by": "ops"}).result["success"]
    assert run.names == [*PREPARED, *CONFIRMED, "notify"]


def test_an_order_at_the_limit_does_not_wait(drive: Driver) -> None:
    assert drive().start(order(price=50_000)).result["success"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [([{"reason": "fraud"}], "fraud"), (["fraud"], "fraud"), ([], "no reason given"), ([1, 2], "no reason given")],
)
def test_a_large_order_is_undone_when_it_is_canceled(drive: Driver, payload: list[Any], reason: str) -> None:
    outcome = drive().start(LARGE).send("cancel", *payload).result
    assert (outcome["step"], outcome["kind"]) == ("approval", "OrderCanceled")
    assert outcome["error"] == f"the order was canceled: {reason}"
    assert outcome["steps"] == STEPS
    assert outcome["compensations"] == STEPS[::-1]


def test_other_messages_decide_nothing(drive: Driver) -> None:
    run = drive().start(LARGE).send("hurry", "up")
    assert run.is_running
    assert run.send("approve").result["success"]


def test_staff_is_reminded_every_four_hours_and_the_order_given_up_after_a_day(drive: Driver) -> None:
    run = drive().start(LARGE)
    for hours in range(1, 24):
        run.wait(1)
        assert run.names.count("notify") == hours // 4
    assert {call["event"] for name, call in run.calls if name == "notify"} == {"approval_reminder"}
    outcome = run.wait(1).result
    assert (outcome["step"], outcome["kind"]) == ("approval", TIMEOUT)
    assert outcome["compensations"] == STEPS[::-1]


def test_a_canceled_run_is_undone_and_closes_as_canceled(drive: Driver) -> None:
    run = drive().start(LARGE).cancel()
    with pytest.raises(Error) as raised:
        _ = run.result
    assert raised.value.kind == CANCELED
    assert run.names[-3:] == UNDONE


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("an order", "an order must be an object"),
        (order(id="a b"), "id must be"),
        (order(id=""), "id must be"),
        (order(id=".."), "id must be"),
        (order(customer=""), "customer must be"),
        (order(items=[]), "items must be"),
        (order(items=[{"sku": "tea", "quantity": 0, "price": 1}]), "items[1]: quantity must be"),
        (order(items=[{"sku": "tea", "quantity": 1.5, "price": 1}]), "items[1]: quantity must be"),
        (order(items=[{"sku": "tea", "quantity": 1, "price": -1}]), "items[1]: price must be"),
        (order(items=[{"sku": "tea", "quantity": 2**62, "price": 8}]), "items[1]: quantity must be"),
        (order(items=[{"sku": "tea", "quantity": 1, "price": 1}] * 1001), "items must be"),
        (order(items={"sku": "tea"}), "items must be"),
        (order(items=[{"quantity": 1, "price": 1}]), "items[1]: sku must be"),
        (order(amount=1), "amount is 1, the items cost 900"),
    ],
)
def test_a_bad_order_fails_before_anything_happens(drive: Driver, bad: Any, fault: str) -> None:
    run = drive().start(bad)
    with pytest.raises(Error) as raised:
        _ = run.result
    assert raised.value.kind == INVALID
    assert fault in raised.value.message
    assert run.calls == []
