"""The words in which a route of Evermoon's own says what it does, for OpenAPI: its parameters, its answers and their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

#: By status what an answer means, and the schema of its JSON or the content type of anything else.
Answers = Mapping[int, tuple[str, Json | str | None]]

ANY: Json = {}
TEXT: Json = {"type": "string"}
OBJECT: Json = {"type": "object"}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def table(*required: str, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    says: str
    schema: Json = field(default_factory=lambda: dict(TEXT))
    place: str = "query"


@dataclass(frozen=True, slots=True)
class Operation:
    """The description of what a route does."""

    summary: str
    answers: Answers
    parameters: tuple[Parameter, ...] = ()
    body: Json | None = None
    needs_body: bool = False


def whole(default: int, most: int) -> Json:
    """The schema of a number from 1 to `most`."""
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


def listed(name: str) -> Json:
    """The schema of an answer that lists objects under `name`, with their count."""
    return table(name, "count", **{name: {"type": "array", "items": OBJECT}}, count={"type": "integer"})


WORKER = Parameter("worker", "The temporal.worker, or queue, it runs on; default: that of its entry.")
TIMEOUT = Parameter("timeout", "The run's time budget, a Go duration: after it the run fails as timed out.")
DELAY = Parameter("start_delay", "How long the run waits before its first step, a Go duration.")
STACK = Parameter(
    "stack",
    "Whether it is asked where its Lua code waits; by default, and with `true` also a run whose long history has to be replayed for that.",
    {"type": "boolean"},
)
