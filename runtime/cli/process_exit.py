"""The exit of a command's process."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn


def end_process(status: int) -> NoReturn:
    """Ends this process without finalising its interpreter, once what was written and logged is out.

    A thread of the SDK's core may be about to enter Python just then, which on CPython 3.11 is a fatal error of its own
    ("PyGILState_Release: thread state must be current"), after all work is done: seen on a busy machine.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads any more, or it is closed
            status = status or 1
    os._exit(status)
