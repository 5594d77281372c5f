"""A filter for the SDK's own log lines that removes the Python traceback where the failure is a script's.

To an author the traceback of how a host reports an error is noise in front of the one line that matters.
"""

from __future__ import annotations

import logging

from temporalio.exceptions import FailureError

from runtime.temporal.failures import SOURCE

_LOGGER = "temporalio.activity"


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None and _is_of_a_script(error):
            record.msg, record.args, record.exc_info = f"{_head(record)}: {error}", (), None
        return True


def _head(record: logging.LogRecord) -> str:
    return record.getMessage().split(" ({", 1)[0]  # the SDK appends a dictionary of ids


def _is_of_a_script(error: BaseException) -> bool:
    return isinstance(error, FailureError) and error.failure is not None and error.failure.source == SOURCE


_QUIET = _Quiet()


def quiet() -> None:
    """Applies to the whole process. Idempotent."""
    logging.getLogger(_LOGGER).addFilter(_QUIET)
