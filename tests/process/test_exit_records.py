"""Ends that are remembered: the latest, up to so many, and so many bytes of values."""

from __future__ import annotations

from runtime.contracts import End
from runtime.errors import NOT_FOUND, Error
from runtime.payload import BINARY, Payload
from runtime.process.exit_records import BYTES, ENDS, ExitRecords, forgotten


def ended(size: int) -> End:
    return End(1, Payload(BINARY, b"x" * size))


def known(records: ExitRecords, count: int) -> list[int]:
    return [number for number in range(count) if records.get(str(number)) is not None]


def test_an_end_is_given_as_it_was() -> None:
    records, good, bad = ExitRecords(), ended(3), End(2, error=Error(NOT_FOUND, "gone"))
    records.add("good", good)
    records.add("bad", bad)
    assert (records.get("good"), records.get("bad"), records.get("never")) == (good, bad, None)


def test_the_oldest_of_too_many_are_forgotten() -> None:
    records = ExitRecords(most=3)
    for number in range(5):
        records.add(str(number), End(number))
    assert known(records, 5) == [2, 3, 4]


def test_the_oldest_go_when_their_values_are_too_large_together() -> None:
    records = ExitRecords(most_bytes=10)
    for number, size in enumerate((4, 4, 2)):
        records.add(str(number), ended(size))
    assert known(records, 3) == [0, 1, 2]
    records.add("3", ended(1))
    assert known(records, 4) == [1, 2, 3]
    records.add("4", ended(9))
    assert known(records, 5) == [3, 4]


def test_what_is_forgotten_makes_room() -> None:
    records = ExitRecords(most=2, most_bytes=10)
    for number in range(100):
        records.add(str(number), ended(5))
    assert known(records, 100) == [98, 99]


def test_the_latest_is_kept_however_large() -> None:
    records = ExitRecords(most_bytes=10)
    records.add("0", ended(1))
    records.add("1", ended(1000))
    assert known(records, 2) == [1]
    records.add("2", ended(10))
    assert known(records, 3) == [2]


def test_by_default_many_are_remembered_and_what_they_hold_is_bounded() -> None:
    records, large = ExitRecords(), ended(BYTES // 4)
    for number in range(5):
        records.add(str(number), large)
    assert known(records, 5) == [1, 2, 3, 4]
    records = ExitRecords()
    for number in range(ENDS + 1):
        records.add(str(number), End(number))
    assert known(records, ENDS + 1) == list(range(1, ENDS + 1))


def test_one_that_is_no_longer_known_says_so() -> None:
    end = forgotten("{app:processes@n|7}", 42)
    assert (end.at, end.value) == (42, None)
    assert end.error is not None
    assert (end.error.kind, end.error.retryable) == (NOT_FOUND, False)
    assert str(end.error) == "end of process not found: {app:processes@n|7}; it is no longer known"
