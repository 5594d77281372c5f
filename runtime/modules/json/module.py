"""The `json` module. Encoding and decoding are the kernel's own Lua; schemas are judged by `json_schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.late import late
from runtime.modules.definition import DETERMINISTIC, ModuleDef

if TYPE_CHECKING:
    from runtime.modules.json import schema as json_schema
else:
    json_schema = late("runtime.modules.json.schema")


def validate(schema_text: bytes, text: bytes) -> bool:
    """True, or raises INVALID naming the first place (by path) that the schema refuses."""
    return json_schema.validate(schema_text, text)


def judged(schema_text: bytes, text: bytes) -> tuple[str | None, int]:
    """What `validate` would refuse the data for, if it would, and how many keywords were looked at."""
    return json_schema.judged(schema_text, text)


MODULE = ModuleDef(
    name="json",
    classes=frozenset({DETERMINISTIC}),
    summary="JSON text, schemas, and what an empty table is",
    functions={"json.validate": validate, "json.judged": judged},
)
