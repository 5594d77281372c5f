"""Field types of definition files: durations, sizes, counts, addresses, and mappings that stay as they are."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from runtime import durations
from runtime.errors import Error
from runtime.late import late

if TYPE_CHECKING:
    import jsonschema
else:
    jsonschema = late("jsonschema")

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?i?B?)", re.IGNORECASE)
_COUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kMG]?)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:\s/]*):(?P<port>[0-9]{1,5})")
_POWERS = "kmgt"


class FrozenDict(dict[str, Any]):
    """A dict that refuses every change; entries share theirs freely."""

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError("entries of the registry cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, _memo: dict[int, Any]) -> FrozenDict:
        return self

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return (FrozenDict, (dict(self),))


def freeze(value: Any) -> Any:
    """`value` with every mapping a FrozenDict and every list a tuple."""
    if isinstance(value, dict):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value


def thawed(value: Any) -> Any:
    """The inverse of `freeze`: JSON Schema wants arrays where entries hold tuples."""
    if isinstance(value, dict):
        return {key: thawed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [thawed(item) for item in value]
    return value


def _size(value: object) -> int:
    """Bytes: ``KiB MiB GiB TiB`` are powers of 1024, ``KB MB GB TB`` of 1000, a bare number is bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        raise PydanticCustomError("size", 'expects a size such as "64MiB" or a number of bytes')
    unit = match[2].lower()
    base = 1024 if "i" in unit or unit in _POWERS else 1000
    power = _POWERS.index(unit[0]) + 1 if unit[:1] and unit[0] in _POWERS else 0
    return int(float(match[1]) * base**power)


def _count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _COUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match or float(match[1]) <= 0:
        raise PydanticCustomError("count", 'expects a positive number such as 20000000 or "20M"')
    power = "kmg".index(match[2].lower()) + 1 if match[2] else 0
    return int(float(match[1]) * 1000**power)


def _duration(value: object) -> timedelta:
    try:
        parsed = value if isinstance(value, timedelta) else durations.parse(value)
    except Error:
        parsed = timedelta(-1)
    if parsed < timedelta(0):
        raise PydanticCustomError("duration", 'expects a duration such as "30s", "1h30m" or a number of milliseconds')
    return parsed


def _address(value: str) -> str:
    match = _ADDRESS.fullmatch(value)
    if not match or int(match["port"]) > 65535:
        raise PydanticCustomError("address", 'expects an address such as "127.0.0.1:8080"')
    return value


def _json_schema(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    try:
        jsonschema.Draft202012Validator.check_schema(value)
    except jsonschema.SchemaError as error:
        path = "".join(f" at {step}" for step in list(error.path)[-1:])
        raise PydanticCustomError(
            "json_schema", "not a JSON Schema{place}: {reason}", {"place": path, "reason": error.message[:200]}
        ) from None
    return value


def _as_mapping(value: object) -> object:
    """An empty YAML value (``meta:`` and nothing after it) is an empty mapping."""
    return {} if value is None else value


_NUMBER_OR_TEXT = {"type": ["integer", "string"]}

Size = Annotated[int, BeforeValidator(_size), WithJsonSchema(_NUMBER_OR_TEXT)]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema(_NUMBER_OR_TEXT)]
Duration = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema({"type": ["number", "string"]})]
Address = Annotated[str, AfterValidator(_address)]
Frozen = Annotated[dict[str, Any], BeforeValidator(_as_mapping), AfterValidator(freeze)]
Opaque = Annotated[Any, AfterValidator(freeze)]
JsonSchema = Annotated[Frozen, BeforeValidator(_json_schema)]
Schemas = Annotated[dict[str, JsonSchema], BeforeValidator(_as_mapping), AfterValidator(freeze)]
FrozenText = Annotated[dict[str, str], BeforeValidator(_as_mapping), AfterValidator(freeze)]
