"""The validation of drafts, which turns them into models and says in words of the file format what pydantic finds wrong."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runtime.registry import placeholders, spellings
from runtime.registry.drafts import Draft, dig, spell
from runtime.registry.models import UNRESOLVED, Entry
from runtime.registry.problems import closest, did_you_mean
from runtime.registry.units import freeze
from runtime.registry.yamlfile import Steps

E = TypeVar("E", bound=Entry)

#: Fields whose values are never repeated in a message.
SECRET = frozenset({"api_key", "key", "key_pem", "cert_pem", "password", "url", "token", "default"})
_LITERAL = re.compile(r"'([^']*)'")
_OURS = frozenset({"id", "place", "file", "line"})
_WORDS = {
    "string_type": "expects text",
    "is_instance_of": "expects text",
    "bool_type": "expects true or false",
    "bool_parsing": "expects true or false",
    "int_type": "expects a whole number",
    "int_parsing": "expects a whole number",
    "int_from_float": "expects a whole number",
    "float_type": "expects a number",
    "float_parsing": "expects a number",
    "dict_type": "expects a mapping",
    "model_type": "expects a mapping",
    "model_attributes_type": "expects a mapping",
    "tuple_type": "expects a list",
    "string_too_short": "must not be empty",
}

#: Errors that say themselves what the value is.
_SAID = frozenset({"string_too_short", "refused"})


def build(draft: Draft) -> Entry | None:
    """The entry of a draft whose references and sources are settled, its mistakes recorded as problems of the draft.

    Mistaken fields that have a default give way to it, so that later checks see as much of the set as there is; None
    when nothing can be built.
    """
    model = draft.model
    if model is None:
        return None
    fields = _fields(draft, model)
    _try(draft, model, placeholders.defaults(fields))
    entry, wrong = _validate(model, fields)
    for steps in wrong:
        _drop(fields, steps)
    if entry is None and wrong:
        entry, _ = _validate(model, fields)
    return _keep(entry, _definition(draft, model, fields)) if entry else None


def rebuild(entry: E, fields: Mapping[str, Any]) -> E:
    """The same entry from other field values, as `lifted` gives them. Raises pydantic's ValidationError."""
    values = {**lifted(type(entry), fields), "place": entry.place}
    if hasattr(entry, "source"):
        values["source"] = entry.source
    return _keep(type(entry).model_validate(values), entry.definition)


def lifted(model: type[Entry], data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with the parts of `meta` a model reads in fields of their own."""
    fields = dict(data)
    for lift in model.LIFTS:
        value = dig(data, lift.path)
        if value is not None and not (lift.direct and lift.field in data):
            fields[lift.field] = value
    return fields


def written(model: type[Entry], steps: Steps) -> Steps:
    """Where in the file the field at `steps` of the model is."""
    for lift in model.LIFTS:
        if not lift.direct and steps[:1] == (lift.field,):
            return (*lift.path, *steps[1:])
    return steps


def describe(error: ErrorDetails) -> str:
    """What a field expects, without the value it has."""
    if error["type"] == "literal_error":
        return f"expects {error.get('ctx', {}).get('expected', '')}"
    message = _WORDS.get(error["type"])
    return message or error["msg"][:1].lower() + error["msg"][1:]


def expected(error: ErrorDetails) -> str:
    """As `describe`, and the value it has, when that is short."""
    value = error["input"]
    is_said = isinstance(value, dict | list) or error["type"] in _SAID
    return describe(error) if is_said else f"{describe(error)}, not {_short(value)}"


def _fields(draft: Draft, model: type[Entry]) -> dict[str, Any]:
    data = copy.deepcopy(draft.data)
    own = {lift.field for lift in model.LIFTS if not lift.direct} | _OURS
    own -= {info.alias for info in model.model_fields.values() if info.alias}
    if model.model_config.get("extra") == "allow":
        own = {"place"}
    for key in own & data.keys():
        lift = next((lift for lift in model.LIFTS if lift.field == key), None)
        hint = f"write it as {spell(lift.path)}" if lift else None
        draft.complain((key,), f'unknown field "{key}"', hint)
        del data[key]
    _check_temporal(draft, model)
    place: dict[str, Any] = {"place": draft.place}
    if "source" in data and "source" in model.model_fields and isinstance(data["source"], str):
        place["source"] = draft.made.get("source", data["source"])
    return {**lifted(model, data), **place}


def _check_temporal(draft: Draft, model: type[Entry]) -> None:
    """`meta` is free-form, but a slip in the parts of `meta.temporal` that are read would go unnoticed."""
    known = [lift.path[2] for lift in model.LIFTS if lift.path[:2] == ("meta", "temporal")]
    found = dig(draft.data, ("meta", "temporal"))
    for key in found if isinstance(found, dict) and known else []:
        near = closest(key, known)
        if key not in known and near:
            draft.complain(("meta", "temporal", key), f'unknown field "meta.temporal.{key}"', f'did you mean "{near}"?')


def _validate(model: type[Entry], fields: dict[str, Any]) -> tuple[Entry | None, list[Steps]]:
    try:
        entry = model.model_validate(fields, context=UNRESOLVED)
    except ValidationError as error:
        return None, [_steps(detail) for detail in error.errors()]
    return entry, []


def _definition(draft: Draft, model: type[Entry], fields: Mapping[str, Any]) -> Any:
    """The fields that were good, as they are written: nothing lifted, and a source as text."""
    left_out = {"place", *(lift.field for lift in model.LIFTS if not lift.direct)}
    plain = {key: value for key, value in fields.items() if key not in left_out}
    if "source" in draft.made:
        plain["source"] = draft.data["source"]
    return freeze(plain)


def _keep(entry: E, definition: Any) -> E:
    entry._definition = definition
    return entry


def _try(draft: Draft, model: type[Entry], fields: Any) -> None:
    try:
        model.model_validate(fields, context=UNRESOLVED)
    except ValidationError as error:
        for detail in error.errors():
            _complain(draft, model, detail)


def _complain(draft: Draft, model: type[Entry], error: ErrorDetails) -> None:
    steps = _steps(error)
    if _said_already(draft, steps, error["type"]):
        return
    where = written(model, steps)
    name = spell(where)
    if error["type"] == "missing":
        draft.complain(where[:-1], f'missing field "{name}"')
    elif error["type"] == "extra_forbidden":
        draft.complain(where, f'unknown field "{name}"', spellings.hint(model, steps, error["input"]))
    else:
        value, hint = error["input"], None
        if error["type"] == "literal_error" and isinstance(value, str):
            hint = did_you_mean(value, _LITERAL.findall(error.get("ctx", {}).get("expected", "")))
        said = describe(error) if SECRET.intersection(map(str, steps)) else expected(error)
        draft.complain(where, f"{name}: {said}" if name else describe(error), hint)


def _said_already(draft: Draft, steps: Steps, kind: str) -> bool:
    """Whether an earlier stage reported it, or whether it is only a number-like default in a field of text."""
    if steps in (("name",), ("kind",)):
        return True
    original = dig(draft.data, written(draft.model or Entry, steps))
    if steps == ("source",):
        return isinstance(original, str)
    return kind == "string_type" and placeholders.is_in(original)


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _steps(error: ErrorDetails) -> Steps:
    return tuple(error["loc"])


def _drop(fields: dict[str, Any], steps: Steps) -> None:
    """Removes what is at `steps`, or the whole field when only a part of it can be removed."""
    holder = dig(fields, steps[:-1])
    if isinstance(holder, dict) and steps:
        holder.pop(steps[-1], None)
    elif steps:
        fields.pop(str(steps[0]), None)
