"""The check of search attributes against what the client declares, because a command with an unknown one wedges the run."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.common import SearchAttributeKey, SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes
from temporalio.converter import encode_typed_search_attribute_value

from runtime import limits
from runtime.errors import invalid


@dataclass(frozen=True, slots=True)
class Declared:
    """The types of the attributes that a temporal.client declares, by their names; `client` is its entry's id.

    `register`: where others than these may be used, it registers one with the server, of this type unless the server has it already,
    and answers its type. It waits, so it is for threads only.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    register: Callable[[str, str], str] | None = None

    def with_new(self, values: Mapping[str, Any], times: Container[str] = ()) -> Declared:
        """With those of these values that are not declared but may be used: of the type that their values have in Lua."""
        register = self.register
        if register is None:
            return self
        kinds = {name: "Datetime" if name in times else _kind(value) for name, value in values.items()}
        new = {
            name: register(name, kind)
            for name, kind in kinds.items()
            if name not in self.types and values[name] is not None
        }
        return replace(self, types={**self.types, **new})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: Any) -> list[str] | None:
    return list(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)


_TYPES: Mapping[str, tuple[Callable[[str], SearchAttributeKey[Any]], Callable[[Any], Any], str]] = {
    "Keyword": (SearchAttributeKey.for_keyword, _text, "a string"),
    "Text": (SearchAttributeKey.for_text, _text, "a string"),
    "Int": (SearchAttributeKey.for_int, _whole, "an integer"),
    "Double": (SearchAttributeKey.for_float, _number, "a number"),
    "Bool": (SearchAttributeKey.for_bool, _flag, "a boolean"),
    "Datetime": (SearchAttributeKey.for_datetime, _moment, "a time"),
    "KeywordList": (SearchAttributeKey.for_keyword_list, _texts, "an array of strings"),
}

_KINDS: Mapping[type, str] = {
    bool: "Bool",
    int: "Int",
    float: "Double",
    list: "KeywordList",
    str: "Keyword",
    type(None): "Keyword",
}

#: How the server names the types when one is registered.
INDEXED = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Text": IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    "Bool": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}


def _key(declared: Declared, name: str) -> tuple[SearchAttributeKey[Any], Callable[[Any], Any], str]:
    kind = declared.types.get(name)
    if kind is None:
        text = f'search attribute "{name}" is not declared by the temporal.client'
        mend = (
            f" {declared.client}: name it, and its type, in that entry's search_attributes" if declared.client else ""
        )
        raise invalid(text + mend, name=name)
    make, check, wanted = _TYPES[kind]
    return make(name), check, wanted


def _checked(declared: Declared, name: str, value: Any) -> tuple[SearchAttributeKey[Any], Any]:
    key, check, wanted = _key(declared, name)
    checked = check(value)
    if checked is None:
        raise invalid(
            f'search attribute "{name}" is {declared.types[name]}: it takes {wanted}, not {value!r}', name=name
        )
    return key, checked


def typed(declared: Declared, values: Mapping[str, Any]) -> TypedSearchAttributes | None:
    """Attributes of a start. Raises `Error` INVALID for an undeclared name or a value of another type.

    The text does not say what is declared: a run that is told it must be told the same after a deploy.
    """
    pairs = [SearchAttributePair(*_checked(declared, name, value)) for name, value in values.items()]
    return TypedSearchAttributes(pairs) if pairs else None


def inferred(values: Mapping[str, Any]) -> list[SearchAttributeUpdate[Any]]:
    """Changes typed by their values alone: for a replay after the declaration went away."""
    return updates(_kinds(values), values)


def inferred_start(values: Mapping[str, Any]) -> TypedSearchAttributes | None:
    """Attributes of a start typed likewise."""
    return typed(_kinds(values), values)


def _kinds(values: Mapping[str, Any]) -> Declared:
    return Declared({name: _kind(value) for name, value in values.items()})


def _kind(value: Any) -> str:
    """The type of a value in Lua; a time comes as its text."""
    return _KINDS[type(value)]


def updates(declared: Declared, values: Mapping[str, Any]) -> list[SearchAttributeUpdate[Any]]:
    """Changes to a run's attributes; None removes one. Raises as `typed`."""
    changes: list[SearchAttributeUpdate[Any]] = []
    for name, value in values.items():
        if value is None:
            changes.append(_key(declared, name)[0].value_unset())
        else:
            key, checked = _checked(declared, name, value)
            changes.append(key.value_set(checked))
    return changes


def put(found: Iterable[SearchAttributePair[Any] | SearchAttributeUpdate[Any]], attributes: SearchAttributes) -> None:
    """Writes attributes, or changes of them, as the server has them."""
    for item in found:
        attributes.indexed_fields[item.key.name].CopyFrom(encode_typed_search_attribute_value(item.key, item.value))


def check_size(attributes: SearchAttributes) -> None:
    """Raises `Error` INVALID when these are larger or more than the search attributes of a run may be: such a run is terminated."""
    fields = attributes.indexed_fields
    for name, payload in fields.items():
        size = len(payload.data)
        if size > limits.MAX_ATTRIBUTE:
            text = f'search attribute "{name}": {size} bytes as JSON are more than Temporal takes ({limits.MAX_ATTRIBUTE} bytes)'
            raise invalid(
                f"{text}: shorten it, or put it into the memo", name=name, size=size, limit=limits.MAX_ATTRIBUTE
            )
    if len(fields) > limits.MAX_ATTRIBUTE_COUNT:
        raise invalid(f"{len(fields)} search attributes are more than Temporal takes ({limits.MAX_ATTRIBUTE_COUNT})")
    if attributes.ByteSize() > limits.MAX_ATTRIBUTES:
        text = f"the search attributes of the run: {attributes.ByteSize()} bytes are more than Temporal takes together"
        raise invalid(
            f"{text} ({limits.MAX_ATTRIBUTES} bytes): shorten them, or put some into the memo",
            limit=limits.MAX_ATTRIBUTES,
        )
