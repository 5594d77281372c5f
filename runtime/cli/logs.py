"""The logging of a command: one line a record, on standard error."""

from __future__ import annotations

import logging
from collections.abc import Mapping

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
#: Characters of a record that are written: a message of megabytes is in the run's history, and in nobody's eye.
_LONGEST = 16 * 1024
_OURS = ("evermoon", "runtime")


class OneLine(logging.Formatter):
    """A formatter. A script's line says where in the script it was written and by which run or process; a failure says what it was, and its
    traceback only in debug, unless it is one of an author's own Python (`extra={"traceback": True}`)."""

    def __init__(self, tracebacks: bool) -> None:
        super().__init__(_FORMAT, datefmt="%H:%M:%S")
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        shown = logging.makeLogRecord(record.__dict__)
        about = getattr(record, "evermoon", None)
        if isinstance(about, Mapping):
            shown.msg, shown.args = f"{record.getMessage()}{_about(about)}", ()
        if shown.exc_info and not self._tracebacks and not getattr(record, "traceback", False):
            error = shown.exc_info[1]
            shown.msg, shown.args = f"{record.getMessage()}: {error or type(error).__name__}", ()
            shown.exc_info = shown.exc_text = None
        line = super().format(shown)
        return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} … ({len(line) - _LONGEST} characters more)"


def configure_logging(level: str) -> None:
    """Evermoon at `level`, libraries only when something is wrong. Tracebacks with `debug`."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(tracebacks=level == "debug"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())
    if level != "debug":
        logging.getLogger("evermoon.http.access").setLevel(logging.WARNING)
        # Its warnings are of what it mends itself, such as a question to a run that it has to fetch first.
        logging.getLogger("temporalio.core").setLevel(logging.ERROR)


def _about(about: Mapping[str, object]) -> str:
    fields = about.get("fields")
    text = "".join(f" {name}={value}" for name, value in fields.items()) if isinstance(fields, Mapping) else ""
    where = ", ".join(str(about[name]) for name in ("at", "pid") if about.get(name))
    return f"{text} ({where})" if where else text
