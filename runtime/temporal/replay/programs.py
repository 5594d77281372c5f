"""The programs with which a recorded history is replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from runtime.lua.program import Program, Programs
from runtime.registry import Registry
from runtime.temporal import wire

_PIN = wire.PIN_MARKER.format(hash="")


class RecordedPrograms(Programs):
    """The programs of the bundles that a history names. `newest` is the entry whose present code stands in for each of them, None for none."""

    def __init__(self, registry: Registry, programs: Programs, history: WorkflowHistory, newest: str | None) -> None:
        super().__init__(registry, programs.store)
        self._recorded = [hash for event in history.events if (hash := _pin(event))]
        self._newest_of = newest

    def known(self, entry_id: str) -> Sequence[str]:
        return self._recorded

    def bundle(self, hash: str) -> Program:
        return self.get(self._newest_of) if self._newest_of is not None else super().bundle(hash)


def _pin(event: HistoryEvent) -> str | None:
    """The bundle hash of the patch marker that pins a run."""
    details = event.marker_recorded_event_attributes.details
    for payload in details[wire.SDK_PATCH_DATA].payloads if wire.SDK_PATCH_DATA in details else ():
        marker = str(json.loads(payload.data).get("id", ""))
        if marker.startswith(_PIN):
            return marker.removeprefix(_PIN)
    return None
