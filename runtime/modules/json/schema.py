"""How the `json` module judges data by a schema: with the jsonschema library.

Both schema and data come from scripts: what judging them may cost is counted, and patterns go to a matcher that takes
linear time. A `$ref` to anywhere else is refused, never fetched.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from threading import Lock, local
from typing import Any

import re2
from jsonschema import Draft202012Validator, ValidationError, validators
from referencing import Registry
from referencing.exceptions import Unresolvable

from runtime.errors import Error, invalid

MAX_SCHEMA = 256 * 1024  # bytes
MAX_DATA = 8 * 1024 * 1024  # bytes
MAX_WORK = 100_000  # keywords looked at; about a second
REFERENCE = 12  # what one that refers to another schema counts: it is looked up each time
MAX_MESSAGE = 500  # characters
TEXT = 256  # bytes of what a refusal says that count as a keyword: each names the whole value
KEPT = 512 * 1024  # bytes of schemas that are remembered

_spent = local()
_pattern_options = re2.Options()
_pattern_options.log_errors = False


def validate(schema_text: bytes, text: bytes) -> bool:
    """True, or raises INVALID naming the first place (by path) that the schema refuses."""
    _spent.work = 0
    if len(text) > MAX_DATA:
        raise invalid(f"data is longer than {MAX_DATA} bytes")
    value = _parsed(text, "data")
    try:
        problem = _first(_validator(schema_text).iter_errors(value))
    except Unresolvable as error:
        raise invalid(f"schema reference cannot be resolved: {error.ref}") from error
    except RecursionError as error:
        raise invalid("the schema refers to itself without end") from error
    if problem is not None:
        raise invalid(_shortened(f"{problem.json_path}: {problem.message}"))
    return True


def judged(schema_text: bytes, text: bytes) -> tuple[str | None, int]:
    """What is wrong, if anything is, and how much work it was to find that."""
    try:
        validate(schema_text, text)
    except Error as error:
        return error.message, _spent.work
    return None, _spent.work


def _parsed(text: bytes, what: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise invalid(f"{what} is not JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        raise invalid(f"{what} is not JSON: a number too long, nested too deeply, or no UTF-8") from error


def _first(problems: Iterator[ValidationError]) -> ValidationError | None:
    return min(problems, key=lambda problem: problem.json_path, default=None)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "..."


class _Schemas:
    """The schemas used last, by their text; together no more than a number of bytes, of which each stands for some fifty of memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Any] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, text: bytes) -> Any:
        with self._lock:
            validator = self._kept.get(text)
            if validator is not None:
                self._kept.move_to_end(text)
        return validator

    def keep(self, text: bytes, validator: Any) -> None:
        with self._lock:
            if text in self._kept or len(text) > self._most // 8:
                return
            self._kept[text] = validator
            self._bytes += len(text)
            while self._bytes > self._most:
                self._bytes -= len(self._kept.popitem(last=False)[0])


_schemas = _Schemas(KEPT)


def _validator(schema_text: bytes) -> Any:
    validator = _schemas.get(schema_text)
    if validator is None:
        validator = _checked(schema_text)
        _schemas.keep(schema_text, validator)
    return validator


def _checked(schema_text: bytes) -> Any:
    if len(schema_text) > MAX_SCHEMA:
        raise invalid(f"the schema is longer than {MAX_SCHEMA} bytes")
    schema = _parsed(schema_text, "schema")
    if not isinstance(schema, dict | bool):
        raise invalid("schema must be an object or a boolean")
    kind = validators.validator_for(schema, default=Draft202012Validator)
    if isinstance(schema, dict):
        schema = {key: item for key, item in schema.items() if key != "$schema"}
        _refuse_dialects(schema)
    bounded = _bounded(kind)
    problem = _first(bounded(kind.META_SCHEMA).iter_errors(schema))
    if problem is not None:
        raise invalid(_shortened(f"bad schema at {problem.json_path}: {problem.message}"))
    return bounded(schema, registry=Registry())


def _refuse_dialects(schema: Any) -> None:
    """A part in another dialect would be judged by the library's own, unbounded class for it."""
    for item in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(item, dict) and isinstance(item.get("$schema"), str):
            raise invalid("bad schema: $schema is allowed at its root alone")
        if isinstance(item, dict | list):
            _refuse_dialects(item)


Keyword = Callable[[Any, Any, Any, Any], Any]


@cache
def _bounded(kind: Any) -> Any:
    """The dialect `kind`, with every keyword counted, and those that can take long replaced."""
    keywords: dict[str, Keyword] = {
        name: _counted(keyword, REFERENCE if name.endswith(("$ref", "Ref")) else 1)
        for name, keyword in kind.VALIDATORS.items()
    }
    for name, keyword in (("pattern", _pattern), ("patternProperties", _pattern_properties), ("uniqueItems", _unique)):
        if name in keywords:
            keywords[name] = _counted(keyword)
    return validators.extend(kind, keywords)  # type: ignore[no-untyped-call]


def _counted(keyword: Keyword, weight: int = 1) -> Keyword:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        sizes = [len(item) for item in (value, instance) if isinstance(item, dict | list)]
        _work(weight + sum(sizes) // 16 + (sizes[0] if isinstance(value, list) else 0))
        for problem in keyword(validator, value, instance, schema) or ():
            _work(len(problem.message) // TEXT)
            problem.message = _shortened(problem.message)
            problem.context = []
            yield problem

    return counted


def _work(amount: int) -> None:
    _spent.work += amount
    if _spent.work > MAX_WORK:
        raise invalid("judging the data by this schema takes too long")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    try:
        return re2.compile(pattern, options=_pattern_options)
    except (re2.error, UnicodeError) as error:
        raise invalid(_shortened(f"bad schema: the pattern {pattern!r} is not supported")) from error


def _matches(pattern: str, text: str) -> bool:
    _work(len(text) // 1024)
    return _compiled(pattern).search(text.encode("utf-8", "replace").decode()) is not None


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: dict[str, Any], instance: Any, _schema: Any
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, subschema in patterns.items():
        _work(len(instance))
        for name, item in instance.items():
            if _matches(pattern, name):
                yield from validator.descend(item, subschema, path=name, schema_path=pattern)


def _unique(validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if wanted and validator.is_type(instance, "array"):
        _work(len(instance))
        if len({json.dumps(_canonical(item), sort_keys=True) for item in instance}) != len(instance):
            yield ValidationError(f"{instance!r} has non-unique elements")


def _canonical(value: Any) -> Any:
    """Equal values as equal text: 1.0 is 1."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
