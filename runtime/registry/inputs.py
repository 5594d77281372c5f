"""A run's input against its entry's `input_schema`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from runtime.errors import Error, internal, invalid

#: Knows no documents, so a `$ref` to another one is refused instead of fetched.
_NOWHERE: Registry[Any] = Registry()


def check(entry: str, schema: Mapping[str, Any] | bool, value: Any) -> None:
    """Raises `Error` INVALID naming the path and the rule when `value` does not fit, INTERNAL when the schema is no schema."""
    plain = thawed(schema)
    try:
        Draft202012Validator.check_schema(plain)
        found = best_match(Draft202012Validator(plain, registry=_NOWHERE).iter_errors(value))
    except (SchemaError, Unresolvable) as error:
        raise internal(
            f"input_schema of {entry} cannot be used", entry=entry, schema_error=_first_line(error)
        ) from error
    if found is not None:
        raise _unfit(entry, found)


def fault(schema: Mapping[str, Any] | bool) -> str | None:
    """What keeps `schema` from being one; None when nothing does."""
    try:
        Draft202012Validator.check_schema(thawed(schema))
    except SchemaError as error:
        return _first_line(error)
    return None


def thawed(schema: Any) -> Any:
    """Registry entries hold tuples where JSON Schema wants arrays."""
    if isinstance(schema, Mapping):
        return {key: thawed(item) for key, item in schema.items()}
    if isinstance(schema, list | tuple):
        return [thawed(item) for item in schema]
    return schema


def _unfit(entry: str, found: ValidationError) -> Error:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found.absolute_path)
    rule = str(found.validator)
    return invalid(
        f"input of {entry}: {('at ' + path[:200] + ': ') if path else ''}{found.message[:500]}", path=path, rule=rule
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
