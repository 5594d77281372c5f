"""The fields of a kind of entry as its page lists them: where a file writes each, and its default in words of the format."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Union, get_args, get_origin

import durationpy
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from runtime.registry import units
from runtime.registry.kinds import env, schedule
from runtime.registry.models import Entry, Lifecycle

#: What every entry has, and what no file writes.
_EVERYWHERE = {"name", "kind", "meta", "place"}
_WRITTEN = {"temporal_namespace": "namespace", "database_file": "file", "storage_file": "file"}


@dataclass(frozen=True, slots=True)
class Row:
    """`default` is "required", "none", or as a file would write it."""

    path: str
    default: str


def rows(model: type[Entry]) -> list[Row]:
    """In the order of the model, tables after one another by their inner fields."""
    lifted = {lift.field: ".".join(lift.path) for lift in model.LIFTS if not lift.direct}
    return list(_rows(model, "", lifted))


def _rows(model: type[BaseModel], prefix: str, lifted: dict[str, str]) -> Iterator[Row]:
    for name, info in model.model_fields.items():
        if not prefix and name in _EVERYWHERE:
            continue
        path = lifted.get(name) or prefix + (info.alias or _WRITTEN.get(name, name))
        inner = _table(info.annotation)
        if inner is Lifecycle:
            yield Row(path, "none")
        elif inner is not None:
            yield from _rows(inner, path + ".", {})
        else:
            yield Row(path, _default(info))


def _table(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated, tuple):
        return next(filter(None, map(_table, get_args(annotation))), None)
    return None


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    return _shown(value, _unit(info))


def _unit(info: FieldInfo) -> Any:
    """The function that reads the field's text."""
    return next((item.func for item in info.metadata if isinstance(item, BeforeValidator)), None)


def _shown(value: Any, unit: Any) -> str:
    if value is None or value == "" or value is PydanticUndefined or (isinstance(value, dict | tuple) and not value):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return str(durationpy.to_str(value))
    if unit is units._size:
        return next(
            f"{value >> power}{name}" for power, name in ((20, "MiB"), (10, "KiB")) if value % (1 << power) == 0
        )
    if unit is units._count:
        return f"{value // 1_000_000}M"
    if unit is env._mode:
        return f"{value:04o}"
    if isinstance(value, tuple) and isinstance(value[0], schedule.Range):
        return " ".join(f"{item.start}" if item.start == item.end else f"{item.start}-{item.end}" for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
