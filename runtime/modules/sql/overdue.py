"""Statements that outlast their time, whatever the text of one has told the server: a script may set the server's limit anew in its transaction, or
catch the cancellation in a block of PL/pgSQL.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Seconds between two looks, and that a statement has in addition, in which the server ends it by itself.
_EVERY, _GRACE = 0.5, 1.0


class Overdue:
    """The statements under way on the connections of one database. `end(raw, late)` is called again and again, on a thread of its own, for one
    that is so many seconds late."""

    def __init__(self, seconds: float, end: Callable[[Any, float], None]) -> None:
        self._seconds, self._end = seconds + _GRACE, end
        self._lock = threading.Lock()
        self._due: dict[int, tuple[Any, float]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watched(self, raw: Any) -> Iterator[None]:
        """Around a statement on this connection."""
        with self._lock:
            self._due[id(raw)] = (raw, time.monotonic() + self._seconds)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="sql overdue", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._due[id(raw)]

    def _watch(self) -> None:
        """Until nothing is under way. With the lock, so that what is ended is not the statement after it."""
        while True:
            time.sleep(_EVERY)
            with self._lock:
                if not self._due:
                    self._thread = None
                    return
                now = time.monotonic()
                for raw, due in list(self._due.values()):
                    if due < now:
                        with contextlib.suppress(Exception):
                            self._end(raw, now - due)
