from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.errors import INVALID
from tests.modules.host_script import run


class Attempt:
    """An attempt of an activity that is canceled at its first heartbeat."""

    info: dict[str, Any] = {"activity_id": "7", "attempt": 2, "heartbeat_details": {"page": 3}}  # noqa: RUF012
    idempotency_key = "w/r/7"

    def __init__(self) -> None:
        self.beats: list[Any] = []

    def heartbeat(self, details: Any) -> None:
        self.beats.append(details)

    def is_canceled(self) -> bool:
        return bool(self.beats)


async def test_an_activity_knows_its_attempt_and_tells_how_far_it_is(tmp_path: Path) -> None:
    body = """
        local before = activity.is_canceled()
        local info = activity.info()
        info.attempt = 99
        return {
          activity.info().attempt, info.heartbeat_details.page, activity.idempotency_key(), before,
          activity.heartbeat({ page = 4 }), activity.is_canceled(),
        }
    """
    attempt = Attempt()
    assert await run(tmp_path, body, activity=attempt) == [2, 3, "w/r/7", False, True, True]
    assert attempt.beats == [{"page": 4}]


async def test_a_heartbeat_that_cannot_travel_is_refused(tmp_path: Path) -> None:
    attempt = Attempt()
    assert await run(tmp_path, "return select(2, activity.heartbeat(print)):kind()", activity=attempt) == INVALID
    assert attempt.beats == []


async def test_outside_an_activity_questions_are_invalid(tmp_path: Path) -> None:
    body = """
        return {
          select(2, activity.info()):kind(), select(2, activity.heartbeat(1)):kind(),
          select(2, activity.idempotency_key()):kind(), activity.is_canceled(),
        }
    """
    assert await run(tmp_path, body) == [INVALID, INVALID, INVALID, False]
