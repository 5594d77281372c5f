"""Names that exist elsewhere: activities and workflows that a worker of somebody else runs, in whatever language."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from runtime.registry.models import Entry, Lift, Reference
from runtime.registry.units import Frozen, FrozenDict, JsonSchema


class Foreign(Entry):
    """The base of what is known by a type and a task queue.

    The queue is that of a `temporal.worker` entry, or is named itself, with the `temporal.client` over which it is reached. `input_schema` is that of the
    first argument.
    """

    REFERENCES = (Reference(("worker",), ("temporal.worker",)), Reference(("client",), ("temporal.client",)))
    LIFTS = (Lift("options", ("meta", "options"), direct=True),)
    NAMES = (("type",),)

    type: str = Field(min_length=1)
    worker: str | None = None
    task_queue: str | None = Field(default=None, min_length=1)
    client: str | None = None
    options: Frozen = Field(default_factory=FrozenDict)
    input_schema: JsonSchema | None = None
    result_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if (self.worker is None) == (self.task_queue is None):
            raise PydanticCustomError("place", "needs either worker or task_queue")
        if self.worker is not None and self.client is not None:
            raise PydanticCustomError("place", "takes client with task_queue only: a worker has a client of its own")
        return self


class TemporalActivity(Foreign):
    """An activity of somebody else's worker, which functions and workflows call like one of their own."""

    KIND = "temporal.activity"

    kind: Literal["temporal.activity"]


class TemporalWorkflow(Foreign):
    """A workflow of somebody else's worker, which is started like one of the registry's own."""

    KIND = "temporal.workflow"

    kind: Literal["temporal.workflow"]
