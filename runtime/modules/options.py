"""The option tables of `funcs` and `process`, checked and brought to one form.

In: what an author wrote, in a script or in an entry's `meta.options`: prefixed keys, Go durations or milliseconds, snake
or camel case. Out: names without prefix, durations in whole milliseconds, enumerations in lower case with underscores.
A value the Temporal server would refuse is refused here: a refused command never comes back to the script.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from runtime.errors import Error, invalid
from runtime.modules import cron
from runtime.registry.problems import closest
from runtime.registry.units import Duration
from runtime.registry.validation import expected

T = TypeVar("T")
N = TypeVar("N", int, float)

_MAX_NAME = 1000  # bytes; the server's limit for ids and queue names
_MAX_SUMMARY = 350  # bytes; the server allows 400 for the payload, its metadata included
_MAX_DETAILS = 20_000
_MAX_FAIRNESS_KEY = 64
_MAX_ATTEMPTS = 2**31 - 1
_DEFAULT_INITIAL_INTERVAL = 1000


def activity_options(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a call. A plain `timeout` is start-to-close. Raises `Error` INVALID naming key and value."""
    table = _top(raw)
    keys = _keys(table, "activity.")
    if "timeout" in table and not table.get(keys.get("start_to_close_timeout", "")):
        keys["start_to_close_timeout"] = "timeout"
    return _read(ActivityOptions, table, keys)


def workflow_options(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a started workflow or child. Raises `Error` INVALID naming key and value."""
    table = _top(raw)
    return _read(WorkflowOptions, table, _keys(table, "workflow."))


def activity_options_json(text: bytes) -> bytes:
    """`activity_options` for the kernel: a JSON object in, a JSON object out."""
    return json.dumps(activity_options(json.loads(text)), ensure_ascii=False).encode()


def workflow_options_json(text: bytes) -> bytes:
    """`workflow_options` for the kernel: a JSON object in, a JSON object out."""
    return json.dumps(workflow_options(json.loads(text)), ensure_ascii=False).encode()


def without_controls(name: str, what: str = "") -> str:
    """The name. Raises `Error` INVALID for one with control characters, which databases of the server may refuse and logs cannot show."""
    if any(char < " " or char == "\x7f" for char in name):
        raise invalid(f"{what} {name[:80]!r} has a control character".lstrip())
    return name


def _top(raw: Any) -> Mapping[str, Any]:
    try:
        return _table(raw)
    except PydanticCustomError as error:
        raise invalid(f"options: {error.message()}") from None


def _keys(table: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """The keys of options by their names: those under `prefix` or its `temporal.` alias; where both are given, the shorter one counts."""
    return {
        key[len(start) :]: key
        for start in (f"temporal.{prefix}", prefix)
        for key, value in table.items()
        if key.startswith(start) and value is not None
    }


def _read(model: type[_Options], table: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    if not keys:
        return {}
    try:
        return model.model_validate({name: table[key] for name, key in keys.items()}).plain()
    except ValidationError as error:
        raise _refused(error.errors(include_url=False)[0], keys, model) from None


def _refused(error: ErrorDetails, keys: Mapping[str, str], model: type[_Options]) -> Error:
    """What is wrong with an option, by the key that it was given under."""
    if not error["loc"]:  # options that do not go together
        return invalid(error["msg"])
    name, *inside = map(str, error["loc"])
    key, is_unknown = keys.get(name, name), error["type"] == "extra_forbidden"
    if is_unknown and not inside:
        prefix = key[: len(key) - len(name)]
        return invalid(f'unknown option "{key}"{_meant(name, model, prefix)}', option=key)
    table = _NESTED.get(name, model)
    unknown = f'unknown option "{".".join(inside)}"{_meant(inside[-1], table)}' if is_unknown else ""
    return invalid(f'option "{key}": {unknown or ": ".join([*inside, expected(error)])}', option=key)


def _meant(name: str, model: type[_Options], prefix: str = "") -> str:
    near = closest(name, model.model_fields)
    return f'; did you mean "{prefix}{near}"?' if near else ""


# Units ----------------------------------------------------------------------------------------------------------------------


def _table(value: Any) -> Mapping[str, Any]:
    if value is None or (isinstance(value, list | tuple) and not value):  # an empty Lua table is an array
        return {}
    if not isinstance(value, Mapping):
        raise PydanticCustomError("table", "expects a table")
    return value


def _milliseconds(span: timedelta) -> int | None:
    """Rounded up; zero means unset, as in Temporal."""
    return -(-span // timedelta(milliseconds=1)) or None


def _whole(value: Any) -> Any:
    """Numbers of Lua are whole in two types."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _folded(value: Any) -> Any:
    return value.lower().replace("-", "_") if isinstance(value, str) else value


def _kinds(value: Any) -> list[str]:
    kinds = [value] if isinstance(value, str) else value
    if not isinstance(kinds, list | tuple) or not all(isinstance(kind, str) for kind in kinds):
        raise PydanticCustomError("kinds", "expects an error kind or a list of them")
    return list(kinds)


def _prioritized(value: Any) -> Any:
    """A key from 1 (first) to 5, or a table with a key, a fairness key and its weight."""
    return _table(value) if isinstance(value, Mapping | list | tuple) else {"priority_key": value}


def _between(low: float, high: float) -> AfterValidator:
    def check(value: N) -> N:
        if not low <= value <= high:
            raise PydanticCustomError("range", f"expects a number from {low} to {high}")
        return value

    return AfterValidator(check)


def _at_most(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text.encode()) > limit:
            raise PydanticCustomError("bytes", "expects at most {limit} bytes", {"limit": limit})
        return text

    return AfterValidator(check)


def _accepted_by(check: Callable[[T], T]) -> AfterValidator:
    """By a check that raises `Error`."""

    def checked(value: T) -> T:
        try:
            return check(value)
        except Error as error:
            raise PydanticCustomError("refused", "{reason}", {"reason": error.message}) from None

    return AfterValidator(checked)


Milliseconds = Annotated[Duration, AfterValidator(_milliseconds)]
Name = Annotated[StrictStr, Field(min_length=1), _at_most(_MAX_NAME), _accepted_by(without_controls)]
Cron = Annotated[Name, _accepted_by(cron.check)]
Summary = Annotated[StrictStr, _at_most(_MAX_SUMMARY)]
Whole = Annotated[StrictInt, BeforeValidator(_whole)]
Kinds = Annotated[list[str], BeforeValidator(_kinds)]
Table = Annotated[dict[str, Any], BeforeValidator(_table)]


# Tables ---------------------------------------------------------------------------------------------------------------------


class _Options(BaseModel):
    """A table of options, each of which may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    def plain(self) -> dict[str, Any]:
        """Those that say something."""
        said = {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}
        return {
            name: value.plain() if isinstance(value, _Options) else value
            for name, value in said.items()
            if value is not None
        }


class _Nested(_Options):
    """A table whose keys may be in snake or camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, loc_by_alias=False)


class RetryPolicy(_Nested):
    initial_interval: Milliseconds | None = None
    backoff_coefficient: Annotated[StrictFloat, _between(1, 1_000_000)] | None = None
    maximum_interval: Milliseconds | None = None
    maximum_attempts: Annotated[Whole, _between(0, _MAX_ATTEMPTS)] | None = None
    non_retryable_error_types: Kinds | None = None

    @model_validator(mode="after")
    def _ordered(self) -> RetryPolicy:
        policy = self.plain()
        initial, maximum = policy.get("initial_interval", _DEFAULT_INITIAL_INTERVAL), policy.get("maximum_interval")
        if maximum is not None and maximum < initial:
            ends = {"maximum": maximum, "initial": initial}
            text = "maximum_interval ({maximum} ms) is shorter than initial_interval ({initial} ms)"
            raise PydanticCustomError("retry_policy", text, ends)
        return self


class Priority(_Nested):
    priority_key: Annotated[Whole, _between(1, 5)] | None = None
    fairness_key: Annotated[StrictStr, _at_most(_MAX_FAIRNESS_KEY)] | None = None
    fairness_weight: Annotated[StrictFloat, _between(0.001, 1000)] | None = None


class _Started(_Options):
    """What calls and runs both have."""

    id: Name | None = None
    task_queue: Name | None = None
    wait_for_cancellation: StrictBool | None = None
    summary: Summary | None = None
    priority: Annotated[Priority, BeforeValidator(_prioritized)] | None = None
    retry_policy: Annotated[RetryPolicy, BeforeValidator(_table)] | None = None


#: The models of options that are tables.
_NESTED: Mapping[str, type[_Options]] = {"priority": Priority, "retry_policy": RetryPolicy}


class ActivityOptions(_Started):
    schedule_to_close_timeout: Milliseconds | None = None
    schedule_to_start_timeout: Milliseconds | None = None
    start_to_close_timeout: Milliseconds | None = None
    heartbeat_timeout: Milliseconds | None = None
    disable_eager_execution: StrictBool | None = None


class WorkflowOptions(_Started):
    budget: Milliseconds | None = None
    budget_grace: Milliseconds | None = None
    execution_timeout: Milliseconds | None = None
    run_timeout: Milliseconds | None = None
    task_timeout: Milliseconds | None = None
    id_conflict_policy: (
        Annotated[Literal["fail", "use_existing", "terminate_existing"], BeforeValidator(_folded)] | None
    ) = None
    id_reuse_policy: (
        Annotated[
            Literal["allow_duplicate", "allow_duplicate_failed_only", "reject_duplicate"], BeforeValidator(_folded)
        ]
        | None
    ) = None
    execution_error_when_already_started: StrictBool | None = None
    cron_schedule: Cron | None = None
    memo: Table | None = None
    search_attributes: Table | None = None
    enable_eager_start: StrictBool | None = None
    start_delay: Milliseconds | None = None
    details: Annotated[StrictStr, _at_most(_MAX_DETAILS)] | None = None
    parent_close_policy: (
        Annotated[Literal["terminate", "abandon", "request_cancel"], BeforeValidator(_folded)] | None
    ) = None
    namespace: Name | None = None

    @model_validator(mode="after")
    def _compatible(self) -> WorkflowOptions:
        if self.cron_schedule is not None and self.start_delay is not None:
            text = 'options "workflow.cron_schedule" and "workflow.start_delay" exclude each other'
            raise PydanticCustomError("exclusive", text)
        return self
