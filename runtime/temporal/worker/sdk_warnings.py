"""A guard that keeps the SDK's warnings from ending a worker: where Python makes warnings errors (`-W error`), its pollers die of them."""

from __future__ import annotations

import logging
from typing import Any

from temporalio.worker import Worker

_log = logging.getLogger(__name__)


def outlive_warnings(worker: Worker) -> None:
    """Lets the poller of activities go on when it is told to cancel one that has just ended, which it warns of.

    That happens to every local activity that ends while its run cancels it, the sooner on a busy machine. The SDK has no option for it, and
    the filters of the process are not ours to change.
    """
    inner: Any = worker._activity_worker
    cancel = getattr(inner, "_handle_cancel_activity_task", None)
    if cancel is None:
        return

    def cancel_if_there(*args: Any) -> None:
        try:
            cancel(*args)
        except Warning as warning:
            _log.debug("%s", warning)

    inner._handle_cancel_activity_task = cancel_if_there
