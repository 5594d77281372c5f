"""The check of what goes into a run or an activity, and of what comes out of one that runs elsewhere: the same at every door, and at a run's first task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from runtime.errors import Error, internal, invalid
from runtime.payload import JSON, NOTHING, Payload
from runtime.registry.units import thawed

Schema = Mapping[str, Any] | bool

#: Knows no documents, so a `$ref` to another one is refused instead of fetched.
_NOWHERE: Registry[Any] = Registry()


def check_args(entry: str, schema: Schema | None, args: Sequence[Payload]) -> None:
    """As `check`, of the arguments of a start as they travel: the first of them is the input, null where there is none."""
    if schema is None:
        return
    given = args[0] if args else NOTHING
    if given.encoding != JSON:
        raise invalid(f"input of {entry}: bytes, where its input_schema is about JSON", path="", rule="type", schema="")
    check(entry, schema, given.value())


def check(entry: str, schema: Schema, value: Any, what: str = "input") -> None:
    """Raises `Error` INVALID naming the path in the value, and the rule by its path in the schema, when `value` does not fit; INTERNAL when
    the schema is no schema."""
    try:
        found = best_match(_validator(_Same(schema)).iter_errors(value))
    except (SchemaError, Unresolvable) as error:
        raise internal(
            f"{what}_schema of {entry} cannot be used", entry=entry, schema_error=_first_line(error)
        ) from error
    if found is not None:
        raise _unfit(entry, found, what)


class _Same:
    """A schema as a key. The schema of an entry is one object for as long as the registry stays, and never changes."""

    __slots__ = ("schema",)

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schema is self.schema


@lru_cache(maxsize=256)
def _validator(same: _Same) -> Draft202012Validator:
    """What judges by a schema, made once. Raises `SchemaError`."""
    plain = thawed(same.schema)
    Draft202012Validator.check_schema(plain)
    return Draft202012Validator(plain, registry=_NOWHERE)


def _unfit(entry: str, found: ValidationError, what: str) -> Error:
    path, rule = _path(found.absolute_path), _path(found.absolute_schema_path)
    where = f"at {path[:200]}: " if path else ""
    message = found.message[:500]
    if found.instance is None:  # as Python has it
        message = message.replace("None", "null", 1)
    text = f"{what} of {entry}: {where}{message} ({what}_schema{rule[:200]})"
    return invalid(text, path=path, rule=str(found.validator), schema=rule)


def _path(parts: Iterable[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
