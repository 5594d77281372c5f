"""The activity by which runs publish to those who follow them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from temporalio import activity
from temporalio.common import RawValue

from runtime.modules.stream.queue import PublishTarget
from runtime.modules.stream.record import Published, Publisher
from runtime.process.host import ProcessHost
from runtime.temporal import wire


def publish_activity(host: ProcessHost) -> Callable[..., Any]:
    @activity.defn(name=wire.PUBLISH)
    async def publish(batch: RawValue) -> None:
        """Returns when the store has it, or does not answer: a run is not held up by that, and what it published waits here."""
        [payload] = wire.unraws([batch])
        said = payload.value()
        run_id = str(said["run_id"])
        run = activity.info().workflow_id or ""
        publisher = Publisher(run_id, entry=str(said["by"]), is_anew=bool(said["anew"]))
        events = [_published(publisher, event) for event in said["events"]]
        await host.streams.add(PublishTarget(run, run_id, chain=str(said["chain"]), event=int(said["event"])), events)

    return publish


def _published(publisher: Publisher, said: dict[str, Any]) -> Published:
    data = json.dumps(said["data"], ensure_ascii=False, separators=(",", ":")).encode()
    return Published(publisher, str(said["name"]), data, int(said["position"]), True, int(said["at"]))
