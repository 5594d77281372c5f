"""What activities of other SDKs fail with. Nothing of Evermoon runs on their worker."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from tests.boundaries.site import Site


@activity.defn(name="b:echo")
async def fails(how: str) -> None:
    if how == "plain":
        raise ValueError("a bad amount")
    if how == "caused":
        try:
            raise ApplicationError("taken", type="Conflict")
        except ApplicationError as cause:
            raise ApplicationError("cannot reserve", type="ReservationFailed") from cause
    raise ApplicationError("no more", {"left": 0}, type=how, non_retryable=True)


@pytest.fixture
async def queue(site: Site) -> AsyncIterator[str]:
    name = f"foreign-{uuid.uuid4()}"
    async with Worker(site.client, task_queue=name, activities=[fails]):
        yield name


async def _seen(site: Site, function: str, how: str, queue: str) -> Any:
    return await site.run("sees_at", f"b:{function}", queue, how)


@pytest.mark.parametrize(
    ("type", "kind"), [("Conflict", "Conflict"), ("Timeout", "Timeout"), ("CardDeclined", ""), ("NotFoundError", "")]
)
async def test_a_known_kind_is_itself_and_any_other_unknown(type: str, kind: str, site: Site, queue: str) -> None:
    seen = await _seen(site, "echo", type, queue)
    assert (seen["kind"], seen["message"], seen["retryable"]) == (kind, "no more", False)
    assert seen["details"] == {"left": 0, "_activity_id": "1", "_retry_state": "NON_RETRYABLE_FAILURE"}


async def test_an_exception_is_unknown_and_may_be_tried_again(site: Site, queue: str) -> None:
    seen = await _seen(site, "echo", "plain", queue)
    assert (seen["kind"], seen["message"], seen.get("retryable")) == ("", "a bad amount", None)
    assert seen["details"]["_retry_state"] == "MAXIMUM_ATTEMPTS_REACHED"


async def test_a_cause_stays_behind_its_failure(site: Site, queue: str) -> None:
    seen = await _seen(site, "echo", "caused", queue)
    assert (seen["kind"], seen["message"]) == ("", "cannot reserve")


async def test_an_activity_nobody_registered_is_not_found_and_worth_another_try(site: Site, queue: str) -> None:
    seen = await _seen(site, "length", "text", queue)
    assert (seen["kind"], seen["retryable"]) == ("NotFound", True)
    assert "b:length" in seen["message"]
