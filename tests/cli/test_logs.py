from __future__ import annotations

import logging

import pytest

from runtime.cli.dev import log_problems
from runtime.cli.logs import OneLine, configure_logging
from runtime.registry import Problem, RegistryError


def test_a_note_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    problems = [Problem("a.lua", 1, "a:a", "is broken"), Problem("b.lua", 2, "a:b", "is odd", severity="note")]
    with caplog.at_level(logging.DEBUG, "evermoon.dev"):
        log_problems(RegistryError(problems))
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [("ERROR", "a.lua:1: a:a: is broken"), ("WARNING", "b.lua:2: a:b: note: is odd")]


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("warning", False), ("debug", True)])
def test_the_cores_warnings_are_for_those_who_look_closely(level: str, shown: bool) -> None:
    core = logging.getLogger("temporalio.core")
    levels = {name: logging.getLogger(name).level for name in ("evermoon", "runtime", "evermoon.http.access")}
    try:
        core.setLevel(logging.NOTSET)
        configure_logging(level)
        assert core.isEnabledFor(logging.WARNING) is shown
        assert core.isEnabledFor(logging.ERROR)
    finally:
        core.setLevel(logging.NOTSET)
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)


@pytest.mark.parametrize("tracebacks", [False, True])
def test_a_long_record_is_cut(tracebacks: bool) -> None:
    failure = ValueError("x" * 3_000_000)
    record = logging.LogRecord("evermoon.run", logging.WARNING, "", 0, "failed", (), (ValueError, failure, None))
    line = OneLine(tracebacks=tracebacks).format(record)
    assert len(line) < 17_000
    assert line.endswith("characters more)")
