"""The numbers of commands."""

from __future__ import annotations

from runtime.temporal.workflow.pending import Pending


def test_each_kind_counts_from_one() -> None:
    pending = Pending()
    assert [pending.next(kind) for kind in ("timer", "timer", "child", "timer", "child")] == [1, 2, 1, 3, 2]


def test_nothing_is_pending_at_first_and_kinds_are_kept_apart() -> None:
    pending = Pending()
    tables = [pending.timers, pending.activities, pending.children, pending.signals, pending.cancels]
    assert tables == [{}] * 5
    assert len({id(table) for table in tables}) == 5
