"""The beginning of a command's process. What is imported stays for as long as the process, so no garbage is looked for meanwhile."""

from __future__ import annotations

import gc


def begin_process() -> None:
    """Until `imported` is called. Only for a process that is a command's own."""
    gc.disable()


def imported() -> None:
    """Collects garbage as usual from now on, and never looks at what has been imported again."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
