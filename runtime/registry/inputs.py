"""The check of what goes into a run or an activity against its entry's `input_schema`, and of what comes out of one that runs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from runtime.errors import Error, internal, invalid

#: Knows no documents, so a `$ref` to another one is refused instead of fetched.
_NOWHERE: Registry[Any] = Registry()


def check(entry: str, schema: Mapping[str, Any] | bool, value: Any, what: str = "input") -> None:
    """Raises `Error` INVALID naming the path and the rule when `value` does not fit, INTERNAL when the schema is no schema."""
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

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:
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


def thawed(schema: Any) -> Any:
    """Registry entries hold tuples where JSON Schema wants arrays."""
    if isinstance(schema, Mapping):
        return {key: thawed(item) for key, item in schema.items()}
    if isinstance(schema, list | tuple):
        return [thawed(item) for item in schema]
    return schema


def _unfit(entry: str, found: ValidationError, what: str) -> Error:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found.absolute_path)
    rule = str(found.validator)
    return invalid(
        f"{what} of {entry}: {('at ' + path[:200] + ': ') if path else ''}{found.message[:500]}", path=path, rule=rule
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
