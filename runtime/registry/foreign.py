"""What goes to a name that exists elsewhere and comes back, held to the schemas of its entry on this side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtime.errors import Error
from runtime.late import late
from runtime.payload import Payload
from runtime.registry.kinds.foreign import Foreign

if TYPE_CHECKING:
    from runtime.registry import inputs
else:
    inputs = late("runtime.registry.inputs")


def check_input(entry: Foreign, args: Sequence[Payload]) -> None:
    """Raises `Error` INVALID naming the path, as `inputs.check_args`."""
    inputs.check_args(entry.id, entry.input_schema, args)


def check_result(entry: Foreign, value: Payload) -> None:
    """The same of a result."""
    if entry.result_schema is not None:
        inputs.check(entry.id, entry.result_schema, _value(value), "result")


def unfit_result(entry: Foreign, value: Payload) -> Error | None:
    """What is wrong with a result, if anything is."""
    try:
        check_result(entry, value)
    except Error as error:
        return error
    return None


def _value(payload: Payload) -> Any:
    """What has no JSON form fits no schema but one that takes anything."""
    try:
        return payload.value()
    except Error:
        return payload.data
