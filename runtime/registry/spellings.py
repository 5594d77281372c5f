"""The field that was meant by one that does not exist: one of a similar name, one of the same name elsewhere, or what other formats call it."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from runtime.registry.drafts import spell
from runtime.registry.models import Entry
from runtime.registry.problems import did_you_mean
from runtime.registry.yamlfile import Steps

#: What people who know another format write, and the field it is here, by kind; of every kind that has the field where no kind is said.
OTHERS: Mapping[str, Mapping[str, str]] = {
    "": {
        "cleanup_interval": "sweep_interval",
        "depends_on": "lifecycle.depends_on",
        "entrypoint": "method",
        "file": "source",
        "function": "func",
        "handler": "func",
        "libraries": "imports",
        "lifecycle.depends": "lifecycle.depends_on",
        "lifecycle.requires": "lifecycle.depends_on",
        "lifecycle.restart.attempts": "lifecycle.restart.max_attempts",
        "lifecycle.restart.max_retries": "lifecycle.restart.max_attempts",
        "max_idle": "pool.size",
        "max_open": "pool.size",
        "output_schema": "result_schema",
        "pool.buffer": "pool.size",
        "pool.max_idle": "pool.size",
        "pool.max_open": "pool.size",
        "pool.max_size": "pool.size",
        "pool.type": "pool.size",
        "pool.workers": "pool.size",
        "queue": "task_queue",
        "requires": "imports",
        "schema": "input_schema",
        "script": "source",
        "workers": "concurrency",
    },
    "db.sql.mysql": {"dbname": "database", "dsn": "url", "user": "username"},
    "db.sql.postgres": {"dbname": "database", "dsn": "url", "user": "username"},
    "db.sql.sqlite": {"database": "file", "path": "file", "url": "file"},
    "env.storage.file": {"path": "file"},
    "env.variable": {"env": "variable", "key": "variable", "read_only": "readonly", "value": "default"},
    "function.py": {"callable": "source", "handler": "source", "module": "source"},
    "http.endpoint": {"route": "path", "url": "path", "verb": "method"},
    "http.service": {"address": "addr", "host": "addr", "listen": "addr", "port": "addr", "max_body_size": "max_body"},
    "http.static": {"dir": "directory", "fs": "directory", "prefix": "path", "root": "directory"},
    "process.host": {"max_size": "max_processes", "workers": "max_processes"},
    "process.service": {"args": "input"},
    "queue.queue": {"options": "driver_options"},
    "store.sql": {"db": "database", "table_name": "table"},
    "temporal.activity": {"activity_type": "type", "queue": "task_queue", "timeout": "options"},
    "temporal.client": {"addr": "address", "host": "address", "host_port": "address", "target": "address"},
    "temporal.schedule": {"args": "input", "calendar": "calendars", "every": "interval", "schedule": "cron"},
    "temporal.worker": {"options": "worker_options", "queue": "task_queue"},
    "temporal.workflow": {"queue": "task_queue", "timeout": "options", "workflow_type": "type"},
}


def hint(model: type[Entry], steps: Steps, value: object) -> str | None:
    """A hint for the unknown field at `steps` of an entry, where one is likely."""
    siblings = [name for name in names(model, steps[:-1]) if name != "place"]
    meant = _other(model, steps) or _inside(model, value)
    if meant is not None:
        return f'did you mean "{meant}"?'
    return _of_meta(model, steps) or did_you_mean(str(steps[-1]), siblings) or _elsewhere(model, str(steps[-1]))


def names(model: type[BaseModel], steps: Steps) -> list[str]:
    """The field names, as files write them, of the table at `steps`."""
    for step in steps:
        found = next((info for name, info in model.model_fields.items() if (info.alias or name) == step), None)
        nested = _nested(found.annotation) if found else None
        if nested is None:
            return []
        model = nested
    lifts = {lift.field for lift in getattr(model, "LIFTS", ()) if not lift.direct}
    return [info.alias or name for name, info in model.model_fields.items() if name not in lifts]


def paths(model: type[Entry]) -> list[str]:
    """Every field of an entry, also those of the tables in it: ``pool``, ``pool.size``."""
    lifted = {lift.field for lift in model.LIFTS if not lift.direct} | {"place"}
    return [path for path in _paths(model, "") if path.partition(".")[0] not in lifted]


def _paths(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, info in model.model_fields.items():
        path = prefix + (info.alias or name)
        yield path
        nested = _nested(info.annotation)
        if nested is not None:
            yield from _paths(nested, path + ".")


def _nested(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return next(filter(None, map(_nested, get_args(annotation))), None)
    return None


def _other(model: type[Entry], steps: Steps) -> str | None:
    """By what another format calls it, if the field that is meant is one of this kind."""
    written, known = spell(steps), paths(model)
    for said in (OTHERS.get(model.KIND, {}), OTHERS[""]):
        if said.get(written) in known:
            return said[written]
    return None


def _inside(model: type[Entry], value: object) -> str | None:
    """Of a table that does not exist, whose fields are one level up: ``host: {max_processes: 1}``."""
    if not isinstance(value, Mapping):
        return None
    known = paths(model)
    inner = [path for key in value for path in known if path.rpartition(".")[2] == key]
    return inner[0] if inner else None


def _of_meta(model: type[Entry], steps: Steps) -> str | None:
    """A field that was written on the entry, but is of a part of `meta`, or is one."""
    if any(steps == lift.path[1:2] for lift in model.LIFTS):
        return f"write it as meta.{steps[0]}"
    places = [lift.path for lift in model.LIFTS if len(steps) == 1 and steps[0] in names(model, (lift.field,))]
    return f"write it as {spell((*places[0], *steps))}" if places else None


def _elsewhere(model: type[Entry], name: str) -> str | None:
    """A field of that name in a table of the entry, or in none: ``read`` of an ``http.service`` is ``timeouts.read``."""
    found = [path for path in paths(model) if path.rpartition(".")[2] == name]
    return f'did you mean "{found[0]}"?' if found else None
